/** batch-jobs/settings: the configuration of models, snapshots and data tests. A door of its own, so that what only reads settings loads no engine. */
export { parseVars } from './model-document.ts'
export type { SnapshotConfig } from './model-settings.ts'
