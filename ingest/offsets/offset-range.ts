/**
 * The half-open range of one partition's offsets: what a batch, a dead-letter commit, a streaming segment or
 * a replay covers. Pure.
 */
import { partitionKey, type TopicPartition } from './topic-partition.ts'

/** Offsets from `from` up to, but without, `to`. */
export interface OffsetRange extends TopicPartition {
  /** Undefined for the beginning of the partition, when the table holds no offset of it yet. */
  readonly from: bigint | undefined
  readonly to: bigint
}

export function containsOffset({ from, to }: OffsetRange, offset: bigint): boolean {
  return (from === undefined || offset >= from) && offset < to
}

/** How many offsets the range spans, holes included; undefined when it has no beginning. */
export function rangeSize({ from, to }: OffsetRange): bigint | undefined {
  if (from === undefined) return undefined
  return to > from ? to - from : 0n
}

/** True when a reader at `position` (undefined: nothing was read) misses no offset before the range. */
export function continuesAt({ from }: OffsetRange, position: bigint | undefined): boolean {
  return from === undefined || (position !== undefined && from <= position)
}

/** The part at and after `position`; undefined when nothing is left. */
export function cutRange(
  range: OffsetRange,
  position: bigint | undefined,
): OffsetRange | undefined {
  const isWithin = position !== undefined && (range.from === undefined || position > range.from)
  const from = isWithin ? position : range.from
  return from === undefined || from < range.to ? { ...range, from } : undefined
}

export function isSameRange(a: OffsetRange, b: OffsetRange): boolean {
  return partitionKey(a) === partitionKey(b) && a.from === b.from && a.to === b.to
}

/** The union of the added ranges per partition, in the order in which the partitions were first added. */
export class PartitionRanges {
  readonly #ranges = new Map<string, OffsetRange>()

  get isEmpty(): boolean {
    return this.#ranges.size === 0
  }

  get all(): readonly OffsetRange[] {
    return [...this.#ranges.values()]
  }

  /** Extends the partition's range up to `to`; the range of a new partition begins at `from()`. */
  extend({ topic, partition }: TopicPartition, to: bigint, from: () => bigint | undefined): void {
    const key = partitionKey({ topic, partition })
    const before = this.#ranges.get(key)
    const begin = before === undefined ? from() : before.from
    const reached = before?.to ?? begin
    if (reached !== undefined && to < reached) {
      throw new Error(`assertion failed: ${key} went back from offset ${reached} to ${to}`)
    }
    this.#ranges.set(key, { topic, partition, from: begin, to })
  }
}
