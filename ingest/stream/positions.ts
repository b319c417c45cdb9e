/**
 * Where a stream stands in each partition: what its table holds, what it has read, and where it may
 * stop. Decides where reading begins, and refuses loudly what does not fit (E6).
 */
import { LakeError } from '../../common/index.ts'
import type { StartOffset } from '../../settings/index.ts'
import { type OffsetRange, rangeSize } from '../offsets/offset-range.ts'
import { nextOffsetOf, type StreamOffsets } from '../offsets/offset-map.ts'
import { partitionKey, type TopicPartition } from '../offsets/topic-partition.ts'
import type { OffsetBounds, RecordSource } from '../source/record-source.ts'
import type { StreamIdentity } from './committer.ts'

/** The log is not the one that the table was filled from, or no longer holds what comes next. */
export class LogMismatchError extends LakeError {
  readonly code = 'log-mismatch'
}

export class Positions {
  /** The next offset that the table will hold once every batch handed over is committed. */
  readonly #assumed = new Map<string, bigint | undefined>()
  readonly #read = new Map<string, bigint>()
  readonly #ends = new Map<string, bigint>()
  #assigned: readonly TopicPartition[] = []

  get assigned(): readonly TopicPartition[] {
    return this.#assigned
  }

  committedOffset(partition: TopicPartition): bigint | undefined {
    return this.#assumed.get(partitionKey(partition))
  }

  /** Begins again where the table ends; seeks the source. Ends of the first assignment stay. */
  async assign(
    source: RecordSource,
    partitions: readonly TopicPartition[],
    offsets: StreamOffsets | undefined,
    start: StartOffset,
  ): Promise<void> {
    this.#assigned = partitions
    this.#assumed.clear()
    this.#read.clear()
    const bounds = await source.offsetBounds(partitions)
    const byTime =
      start.kind === 'timestamp'
        ? await source.offsetsForTime(partitions, start.timestampMs)
        : new Map<string, bigint | undefined>()
    for (const partition of partitions) {
      const key = partitionKey(partition)
      const limits = bounds.get(key) ?? { earliest: 0n, latest: 0n }
      const committed = nextOffsetOf(offsets, partition)
      const position = committed ?? startOf(start, limits, byTime.get(key))
      if (committed !== undefined) checkBounds(partition, committed, limits)
      if (!this.#ends.has(key)) this.#ends.set(key, limits.latest)
      this.#assumed.set(key, committed)
      this.#read.set(key, position)
      source.seek(partition, position)
    }
  }

  advance(partition: TopicPartition, nextOffset: bigint): void {
    this.#read.set(partitionKey(partition), nextOffset)
  }

  /** A batch up to `to` was handed over for commit. */
  assume(partition: TopicPartition, to: bigint): void {
    this.#assumed.set(partitionKey(partition), to)
  }

  /** The partitions that `ranges` do not touch, as empty ranges where the table stands. */
  idle(ranges: readonly OffsetRange[]): readonly OffsetRange[] {
    const moved = new Set(ranges.map(partitionKey))
    return this.#assigned
      .filter((partition) => !moved.has(partitionKey(partition)))
      .map(({ topic, partition }) => {
        const at = this.committedOffset({ topic, partition })
        return { topic, partition, from: at, to: at ?? 0n }
      })
  }

  /** Everything that stood in the log at the start has been read. */
  get reachedEnds(): boolean {
    return this.#assigned.every((partition) => this.#lagOf(partition) === 0n)
  }

  /** Records up to the ends seen at the start; holes count. */
  get lag(): bigint {
    return this.#assigned.reduce((sum, partition) => sum + this.#lagOf(partition), 0n)
  }

  noteEnds(bounds: ReadonlyMap<string, OffsetBounds>): void {
    for (const [key, { latest }] of bounds) this.#ends.set(key, latest)
  }

  #lagOf(partition: TopicPartition): bigint {
    const key = partitionKey(partition)
    const unread = { ...partition, from: this.#read.get(key) ?? 0n, to: this.#ends.get(key) ?? 0n }
    return rangeSize(unread) ?? 0n
  }
}

/** Throws unless the table was filled from this very cluster and these very topics. */
export function checkIdentity(offsets: StreamOffsets | undefined, identity: StreamIdentity): void {
  if (offsets === undefined) return
  const ways =
    'write to a new table, or give the stream a new name to read the new log from its start_offset ' +
    'into the same table (rows of the old log stay)'
  if (offsets.clusterId !== identity.clusterId) {
    throw new LogMismatchError(`the table was filled from another cluster; ${ways}`, {
      facts: { stream: identity.stream, stored: offsets.clusterId, actual: identity.clusterId },
    })
  }
  for (const [topic, { topicId }] of offsets.topics) {
    const actual = identity.topicIds.get(topic)
    if (actual === undefined || actual === topicId) continue
    throw new LogMismatchError(`the topic was deleted and made again since; ${ways}`, {
      facts: { stream: identity.stream, topic, stored: topicId, actual },
    })
  }
}

function checkBounds(partition: TopicPartition, committed: bigint, limits: OffsetBounds): void {
  const facts = {
    topic: partition.topic,
    partition: partition.partition,
    next: committed,
    earliest: limits.earliest,
    latest: limits.latest,
  }
  if (committed < limits.earliest) {
    throw new LogMismatchError(
      'the log no longer holds the records that come next (retention); they are lost to this stream. ' +
        'To go on without them, set the next offsets in the table property tidewater.offsets.<branch>',
      { facts },
    )
  }
  if (committed > limits.latest) {
    throw new LogMismatchError(
      'the table holds offsets beyond the end of the log; was the topic truncated or restored from a backup?',
      { facts },
    )
  }
}

function startOf(start: StartOffset, limits: OffsetBounds, byTime: bigint | undefined): bigint {
  switch (start.kind) {
    case 'earliest':
      return limits.earliest
    case 'latest':
      return limits.latest
    case 'timestamp':
      return byTime ?? limits.latest
  }
}
