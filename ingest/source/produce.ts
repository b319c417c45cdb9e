/**
 * Writing to a log and managing its topics: for `tide topic`, the demo and dead letters.
 *
 * One small seam over Kafka and the embedded log, so that callers do not depend on either.
 */
import type { RecordHeader } from '../record-batch/record-header.ts'
import type { OffsetBounds, TopicDescription } from './record-source.ts'

export interface RecordToProduce {
  readonly key?: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly RecordHeader[]
  /** Chosen from the key, or in turn without one, when left out. */
  readonly partition?: number
  readonly timestampMs?: number
}

export interface RecordProducer {
  /** Resolves when every record is durable (Kafka: acks=all); in order within a partition. */
  produce(topic: string, records: readonly RecordToProduce[]): Promise<void>
  close(): Promise<void>
}

export interface TopicDetails extends TopicDescription {
  /** Element i is that of partition i. */
  readonly bounds: readonly OffsetBounds[]
}

export interface TopicAdmin {
  /** Names of all topics, sorted; internal ones of Kafka are left out. */
  listTopics(): Promise<readonly string[]>
  /** Throws NotFoundError. */
  describeTopic(topic: string): Promise<TopicDetails>
  /** Throws AlreadyExistsError. */
  createTopic(topic: string, partitionCount: number): Promise<void>
  close(): Promise<void>
}
