/**
 * settings: tidewater.yaml and streams/*.yaml, checked whole and typed. A door of its own, apart from
 * `common/index.ts`, so that what needs no settings does not load a YAML parser.
 */
export { formatEntries } from './format-entries.ts'
export { variableSource } from './interpolate.ts'
export {
  parseLakeSettings,
  type CatalogSettings,
  type LakeSettings,
  type Loaded,
  type ServerSettings,
} from '../app/settings/lake-settings.ts'
export {
  findLakeFile,
  loadLakeSettings,
  loadStreamSettings,
  withEnvFile,
  type SettingsSources,
} from '../app/settings/load.ts'
export { maskUrlCredentials } from './mask.ts'
export { type SettingEntry, type SettingOverride } from './resolve.ts'
export {
  SettingsProblemsError,
  formatOrigin,
  formatPath,
  formatProblem,
  type Origin,
  type RawValue,
  type SettingProblem,
} from './setting-tree.ts'
export { parseModelConfig, type ConfigLayer, type ModelKind } from '../batch-jobs/settings/model-config.ts'
export {
  parseModelDocument,
  parseVars,
  type ModelDocument,
  type ModelEntry,
} from '../batch-jobs/settings/model-document.ts'
export type {
  BatchSize,
  ColumnTests,
  DataTest,
  IntervalConfig,
  ModelConfig,
  SnapshotConfig,
} from '../batch-jobs/settings/model-settings.ts'
export { parseTime } from './start-offset.ts'
export { parseStreamSettings } from '../ingest/settings/stream-document.ts'
export type {
  InputSettings,
  KafkaInputSettings,
  KafkaTlsSettings,
  StartOffset,
  StreamSettings,
} from '../ingest/settings/stream-settings.ts'
export { parseTableName } from '../catalog/format/table-name.ts'
export {
  formatDeclaredType,
  type DeclaredField,
  type DeclaredType,
} from '../ingest/settings/declared-type.ts'
