import type { TopicPartition } from '../offsets/topic-partition.ts'

/**
 * Records of one partition as columns over shared bytes: no object per record, because at a million
 * records a second an object each costs more than parsing the record does.
 *
 * Entry i: value bytes are data[valueStarts[i], valueEnds[i]); a start below 0 means null. The same
 * for keys. Headers hold the record's header section in Kafka's own encoding (a varint count, then
 * varint-length-prefixed names and values; record format v2), empty range when there are none.
 */
export interface RecordBatch extends TopicPartition {
  readonly count: number
  readonly data: Uint8Array
  readonly offsets: BigInt64Array
  /** Milliseconds since the epoch. */
  readonly timestamps: BigInt64Array
  /** 0 create time, 1 log append time. */
  readonly timestampType: 0 | 1
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
  readonly keyStarts: Int32Array
  readonly keyEnds: Int32Array
  readonly headerStarts: Int32Array
  readonly headerEnds: Int32Array
  /** The position after this batch: after its last record and all holes that follow it. */
  readonly nextOffset: bigint
}
