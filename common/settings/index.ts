/**
 * settings: tidewater.yaml and streams/*.yaml, checked whole and typed. A door of its own, apart from
 * `common/index.ts`, so that what needs no settings does not load a YAML parser.
 */
export { formatEntries } from './format-entries.ts'
export { variableSource, type VariableSource } from './interpolate.ts'
export {
  parseLakeSettings,
  type CatalogSettings,
  type LakeSettings,
  type Loaded,
  type S3Settings,
  type ServerSettings,
  type SettingsInput,
  type SqlSettings,
} from './lake-settings.ts'
export {
  findLakeFile,
  loadLakeSettings,
  loadStreamSettings,
  withEnvFile,
  type SettingsSources,
} from './load.ts'
export { maskUrlCredentials } from './mask.ts'
export { type PartitionTerm, type PartitionTransform } from './partition-text.ts'
export { type SettingEntry, type SettingOverride } from './resolve.ts'
export {
  SettingsProblemsError,
  formatOrigin,
  formatPath,
  formatProblem,
  type Origin,
  type SettingProblem,
} from './setting-tree.ts'
export { parseStartOffset, parseTime } from './start-offset.ts'
export { parseStreamSettings } from './stream-document.ts'
export type {
  EmbeddedInputSettings,
  ErrorSettings,
  InputSettings,
  KafkaInputSettings,
  KafkaSaslSettings,
  KafkaTlsSettings,
  OutputSettings,
  SchemaSettings,
  StartOffset,
  StreamSettings,
} from './stream-settings.ts'
export { parseTableName } from './table-name.ts'
export {
  formatDeclaredType,
  parseDeclaredType,
  type DeclaredField,
  type DeclaredType,
} from './type-text.ts'
