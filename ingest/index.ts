/** ingest: records from a log to rows of a table, exactly once. */
export { EmbeddedLog } from './source/embedded-log/embedded-log.ts'
export type {
  AppendResult,
  EmbeddedLogOptions,
  EmbeddedRecord,
} from './source/embedded-log/embedded-log.ts'
export { createEmbeddedSource } from './source/embedded-log/embedded-source.ts'
export type { EmbeddedSourceOptions } from './source/embedded-log/embedded-source.ts'
export { createEmbeddedAdmin, createEmbeddedProducer } from './source/embedded-log/embedded-producer.ts'
export type { KafkaConnectionSettings, KafkaSaslSettings } from './source/kafka/kafka-connection.ts'
export { createKafkaAdmin, createKafkaProducer } from './source/kafka/kafka-producer.ts'
export type { KafkaProducerOptions } from './source/kafka/kafka-producer.ts'
export { createKafkaSource } from './source/kafka/kafka-source.ts'
export type { KafkaFetchSettings, KafkaSourceOptions } from './source/kafka/kafka-source.ts'
export type { RecordHeader } from './record-batch/record-batch-encoder.ts'
export { recordCodecs } from './record-batch/record-compression.ts'
export type { RecordCodec } from './record-batch/record-compression.ts'
export { createKafkaJsSource } from './source/kafkajs/kafkajs-source.ts'
export type { KafkaJsSourceOptions } from './source/kafkajs/kafkajs-source.ts'
export { OffsetOutOfRangeError } from './source/offset-out-of-range-error.ts'
export type { RecordProducer, RecordToProduce, TopicAdmin, TopicDetails } from './source/produce.ts'
export { decodeRecordHeaders } from './record-batch/record-headers.ts'
export { partitionKey } from './source/record-source.ts'
export type {
  OffsetBounds,
  PollResult,
  RecordBatch,
  RecordSource,
  TopicDescription,
  TopicPartition,
} from './source/record-source.ts'
export { OffsetConflictError, restoreOffsets } from './offsets/checkpoint.ts'
export type { OffsetMap, StreamOffsets, TopicOffsets } from './offsets/offset-map.ts'
export { createLiveLayer, type LiveLayer } from './live/live-layer.ts'
export { LogMismatchError } from './stream/stream-positions.ts'
export { runStream } from './stream/stream-runner.ts'
export type {
  StreamParts,
  StreamProgress,
  StreamRunOptions,
  StreamRunResult,
} from './stream/stream-run.ts'
export { retainRecords } from './record-batch/retained-records.ts'
export { firstReadable, sampleBytesMax, sampleColumns } from './schema/sample-columns.ts'
export {
  formatOffsetMap,
  nextOffsetOf,
  offsetsPropertyKey,
  offsetsSummaryKey,
} from './offsets/offset-map.ts'
export { createRangeSource } from '../replay/range-source.ts'
export {
  parseOffsetPlace,
  partitionsOf,
  rangeSize,
  ReplayRefusedError,
  requestText,
  resolveRanges,
} from '../replay/replay-ranges.ts'
export type {
  LogFacts,
  OffsetPlace,
  ReplayFrom,
  ReplayRange,
  ReplayUntil,
} from '../replay/replay-ranges.ts'
export {
  formatReplayRecord,
  letterBranchOf,
  publishedPropertyKey,
  readReplayRecord,
  replayLag,
  replayPropertyKey,
  rewoundOffsets,
  rulesDigest,
} from '../replay/replay-record.ts'
export type { ReplayPublication, ReplayRecord } from '../replay/replay-record.ts'
export { checkIdentity } from './stream/stream-positions.ts'
export { ensureDeadLetterTable, findTable } from './schema/stream-table.ts'
export { tableFaults } from './schema/table-faults.ts'
