import { LakeError } from '../../common/index.ts'
import type { TopicPartition } from '../offsets/topic-partition.ts'
import type { OffsetBounds } from './record-source.ts'

/**
 * The log does not hold the requested offset: records are lost (retention, truncation), or the position
 * belongs to another log. A source never continues by jumping to the earliest or latest offset:
 * only the user can say that the missing records do not matter.
 */
export class OffsetOutOfRangeError extends LakeError {
  readonly code = 'offset-out-of-range'
  readonly partition: TopicPartition
  readonly nextOffset: bigint
  /** Undefined when the log did not report them. */
  readonly bounds: OffsetBounds | undefined

  constructor(partition: TopicPartition, nextOffset: bigint, bounds: OffsetBounds | undefined) {
    super(describe(nextOffset, bounds), {
      facts: {
        topic: partition.topic,
        partition: partition.partition,
        nextOffset,
        earliest: bounds?.earliest,
        latest: bounds?.latest,
      },
    })
    this.partition = partition
    this.nextOffset = nextOffset
    this.bounds = bounds
  }
}

function describe(nextOffset: bigint, bounds: OffsetBounds | undefined): string {
  if (bounds !== undefined && nextOffset < bounds.earliest) {
    return 'the log no longer holds the next records, so they cannot be read'
  }
  return 'the log ends before the offset to read next, so it was truncated or is another log'
}
