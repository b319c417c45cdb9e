/**
 * Settings before they are typed: scalars as the text that was written, lists and maps, each with the
 * place it came from. YAML, environment and flags all end here, so that one set of rules reads them
 * and every message can name a place.
 */
import { SettingsError } from '../common/index.ts'

export type RawValue = string | readonly RawValue[] | { readonly [key: string]: RawValue }
export type RawMap = { readonly [key: string]: RawValue }

export interface FilePosition {
  readonly file: string
  readonly line: number
  readonly col: number
}

/** Where a value comes from; in rising order of precedence. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly position: FilePosition }
  | { readonly kind: 'env'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string }

export type SettingPath = readonly (string | number)[]

export interface SettingProblem {
  readonly path: SettingPath
  readonly origin: Origin
  readonly message: string
}

/** What a document says, and where; keyed by `pathKey`. */
export interface SettingTree {
  readonly value: RawMap
  readonly keyOrigins: ReadonlyMap<string, Origin>
  readonly valueOrigins: ReadonlyMap<string, Origin>
  readonly problems: readonly SettingProblem[]
}

/** All problems of one set of settings at once, one line each. */
export class SettingsProblemsError extends SettingsError {
  readonly problems: readonly SettingProblem[]

  constructor(problems: readonly SettingProblem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}

/** Unambiguous even though keys may hold dots (`s3.endpoint`). */
export function pathKey(path: SettingPath): string {
  return JSON.stringify(path)
}

/** The path as people write it: `schema.fields[0].type`. */
export function formatPath(path: SettingPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

export function formatOrigin(origin: Origin): string {
  if (origin.kind === 'env') return `env ${origin.variable}`
  if (origin.kind === 'flag') return `flag ${origin.flag}`
  if (origin.kind === 'default') return 'default'
  return `${origin.position.file}:${origin.position.line}:${origin.position.col}`
}

/** `file:line:col key: message`, the form editors and CI make clickable. */
export function formatProblem(problem: SettingProblem): string {
  const place = problem.origin.kind === 'default' ? '' : `${formatOrigin(problem.origin)} `
  const path = formatPath(problem.path)
  return `${place}${path === '' ? '' : `${path}: `}${problem.message}`
}

export function isRawMap(value: RawValue | undefined): value is RawMap {
  return typeof value === 'object' && !Array.isArray(value)
}

/** The origin of the nearest thing on the way to `path` that was written somewhere. */
export function nearestOrigin(origins: ReadonlyMap<string, Origin>, path: SettingPath): Origin {
  for (let length = path.length; length >= 0; length--) {
    const origin = origins.get(pathKey(path.slice(0, length)))
    if (origin !== undefined) return origin
  }
  return { kind: 'default' }
}
