/** What a loader of settings is given, and what it returns. */
import type { VariableSource } from './interpolate.ts'
import type { SettingEntry, SettingOverride } from './resolve.ts'

export interface Loaded<Settings> {
  readonly settings: Settings
  /** Every value that holds, with its origin, secrets masked: what `echo` prints. */
  readonly entries: readonly SettingEntry[]
}

export interface SettingsInput {
  /** The text of the file, or undefined when there is none. */
  readonly text: string | undefined
  /** Path of the file, for messages and as the base of relative paths. */
  readonly file: string | undefined
  readonly variables: VariableSource
  readonly overrides: readonly SettingOverride[]
  /** Base of relative paths from flags and environment. */
  readonly directory: string
}
