/**
 * The library: `import { openLake } from 'tidewater'`. The composition root builds the parts of every
 * other folder from settings; nothing below it knows which parts there are. Heavy parts (DuckDB, the
 * Kafka client, the HTTP server) are loaded by the calls that need them.
 */
export type { DemoCheck, DemoReporter } from '../demo/demo-reporter.ts'
export { runDemo, type DemoOptions, type DemoTools } from '../demo/run-demo.ts'
export { startDev, type Dev, type DevOptions } from './dev/start-dev.ts'
export {
  bucketPolicies,
  checkInput,
  checkLake,
  checkNode,
  type DoctorCheck,
} from './doctor.ts'
export { openLake, type Lake, type LakeTools } from './lake.ts'
export { logBounds, type TopicBounds } from './log-bounds.ts'
export { openCompactor, type CompactorOptions, type LakeCompactor } from './open-compactor.ts'
export {
  openBatchJobs,
  type BatchJobsOptions,
  type LakeBatchJobs,
} from './open-batch-jobs.ts'
export { openLive, type LakeLive, type LiveOptions, type ServerLayers } from './open-live.ts'
export { openProducer, openTopicAdmin, type LogTools } from './open-log.ts'
export { openQueryEngine, type LakeQueryEngine } from './open-query-engine.ts'
export { openServer } from './open-server.ts'
export { openSource, withoutGroup, type SourceTools } from './open-source.ts'
export {
  diffReplay,
  type DiffSample,
  executeReplay,
  planReplay,
  publishBranch,
  type PublishOptions,
  type PublishReport,
  type ReplayDiff,
  type ReplayOptions,
  type ReplayPlan,
  type ReplayReport,
  type ReplayRequest,
} from './replay-stream.ts'
export { type MaintenanceOptions, runMaintenance, tablesOf } from './run-maintenance.ts'
export {
  runLakeStream,
  type LakeStreamOptions,
  type StreamProgress,
  type StreamRunResult,
} from './run-stream.ts'
export { requireSafeStore } from './safe-store.ts'
export { sampleStream, type StreamSample } from './sample-stream.ts'
export { streamStatus, type PartitionStatus, type StreamStatus } from './stream-status.ts'
