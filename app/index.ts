/**
 * The library: `import { openLake } from 'tidewater'`. The composition root builds the parts of every
 * other folder from settings; no other folder chooses between implementations. Heavy parts (DuckDB, the
 * Kafka client, the HTTP server) are loaded by the calls that need them.
 */
export { type Dev, type DevOptions, startDev } from './dev/start-dev.ts'
export { type DoctorCheck, bucketPolicies, checkInput, checkLake, checkNode } from './doctor.ts'
export { type Lake, type LakeTools, openLake } from './lake.ts'
export { type TopicBounds, logBounds } from './log-bounds.ts'
export { type BatchJobsOptions, type LakeBatchJobs, openBatchJobs } from './open-batch-jobs.ts'
export { type CompactorOptions, type LakeCompactor, openCompactor } from './open-compactor.ts'
export { type LakeLive, type LiveOptions, type ServerLayers, openLive } from './open-live.ts'
export { type LogTools, openProducer, openTopicAdmin } from './open-log.ts'
export { type LakeQueryEngine, openQueryEngine } from './open-query-engine.ts'
export { openServer } from './open-server.ts'
export { type SourceTools, openSource } from './open-source.ts'
export { type RepairOptions, repairTopic } from './repair-topic.ts'
export {
  diffReplay,
  discardBranch,
  executeReplay,
  previewReplay,
  publishBranch,
  waitingReplays,
} from './replay-stream.ts'
export type {
  DiscardOptions,
  DiscardReport,
  ExecuteOptions,
  PublishOptions,
  PublishReport,
  ReplayDiff,
  ReplayPreview,
  ReplayReport,
  ReplayRequest,
  WaitingReplay,
} from '../replay/index.ts'
export { type MaintenanceOptions, runMaintenance, tablesOf } from './run-maintenance.ts'
export { type LakeStreamOptions, runLakeStream } from './run-stream.ts'
export { type LakeStreamsOptions, type StreamOutcome, runLakeStreams } from './run-streams.ts'
export type { StreamProgress, StreamRunResult } from '../ingest/index.ts'
export { requireSafeStore } from './safe-store.ts'
export { type StreamSample, sampleStream } from './sample-stream.ts'
export { type StreamSchema, type StreamSchemaOptions, streamSchema } from './stream-schema.ts'
export {
  type SetOffsetsReport,
  type SetOffsetsRequest,
  setStreamOffsets,
} from './stream-offsets.ts'
export {
  type PartitionStatus,
  type StreamPositions,
  readStreamPositions,
} from './stream-positions.ts'
export { type StreamStatus, streamStatus } from './stream-status.ts'
export { type LakeHealthCheck, lakeTableHealth } from './table-health.ts'
