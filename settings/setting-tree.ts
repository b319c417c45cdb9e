/**
 * Settings before they are typed: scalars as the text that was written, lists and maps, each with the
 * place it came from. YAML, environment and flags all end here, so that one set of rules reads them
 * and every message can name a place.
 */
import { SettingsError } from '../common/index.ts'
import { formatOrigin, type Origin, type Origins } from './origin.ts'
import { formatPath, type SettingPath } from './setting-path.ts'

export type RawValue = string | readonly RawValue[] | { readonly [key: string]: RawValue }
export type RawMap = { readonly [key: string]: RawValue }

export interface SettingProblem {
  readonly path: SettingPath
  readonly origin: Origin
  readonly message: string
}

/** What a document says, and where. */
export interface SettingTree {
  readonly value: RawMap
  readonly keyOrigins: Origins
  readonly valueOrigins: Origins
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

/** `file:line:col key: message`, the form editors and CI make clickable. */
export function formatProblem(problem: SettingProblem): string {
  const place = problem.origin.kind === 'default' ? '' : `${formatOrigin(problem.origin)} `
  const path = formatPath(problem.path)
  return `${place}${path === '' ? '' : `${path}: `}${problem.message}`
}

export function isRawMap(value: RawValue | undefined): value is RawMap {
  return typeof value === 'object' && !Array.isArray(value)
}
