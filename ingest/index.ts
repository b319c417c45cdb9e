/** ingest: records from a log to rows of a table, exactly once. */
export { type LiveLayer, createLiveLayer } from './live/live-layer.ts'
export { deadLetterTablesOf } from './dead-letter/dead-letter-tables.ts'
export { replayPropertyKey } from './offsets/check-other-branches.ts'
export {
  type BranchOffsets,
  OffsetConflictError,
  offsetsAt,
  offsetsAtSnapshot,
  restoreOffsets,
} from './offsets/checkpoint.ts'
export {
  boundsFaults,
  faultName,
  identityFaults,
  isFaultOf,
  type LogFault,
  LogMismatchError,
  logMismatch,
} from './offsets/log-faults.ts'
export {
  formatOffsetTarget,
  type LogState,
  type OffsetChange,
  type OffsetsPlan,
  type OffsetsRequest,
  OffsetsRefusedError,
  type OffsetTarget,
  parseOffsetTarget,
  planOffsets,
  refuseRepeats,
} from './offsets/plan-offsets.ts'
export { commitOffsets, commitStartRecord, letterOffsetsAfter } from './offsets/set-offsets.ts'
export { readStartRecord } from './offsets/start-record.ts'
export {
  type OffsetMap,
  type StreamOffsets,
  advanceOffsets,
  formatOffsetMap,
  formatPositions,
  nextOffsetOf,
  parseOffsetMap,
} from './offsets/offset-map.ts'
export {
  firstOffsetOf,
  type PlaceColumns,
  placedSince,
  placesOf,
} from './offsets/place-epochs.ts'
export { type RecordCodec, recordCodecs } from './record-batch/record-compression.ts'
export type { RecordHeader } from './record-batch/record-header.ts'
export { decodeRecordHeaders } from './record-batch/record-headers.ts'
export { type FieldRemark, type RecordSample, sampleBytesMax } from './decode/row-decoder.ts'
export { isMetadataColumn } from './schema/metadata-columns.ts'
export { widestFields } from './schema/widest-fields.ts'
export { declaredDifferences } from './schema/declared-table.ts'
export { keyRulesOf } from './schema/key-rules-of.ts'
export { openRecordFormat } from './schema/open-record-format.ts'
export { ensureDeadLetterTable } from './schema/stream-table.ts'
export { tableFaults } from './schema/table-faults.ts'
export { EmbeddedLog } from './source/embedded-log/embedded-log.ts'
export { createEmbeddedAdmin } from './source/embedded-log/admin.ts'
export { createEmbeddedProducer } from './source/embedded-log/producer.ts'
export { createEmbeddedSource } from './source/embedded-log/source.ts'
export type { KafkaConnectionSettings } from './source/kafka/kafka-connection.ts'
export type { MemberStream } from './source/kafka/group-member.ts'
export { createKafkaAdmin } from './source/kafka/admin.ts'
export { createKafkaProducer } from './source/kafka/producer.ts'
export { createKafkaSource } from './source/kafka/source.ts'
export type { PartitionInspection } from './source/embedded-log/partition-inspection.ts'
export { OffsetOutOfRangeError } from './source/offset-out-of-range-error.ts'
export type { RecordProducer, RecordToProduce, TopicAdmin, TopicDetails } from './source/produce.ts'
export { type TopicPartition, partitionKey } from './offsets/topic-partition.ts'
export type { RecordBatch } from './record-batch/record-batch.ts'
export type {
  OffsetBounds,
  PollResult,
  RecordSource,
} from './source/record-source.ts'
export { allPartitions } from './source/source-support.ts'
export { checkStream } from './stream/check-stream.ts'
export { checkIdentity } from './stream/positions.ts'
export type {
  StreamParts,
  StreamProgress,
  StreamRunOptions,
  StreamRunResult,
} from './stream/stream-parts.ts'
export { runStream } from './stream/run.ts'
