/** ingest: records from a log to rows of a table, exactly once. */
export { EmbeddedLog } from './embedded-log/embedded-log.ts'
export type {
  AppendResult,
  EmbeddedLogOptions,
  EmbeddedRecord,
} from './embedded-log/embedded-log.ts'
export { createEmbeddedSource } from './embedded-log/embedded-source.ts'
export type { EmbeddedSourceOptions } from './embedded-log/embedded-source.ts'
export type { KafkaConnectionSettings, KafkaSaslSettings } from './kafka/kafka-connection.ts'
export { createKafkaSource } from './kafka/kafka-source.ts'
export type { KafkaFetchSettings, KafkaSourceOptions } from './kafka/kafka-source.ts'
export type { RecordHeader } from './kafka/record-batch-encoder.ts'
export { recordCodecs } from './kafka/record-compression.ts'
export type { RecordCodec } from './kafka/record-compression.ts'
export { OffsetOutOfRangeError } from './offset-out-of-range-error.ts'
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
