/** A partition of a topic, and the key under which maps hold it. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Where the log of a partition begins and ends, as a `read_committed` reader sees it. */
export interface OffsetBounds {
  readonly earliest: bigint
  /** The last stable offset: the first offset a reader cannot yet have. */
  readonly latest: bigint
}

/** Where a partition is read from. */
export interface PartitionPosition extends TopicPartition {
  readonly position: bigint
}

/** Unique, because topic names cannot hold a colon. */
export function partitionKey(partition: TopicPartition): string {
  return `${partition.topic}:${partition.partition}`
}
