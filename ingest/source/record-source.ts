/**
 * The seam to a partitioned, offset-addressed log. Kafka and the embedded log implement it, and in tests
 * the plain kafkajs consumer does; one conformance suite runs over all.
 *
 * Contract:
 * - Records of a partition come in offset order; offsets below the last `seek` never appear.
 * - Only committed records appear (`read_committed`); control records never do; holes are legal.
 * - `nextOffset` always means: the first offset not yet read, or not yet committed.
 * - A change of assignment is reported once, before any record of it; the caller then seeks every
 *   assigned partition. Records of an older assignment never follow.
 * - The memory of a poll's batches is the caller's until the next poll; what must outlive it is copied
 *   (`retainRecords`).
 */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

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
  /** The position after this batch: past its last record and every hole behind it. */
  readonly nextOffset: bigint
}

export type PollResult =
  /** `batches` may be empty (nothing new in time); positions may advance over holes alone. */
  | { readonly kind: 'records'; readonly batches: readonly RecordBatch[] }
  /** The partitions that are ours from now on; earlier positions are void. */
  | { readonly kind: 'assigned'; readonly partitions: readonly TopicPartition[] }

export interface TopicDescription {
  readonly topic: string
  /** Kafka's topic id (UUID text); the embedded log makes its own. Changes when a topic is re-created. */
  readonly topicId: string
  readonly partitionCount: number
}

/** Where the log of a partition begins and ends, as a `read_committed` reader sees it. */
export interface OffsetBounds {
  readonly earliest: bigint
  /** The last stable offset: the first offset a reader cannot yet have. */
  readonly latest: bigint
}

export interface RecordSource {
  /** Connects and, in a group, joins it. Throws UnavailableError, AccessDeniedError, NotFoundError (topic). */
  start(): Promise<void>
  clusterId(): Promise<string>
  describeTopics(): Promise<readonly TopicDescription[]>
  offsetBounds(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, OffsetBounds>>
  /** The first offset at or after each time (ms), or undefined when there is none. */
  offsetsForTime(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, bigint | undefined>>
  /**
   * Up to `bytesMax` of records, waiting at most `waitMs` for the first. Batches alias buffers of the
   * source that the next call uses again: keep what `retainRecords` copies, nothing else. At most one
   * call at a time.
   */
  poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult>
  seek(partition: TopicPartition, nextOffset: bigint): void
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Advisory: tells the log's own group bookkeeping. Never the truth (the table is). */
  reportCommitted(nextOffsets: ReadonlyMap<string, bigint>): Promise<void>
  /** Leaves the group and closes connections; safe to call twice. */
  stop(): Promise<void>
}

/** Key of the maps above. Topic names cannot hold a colon. */
export function partitionKey(partition: TopicPartition): string {
  return `${partition.topic}:${partition.partition}`
}
