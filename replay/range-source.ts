/**
 * A source that ends where a replay's ranges end, so that a stream run until `latest` reads exactly the ranges
 * and the runner needs no code for replays.
 *
 * It reports no offsets: a replay must not move the consumer group of the running sink.
 */
import {
  type OffsetBounds,
  partitionKey,
  type PollResult,
  type RecordBatch,
  type RecordSource,
  type TopicPartition,
} from '../ingest/index.ts'
import type { ReplayRange } from './replay-ranges.ts'

/** `stop` of the result stops `inner`. */
export function createRangeSource(
  inner: RecordSource,
  ranges: readonly ReplayRange[],
): RecordSource {
  const reader = new RangeReader(inner, ranges)
  return {
    start: () => inner.start(),
    clusterId: () => inner.clusterId(),
    describeTopics: () => inner.describeTopics(),
    offsetBounds: (partitions) => reader.offsetBounds(partitions),
    offsetsForTime: (partitions, timestampMs) => inner.offsetsForTime(partitions, timestampMs),
    poll: (bytesMax, waitMs, signal) => reader.poll(bytesMax, waitMs, signal),
    seek: (partition, nextOffset) => reader.seek(partition, nextOffset),
    pause: (partitions) => inner.pause(partitions),
    resume: (partitions) => inner.resume(partitions),
    reportCommitted: () => Promise.resolve(),
    stop: () => inner.stop(),
  }
}

/** What differs from the inner source: where partitions end. */
class RangeReader {
  readonly #inner: RecordSource
  readonly #ends: ReadonlyMap<string, bigint>
  /** Partitions that were read to their end; records fetched after it are dropped. */
  readonly #done = new Set<string>()

  constructor(inner: RecordSource, ranges: readonly ReplayRange[]) {
    this.#inner = inner
    this.#ends = new Map(ranges.map((range) => [partitionKey(range), range.to]))
  }

  async offsetBounds(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, OffsetBounds>> {
    const bounds = await this.#inner.offsetBounds(partitions)
    return new Map(
      [...bounds].map(([key, { earliest, latest }]) => {
        const end = this.#ends.get(key) ?? latest
        return [key, { earliest, latest: end < latest ? end : latest }]
      }),
    )
  }

  async poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult> {
    const result = await this.#inner.poll(bytesMax, waitMs, signal)
    if (result.kind === 'assigned') return this.#assigned(result.partitions)
    return { kind: 'records', batches: result.batches.flatMap((batch) => this.#within(batch)) }
  }

  seek(partition: TopicPartition, nextOffset: bigint): void {
    this.#inner.seek(partition, nextOffset)
    const key = partitionKey(partition)
    const end = this.#ends.get(key)
    if (end !== undefined && nextOffset < end) {
      this.#done.delete(key)
      this.#inner.resume([partition])
    } else {
      this.#done.add(key)
      this.#inner.pause([partition])
    }
  }

  #assigned(partitions: readonly TopicPartition[]): PollResult {
    const others = partitions.filter((partition) => !this.#ends.has(partitionKey(partition)))
    this.#inner.pause(others)
    const ours = partitions.filter((partition) => this.#ends.has(partitionKey(partition)))
    return { kind: 'assigned', partitions: ours }
  }

  /** The part of `batch` before the range's end. */
  #within(batch: RecordBatch): readonly RecordBatch[] {
    const key = partitionKey(batch)
    const end = this.#ends.get(key)
    if (end === undefined || this.#done.has(key)) return []
    if (batch.nextOffset < end) return [batch]
    this.#done.add(key)
    this.#inner.pause([batch])
    return [cut(batch, countBefore(batch, end), end)]
  }
}

function countBefore({ count, offsets }: RecordBatch, end: bigint): number {
  let before = 0
  while (before < count && (offsets[before] ?? end) < end) before++
  return before
}

function cut(batch: RecordBatch, count: number, nextOffset: bigint): RecordBatch {
  return {
    ...batch,
    count,
    nextOffset,
    offsets: batch.offsets.subarray(0, count),
    timestamps: batch.timestamps.subarray(0, count),
    valueStarts: batch.valueStarts.subarray(0, count),
    valueEnds: batch.valueEnds.subarray(0, count),
    keyStarts: batch.keyStarts.subarray(0, count),
    keyEnds: batch.keyEnds.subarray(0, count),
    headerStarts: batch.headerStarts.subarray(0, count),
    headerEnds: batch.headerEnds.subarray(0, count),
  }
}
