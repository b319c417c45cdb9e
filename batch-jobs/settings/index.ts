/** batch-jobs/settings: the configuration of models, snapshots and data tests. A separate entry point, so that code that only reads settings loads no engine. */
export { parseVars } from './model-document.ts'
export type { SnapshotModelConfig } from './model-settings.ts'
