/** What the implementations of `RecordSource` share. */
import { type ErrorFacts, LakeError, NotFoundError } from '../../common/index.ts'
import type { TopicPartition } from '../offsets/topic-partition.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import type { TopicDescription } from './record-source.ts'

/** Bytes of the records of a batch; its `data` may be shared with other batches. */
export function batchBytes(batch: RecordBatch): number {
  if (batch.count === 0) return 0
  const start = batch.headerStarts[0] ?? 0
  const end = batch.headerEnds[batch.count - 1] ?? start
  // Headers come last in a record, so this misses only the first record's key and value.
  return end - start + spanOfFirst(batch)
}

function spanOfFirst(batch: RecordBatch): number {
  const length = (starts: Int32Array, ends: Int32Array): number => (ends[0] ?? 0) - (starts[0] ?? 0)
  return length(batch.keyStarts, batch.keyEnds) + length(batch.valueStarts, batch.valueEnds)
}

export function allPartitions(topics: readonly TopicDescription[]): readonly TopicPartition[] {
  return topics.flatMap(({ topic, partitionCount }) =>
    Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition })),
  )
}

/** The topic that a source reads was deleted, or another of the same name took its place. */
export class TopicChangedError extends LakeError {
  readonly code = 'topic-changed'
  readonly topic: string
  readonly isAgain: boolean

  constructor(topic: string, isAgain: boolean, facts: ErrorFacts, cause?: unknown) {
    const what = isAgain
      ? 'the topic was deleted and created again while it was being read; its offsets mean other records now, so start the stream again'
      : 'the topic was deleted while it was being read'
    super(what, { facts: { topic, ...facts }, cause })
    this.topic = topic
    this.isAgain = isAgain
  }
}

export function recreatedTopicError(
  before: TopicDescription,
  after: TopicDescription,
): TopicChangedError {
  return new TopicChangedError(before.topic, true, {
    topicId: before.topicId,
    newTopicId: after.topicId,
  })
}

/** `error`, or what it means to who was reading the topic when it was not found. */
export function whileReading(error: unknown): unknown {
  const topic = error instanceof NotFoundError ? error.facts['topic'] : undefined
  return typeof topic === 'string' ? new TopicChangedError(topic, false, {}, error) : error
}

export function notAssignedError(partition: TopicPartition): NotFoundError {
  return new NotFoundError('the partition is not assigned to this source', {
    facts: { topic: partition.topic, partition: partition.partition },
  })
}
