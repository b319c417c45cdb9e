/** What a person reads where no model, snapshot or test is left to work on, and what there is instead. */
import type { Model, RunOptions } from '../../batch-jobs/index.ts'

type Verb = RunOptions['verb'] | 'list'

export const noModels = 'no models: put SQL files into models/'

const namesMax = 20

/** `chosen`: those of `models` that the flags left. */
export function nothingChosen(
  models: readonly Model[],
  chosen: readonly Model[],
  verb: Verb,
): string {
  if (models.length === 0) return noModels
  if (chosen.length === 0) return `the selection matches nothing; there is: ${choices(models)}`
  const isAll = chosen.length === models.length
  const where = isAll ? '' : ' among the selected models'
  if (verb === 'test') return `no tests${where}: name some in YAML beside the models, or in tests/`
  if (verb === 'snapshot') return `no snapshots${where}: put them into snapshots/`
  return isAll ? noModels : `no models${where}, only snapshots: tide snapshot runs those`
}

function choices(models: readonly Model[]): string {
  const folders = models.map(({ file }) => file.split('/').slice(0, -1).join('/'))
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ['names', models.map(({ name }) => name)],
    ['tags', models.flatMap(({ config }) => config.tags)],
    ['folders', folders],
  ]
  return kinds
    .map(([kind, words]): readonly [string, readonly string[]] => [
      kind,
      [...new Set(words)].sort(),
    ])
    .filter(([, words]) => words.length > 0)
    .map(([kind, words]) => `${kind} ${listed(words)}`)
    .join('; ')
}

function listed(words: readonly string[]): string {
  const rest = words.length - namesMax
  const shown = words.slice(0, namesMax).join(', ')
  return rest > 0 ? `${shown} and ${rest} more (tide ls)` : shown
}
