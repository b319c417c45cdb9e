/** batch-jobs: SQL models, their intervals and histories, and when they are due. */
export { firstSpan } from './intervals/freshness.ts'
export { formatSpan, type Span } from './intervals/interval.ts'
export type { BatchTools } from './materialize/materialize.ts'
export { loadProject, type ProjectOptions } from './project/load-project.ts'
export type { Model, Project } from './project/model.ts'
export { selectModels } from './project/select.ts'
export { dataTests } from './run/data-tests.ts'
export { runProject, type RunOptions } from './run/run-project.ts'
export {
  type NodeResult,
  readRunResults,
  type RunResults,
  type StoredRun,
  writeManifest,
  writeRunResults,
} from './run/run-results.ts'
export { lambdaView, type LambdaRequest, type LambdaView } from './materialize/lambda-sql.ts'
export { lambdaViews } from './materialize/lambda-views.ts'
export { type PinnedTables, pinTables } from './materialize/pinned-tables.ts'
export { type Rendering, renderTemplate } from './materialize/render-model.ts'
export { Scheduler, type SchedulerOptions } from './schedule/scheduler.ts'
