/** settings: the engine that reads YAML settings: fields, origins, overrides, interpolation, all faults at once. */
import * as field from './fields.ts'

export { field }
export { type CommentedValue, formatEntries, formatValues } from './format-entries.ts'
export { type VariableSource, variableSource } from './interpolate.ts'
export type { Loaded, SettingsInput } from './loaded.ts'
export { maskUrlCredentials } from './mask.ts'
export { type Origin, Origins, formatOrigin } from './origin.ts'
export {
  type Resolved,
  type SettingEntry,
  type SettingOverride,
  refuseUnknownVariables,
  resolveSettings,
  resolveTree,
} from './resolve.ts'
export { type SettingsSchema, environmentName, leaves, resolveSettingPath } from './schema-walk.ts'
export { type SettingPath, formatPath } from './setting-path.ts'
export {
  type RawMap,
  type RawValue,
  type SettingProblem,
  type SettingTree,
  SettingsProblemsError,
  formatProblem,
  isRawMap,
} from './setting-tree.ts'
export { type StartOffset, parseStartOffset, parseTime } from './start-offset.ts'
export { parseYamlTree } from './yaml-document.ts'
