/** ingest: records from a log to rows of a table, exactly once. */
export { EmbeddedLog } from './embedded-log/embedded-log.ts'
export type {
  AppendResult,
  EmbeddedLogOptions,
  EmbeddedRecord,
} from './embedded-log/embedded-log.ts'
export { createEmbeddedSource } from './embedded-log/embedded-source.ts'
export type { EmbeddedSourceOptions } from './embedded-log/embedded-source.ts'
export { createEmbeddedAdmin, createEmbeddedProducer } from './embedded-log/embedded-producer.ts'
export type { KafkaConnectionSettings, KafkaSaslSettings } from './kafka/kafka-connection.ts'
export { createKafkaAdmin, createKafkaProducer } from './kafka/kafka-producer.ts'
export type { KafkaProducerOptions } from './kafka/kafka-producer.ts'
export { createKafkaSource } from './kafka/kafka-source.ts'
export type { KafkaFetchSettings, KafkaSourceOptions } from './kafka/kafka-source.ts'
export type { RecordHeader } from './kafka/record-batch-encoder.ts'
export { recordCodecs } from './kafka/record-compression.ts'
export type { RecordCodec } from './kafka/record-compression.ts'
export { createKafkaJsSource } from './kafkajs-source.ts'
export type { KafkaJsSourceOptions } from './kafkajs-source.ts'
export { OffsetOutOfRangeError } from './offset-out-of-range-error.ts'
export type { RecordProducer, RecordToProduce, TopicAdmin, TopicDetails } from './produce.ts'
export { decodeRecordHeaders } from './record-headers.ts'
export { partitionKey } from './record-source.ts'
export type {
  OffsetBounds,
  PollResult,
  RecordBatch,
  RecordSource,
  TopicDescription,
  TopicPartition,
} from './record-source.ts'
export { OffsetConflictError, restoreOffsets } from './checkpoint.ts'
export type { OffsetMap, StreamOffsets, TopicOffsets } from './offset-map.ts'
export { createLiveLayer, type LiveLayer } from './live/live-layer.ts'
export { LogMismatchError } from './stream-positions.ts'
export { runStream } from './stream-runner.ts'
export type {
  StreamParts,
  StreamProgress,
  StreamRunOptions,
  StreamRunResult,
} from './stream-run.ts'
export { retainRecords } from './retained-records.ts'
export { firstReadable, sampleBytesMax, sampleColumns } from './json/sample-columns.ts'
export {
  formatOffsetMap,
  nextOffsetOf,
  offsetsPropertyKey,
  offsetsSummaryKey,
} from './offset-map.ts'
export { createRangeSource } from './replay/range-source.ts'
export {
  parseOffsetPlace,
  partitionsOf,
  rangeSize,
  ReplayRefusedError,
  requestText,
  resolveRanges,
} from './replay/replay-ranges.ts'
export type {
  LogFacts,
  OffsetPlace,
  ReplayFrom,
  ReplayRange,
  ReplayUntil,
} from './replay/replay-ranges.ts'
export {
  formatReplayRecord,
  letterBranchOf,
  publishedPropertyKey,
  readReplayRecord,
  replayLag,
  replayPropertyKey,
  rewoundOffsets,
  rulesDigest,
} from './replay/replay-record.ts'
export type { ReplayPublication, ReplayRecord } from './replay/replay-record.ts'
export { checkIdentity } from './stream-positions.ts'
export { ensureDeadLetterTable, findTable } from './stream-table.ts'
export { tableFaults } from './table-faults.ts'
