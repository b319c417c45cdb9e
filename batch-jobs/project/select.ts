/**
 * `--select` and `--exclude` in dbt's grammar: names with `*`, `+m` and `m+` (with a number of steps),
 * `tag:`, `path:`, `config.materialized:`; words are united, commas within a word intersect.
 */
import { didYouMean, ValidationError } from '../../common/index.ts'
import { downstreamOf, upstreamOf } from './graph.ts'
import type { Model } from './model.ts'

/** The chosen models in the order of `models`. Throws ValidationError for a word that matches nothing. */
export function selectModels(
  models: readonly Model[],
  select: readonly string[],
  exclude: readonly string[],
): readonly Model[] {
  const wanted =
    select.length === 0 ? new Set(models.map(({ name }) => name)) : chosen(models, select)
  const refused = chosen(models, exclude)
  return models.filter(({ name }) => wanted.has(name) && !refused.has(name))
}

function chosen(models: readonly Model[], words: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const word of words.flatMap((each) => each.split(/\s+/)).filter((each) => each !== '')) {
    const parts = word.split(',').map((part) => matching(models, part))
    const [first = new Set<string>(), ...others] = parts
    for (const name of first) {
      if (others.every((other) => other.has(name))) found.add(name)
    }
  }
  return found
}

function matching(models: readonly Model[], word: string): Set<string> {
  const [, up, bare = '', down] = /^(\d*\+)?(.*?)(\+\d*)?$/.exec(word) ?? []
  const own = new Set(models.filter(matcher(models, bare)).map(({ name }) => name))
  const found = new Set(own)
  if (up !== undefined) {
    for (const name of within(upstreamOf, models, own, up)) found.add(name)
  }
  if (down !== undefined) {
    for (const name of within(downstreamOf, models, own, down)) found.add(name)
  }
  return found
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
  const found = new Set<string>()
  let edge: ReadonlySet<string> = names
  for (let step = 0; step < Number(steps) && edge.size > 0; step++) {
    const next = new Set<string>()
    for (const name of edge) {
      for (const { name: other, dependsOn } of models) {
        const isUp =
          follow === upstreamOf &&
          models.some((m) => m.name === name && m.dependsOn.includes(other))
        const isDown = follow === downstreamOf && dependsOn.includes(name)
        if ((isUp || isDown) && !found.has(other)) next.add(other)
      }
    }
    for (const name of next) found.add(name)
    edge = next
  }
  return found
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
