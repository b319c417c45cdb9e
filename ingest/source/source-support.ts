/** What the implementations of `RecordSource` share. */
import { NotFoundError, ValidationError } from '../../common/index.ts'
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

/** A topic of the same name took the place of the one being read: offsets mean other records now. */
export function recreatedTopicError(
  before: TopicDescription,
  after: TopicDescription,
): ValidationError {
  return new ValidationError(
    'the topic was deleted and created again while it was being read; its offsets mean other records now, so start the stream again',
    { facts: { topic: before.topic, topicId: before.topicId, newTopicId: after.topicId } },
  )
}

export function notAssignedError(partition: TopicPartition): NotFoundError {
  return new NotFoundError('the partition is not assigned to this source', {
    facts: { topic: partition.topic, partition: partition.partition },
  })
}
