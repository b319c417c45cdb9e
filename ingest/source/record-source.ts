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
 * - The memory of a poll's batches is valid until the next poll; records that are needed longer are copied
 *   (`retainRecords`).
 */
import type { OffsetBounds, TopicPartition } from '../offsets/topic-partition.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'

export type PollResult =
  /** `batches` may be empty when nothing new came in time; positions may advance over holes only. */
  | { readonly kind: 'records'; readonly batches: readonly RecordBatch[] }
  /** The partitions that are assigned from now on; earlier positions are no longer valid. */
  | { readonly kind: 'assigned'; readonly partitions: readonly TopicPartition[] }

export interface TopicDescription {
  readonly topic: string
  /** Kafka's topic id (UUID text); the embedded log makes its own. Changes when a topic is re-created. */
  readonly topicId: string
  readonly partitionCount: number
}

export type { OffsetBounds }

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
  /** Reports offsets to the log's consumer group, for monitoring. Positions are only ever read from the table. */
  reportCommitted(nextOffsets: ReadonlyMap<string, bigint>): Promise<void>
  /** Leaves the group and closes connections; safe to call twice. */
  stop(): Promise<void>
}
