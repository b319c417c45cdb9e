/** batch-jobs: SQL models, their intervals and histories, and when they are due. */
export { firstSpan } from './intervals/freshness.ts'
export { type LambdaRequest, type LambdaView, lambdaView } from './materialize/lambda-sql.ts'
export { lambdaViews } from './materialize/lambda-views.ts'
export type { BatchTools } from './materialize/model-run.ts'
export { pinTables } from './materialize/pinned-tables.ts'
export { type Rendering, renderTemplate } from './materialize/render-model.ts'
export { loadProject } from './project/load-project.ts'
export type { Model, Project } from './project/model.ts'
export { selectModels } from './project/select.ts'
export { dataTests } from './run/data-tests.ts'
export { type RunOptions, runProject } from './run/run-project.ts'
export {
  type NodeResult,
  type RunResults,
  readRunResults,
  writeProjectManifest,
  writeRunResults,
} from './run/run-results.ts'
export { Scheduler, type SchedulerOptions } from './schedule/scheduler.ts'
