/**
 * Which rows of the live segments follow a snapshot: pure arithmetic over offsets.
 *
 * L3 (docs/spec/live.md): for each partition the answer goes on at the snapshot's next offset, without
 * an offset twice and without a gap; where the next segment begins further on, the live part ends.
 */
import { continuesAt, cutRange, type OffsetRange } from '../offsets/offset-range.ts'
import { partitionKey, type TopicPartition } from '../offsets/topic-partition.ts'

export interface SegmentCut<Segment> {
  /** What to read of each segment that has anything to give, in order. */
  readonly pieces: ReadonlyMap<Segment, readonly OffsetRange[]>
  /** The next offset of the answer by partition key, for partitions that have segments. */
  readonly next: ReadonlyMap<string, bigint>
  /** Keys of the partitions that end early. */
  readonly gaps: readonly string[]
}

/** `nextOffset`: of the snapshot; undefined for a partition of which it knows nothing. */
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
