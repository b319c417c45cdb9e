/**
 * The library: `import { openLake } from 'tidewater'`. The composition root builds the parts of every
 * other folder from settings; no other folder chooses between implementations. Heavy parts (DuckDB, the
 * Kafka client, the HTTP server) are loaded by the calls that need them.
 */
export { startDev } from './dev/start-dev.ts'
export { type DoctorCheck, bucketPolicies, checkInput, checkLake, checkNode } from './doctor.ts'
export { type Lake, openLake } from './lake.ts'
export { logBounds } from './log-bounds.ts'
export { type LakeBatchJobs, openBatchJobs } from './open-batch-jobs.ts'
export { openCompactor } from './open-compactor.ts'
export { openProducer, openTopicAdmin } from './open-log.ts'
export { openQueryEngine } from './open-query-engine.ts'
export { openServer } from './open-server.ts'
export { openSource } from './open-source.ts'
export { diffReplay, executeReplay, previewReplay, publishBranch } from './replay-stream.ts'
export type { ReplayDiff, ReplayPreview, ReplayReport, ReplayRequest } from '../replay/index.ts'
export { runMaintenance, tablesOf } from './run-maintenance.ts'
export { runLakeStream } from './run-stream.ts'
export { requireSafeStore } from './safe-store.ts'
export { sampleStream } from './sample-stream.ts'
export { type StreamStatus, streamStatus } from './stream-status.ts'
