/**
 * `--select` and `--exclude` in dbt's grammar: names with `*`, `+m` and `m+` (with a number of steps),
 * `tag:`, `path:`, `config.materialized:`. Words separated by spaces form a union, by commas an intersection.
 */
import { didYouMean, ValidationError } from '../../common/index.ts'
import { downstreamOf, upstreamOf } from './graph.ts'
import type { Model } from './model.ts'

/** The selected models in the order of `models`. Throws ValidationError for a word that matches nothing. */
export function selectModels(
  models: readonly Model[],
  select: readonly string[],
  exclude: readonly string[],
): readonly Model[] {
  const selected =
    select.length === 0 ? new Set(models.map(({ name }) => name)) : namesOf(models, select)
  const excluded = namesOf(models, exclude)
  return models.filter(({ name }) => selected.has(name) && !excluded.has(name))
}

function namesOf(models: readonly Model[], words: readonly string[]): Set<string> {
  const names = new Set<string>()
  for (const word of words.flatMap((each) => each.split(/\s+/)).filter((each) => each !== '')) {
    const parts = word.split(',').map((part) => matching(models, part))
    const [first = new Set<string>(), ...others] = parts
    for (const name of first) {
      if (others.every((other) => other.has(name))) names.add(name)
    }
  }
  return names
}

function matching(models: readonly Model[], word: string): Set<string> {
  const [, up, bare = '', down] = /^(\d*\+)?(.*?)(\+\d*)?$/.exec(word) ?? []
  const own = new Set(models.filter(matcher(models, bare)).map(({ name }) => name))
  const selected = new Set(own)
  if (up !== undefined) {
    for (const name of within(upstreamOf, models, own, up)) selected.add(name)
  }
  if (down !== undefined) {
    for (const name of within(downstreamOf, models, own, down)) selected.add(name)
  }
  return selected
}

/** All of them, or those at most `2` steps away for `2+` and `+2`. */
function within(
  follow: typeof upstreamOf,
  models: readonly Model[],
  names: ReadonlySet<string>,
  sign: string,
): ReadonlySet<string> {
  const steps = sign.replace('+', '')
  if (steps === '') return follow(models, names)
  const reached = new Set<string>()
  let edge: ReadonlySet<string> = names
  for (let step = 0; step < Number(steps) && edge.size > 0; step++) {
    const next = new Set<string>()
    for (const name of edge) {
      for (const { name: other, dependsOn } of models) {
        const isUp =
          follow === upstreamOf &&
          models.some((m) => m.name === name && m.dependsOn.includes(other))
        const isDown = follow === downstreamOf && dependsOn.includes(name)
        if ((isUp || isDown) && !reached.has(other)) next.add(other)
      }
    }
    for (const name of next) reached.add(name)
    edge = next
  }
  return reached
}

function matcher(models: readonly Model[], word: string): (model: Model) => boolean {
  const [, method, value = ''] = /^([\w.]+):(.*)$/.exec(word) ?? []
  if (method === 'tag') return ({ config }) => config.tags.some((tag) => glob(value).test(tag))
  if (method === 'path') {
    const folder = value.replace(/^\.\//, '').replace(/\/+$/, '')
    return ({ file }) => glob(folder).test(file) || file.startsWith(`${folder}/`)
  }
  if (method === 'config.materialized') return ({ config }) => config.materialized === value
  if (method === 'resource_type') return ({ kind }) => kind === value
  if (method !== undefined) {
    throw new ValidationError(
      `unknown way to select "${method}:" (known: a name, tag:, path:, config.materialized:, resource_type:)`,
    )
  }
  const pattern = glob(word)
  const names = models.map(({ name }) => name)
  if (!names.some((name) => pattern.test(name))) {
    throw new ValidationError(`no model is named "${word}"${didYouMean(word, names)}`)
  }
  return ({ name }) => pattern.test(name)
}

function glob(text: string): RegExp {
  const escaped = text.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${escaped}$`)
}
