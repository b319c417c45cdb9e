/**
 * Which rows of the streaming segments follow a snapshot: pure arithmetic over offsets.
 *
 * L3 (docs/spec/live.md): for each partition the answer continues at the snapshot's next offset, with no
 * offset repeated or missing; where the next segment begins later, the streaming part ends.
 */
import { continuesAt, cutRange, type OffsetRange } from '../offsets/offset-range.ts'
import { partitionKey, type TopicPartition } from '../offsets/topic-partition.ts'

export interface SegmentCut<Segment> {
  /** The ranges to read from each segment that has any, in order. */
  readonly pieces: ReadonlyMap<Segment, readonly OffsetRange[]>
  /** The next offset of the answer by partition key, for partitions that have segments. */
  readonly next: ReadonlyMap<string, bigint>
  /** Keys of the partitions that end early. */
  readonly gaps: readonly string[]
}

/** `nextOffset` is that of the snapshot; undefined for a partition that it has no offset of. */
export function cutSegments<Segment extends { readonly ranges: readonly OffsetRange[] }>(
  segments: readonly Segment[],
  nextOffset: (partition: TopicPartition) => bigint | undefined,
): SegmentCut<Segment> {
  const pieces = new Map<Segment, OffsetRange[]>()
  const next = new Map<string, bigint | undefined>()
  const gaps = new Set<string>()
  for (const segment of segments) {
    for (const range of segment.ranges) {
      const key = partitionKey(range)
      if (gaps.has(key)) continue
      const position = next.has(key) ? next.get(key) : nextOffset(range)
      next.set(key, position)
      const piece = cutRange(range, position)
      if (piece === undefined) continue
      if (!continuesAt(range, position)) {
        gaps.add(key)
        continue
      }
      next.set(key, range.to)
      pieces.set(segment, [...(pieces.get(segment) ?? []), piece])
    }
  }
  const reached = [...next].flatMap(([key, offset]): [string, bigint][] =>
    offset === undefined ? [] : [[key, offset]],
  )
  return { pieces, next: new Map(reached), gaps: [...gaps] }
}
