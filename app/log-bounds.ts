/** Where the partitions of a log begin and end, in their order. */
import type { OffsetBounds, RecordSource } from '../ingest/index.ts'

export interface TopicBounds {
  readonly topic: string
  readonly topicId: string
  /** Element i is partition i. */
  readonly partitions: readonly OffsetBounds[]
}

/** Of a started source. */
export async function logBounds(source: RecordSource): Promise<readonly TopicBounds[]> {
  const { partitionKey } = await import('../ingest/index.ts')
  const topics: TopicBounds[] = []
  for (const { topic, topicId, partitionCount } of await source.describeTopics()) {
    const partitions = Array.from({ length: partitionCount }, (_, partition) => ({
      topic,
      partition,
    }))
    const bounds = await source.offsetBounds(partitions)
    topics.push({
      topic,
      topicId,
      partitions: partitions.map(
        (partition) => bounds.get(partitionKey(partition)) ?? { earliest: 0n, latest: 0n },
      ),
    })
  }
  return topics
}
