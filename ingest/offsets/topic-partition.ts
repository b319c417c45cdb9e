/** A partition of a topic, and the key under which maps hold it. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Where a partition is read from. */
export interface PartitionPosition extends TopicPartition {
  readonly position: bigint
}

/** Unique, because topic names cannot hold a colon. */
export function partitionKey(partition: TopicPartition): string {
  return `${partition.topic}:${partition.partition}`
}
