/**
 * Where a stream stands in each partition: what its table holds, what it has read, and where it may stop.
 * Decides once where each partition is read from, and refuses loudly what does not fit (E6).
 *
 * E11 (docs/spec/exactly-once.md): a position that was taken is kept until the table has it.
 */
import type { StartOffset } from '../../settings/index.ts'
import { type OffsetRange, rangeSize } from '../offsets/offset-range.ts'
import {
  boundsFaults,
  identityFaults,
  type LogIdentity,
  logMismatch,
} from '../offsets/log-faults.ts'
import { nextOffsetOf, type StreamOffsets } from '../offsets/offset-map.ts'
import {
  partitionKey,
  type PartitionPosition,
  type TopicPartition,
} from '../offsets/topic-partition.ts'
import type { OffsetBounds, RecordSource, TopicDescription } from '../source/record-source.ts'
import { allPartitions, recreatedTopicError } from '../source/source-support.ts'

/** What is known of a stream's positions when it begins to read. */
export interface TablePositions {
  /** What the table holds. */
  readonly offsets: StreamOffsets | undefined
  /** What was recorded before there was a table. */
  readonly started: StreamOffsets | undefined
}

/** Worth a line in the log: a partition that came later, or a position that the log lost before it was read. */
export interface StartNote extends PartitionPosition {
  readonly kind: 'added' | 'moved'
}

interface Start extends PartitionPosition {
  /** True when asking again later would give another position. */
  readonly isMoving: boolean
}

export class Positions {
  /** The next offset that the table will hold once every batch handed over is committed. */
  readonly #assumed = new Map<string, bigint | undefined>()
  readonly #read = new Map<string, bigint>()
  readonly #ends = new Map<string, bigint>()
  /** Positions of partitions that the table has no offset of. */
  readonly #starts = new Map<string, Start>()
  #topics: readonly TopicDescription[] = []
  #all: readonly TopicPartition[] = []
  #assigned: readonly TopicPartition[] = []
  #bounds: ReadonlyMap<string, OffsetBounds> = new Map()

  get assigned(): readonly TopicPartition[] {
    return this.#assigned
  }

  committedOffset(partition: TopicPartition): bigint | undefined {
    return this.#assumed.get(partitionKey(partition))
  }

  /** Positions that the next commit has to record, of all partitions of the topics, also of those that others read. */
  get starts(): readonly PartitionPosition[] {
    return [...this.#starts.values()]
  }

  /** True when the starts have to be recorded before anything is read. */
  get hasMovingStarts(): boolean {
    return [...this.#starts.values()].some(({ isMoving }) => isMoving)
  }

  /** Takes a position for each partition of the topics that the table has no offset of and that has none yet. */
  async take(
    source: RecordSource,
    { offsets, started }: TablePositions,
    start: StartOffset,
  ): Promise<readonly StartNote[]> {
    await this.requireSameTopics(source)
    this.#bounds = await source.offsetBounds(this.#all)
    const notes: StartNote[] = []
    const open: TopicPartition[] = []
    for (const partition of this.#all) {
      const key = partitionKey(partition)
      const limits = this.#boundsOf(partition)
      if (!this.#ends.has(key)) this.#ends.set(key, limits.latest)
      const recorded = nextOffsetOf(started, partition)
      const taken = this.#starts.get(key)
      if (nextOffsetOf(offsets, partition) !== undefined) this.#starts.delete(key)
      else if (recorded !== undefined) {
        this.#starts.set(key, { ...partition, position: recorded, isMoving: false })
      } else if (taken === undefined) open.push(partition)
      else if (taken.position < limits.earliest) {
        const moved = { ...taken, position: limits.earliest }
        this.#starts.set(key, moved)
        notes.push({ kind: 'moved', ...partition, position: moved.position })
      }
    }
    return [...notes, ...(await this.#begin(source, open, offsets, start))]
  }

  /** Throws TopicChangedError, or NotFoundError for a topic that is gone. */
  async requireSameTopics(source: RecordSource): Promise<void> {
    this.#noteTopics(await source.describeTopics())
  }

  /** Throws TopicChangedError when a topic is another one than when the run began. */
  #noteTopics(topics: readonly TopicDescription[]): void {
    for (const topic of topics) {
      const before = this.#topics.find((each) => each.topic === topic.topic)
      if (before !== undefined && before.topicId !== topic.topicId) {
        throw recreatedTopicError(before, topic)
      }
    }
    this.#topics = topics
    this.#all = allPartitions(topics)
  }

  async #begin(
    source: RecordSource,
    open: readonly TopicPartition[],
    offsets: StreamOffsets | undefined,
    start: StartOffset,
  ): Promise<readonly StartNote[]> {
    if (open.length === 0) return []
    const begun = new Set([
      ...(offsets?.topics.keys() ?? []),
      ...[...this.#starts.values()].map(({ topic }) => topic),
    ])
    const times =
      start.kind === 'timestamp'
        ? await source.offsetsForTime(open, start.timestampMs)
        : new Map<string, bigint | undefined>()
    const notes: StartNote[] = []
    for (const partition of open) {
      const key = partitionKey(partition)
      const limits = this.#boundsOf(partition)
      // The topic had fewer partitions when the stream began with it.
      const isAdded = begun.has(partition.topic)
      const from = isAdded ? beginning(limits) : startOf(start, limits, times.get(key))
      this.#starts.set(key, { ...partition, ...from })
      if (isAdded) notes.push({ kind: 'added', ...partition, position: from.position })
    }
    return notes
  }

  /**
   * Begins again where the table ends, or where the partition was taken first; seeks the source. Throws
   * LogMismatchError.
   */
  assign(
    source: RecordSource,
    partitions: readonly TopicPartition[],
    { offsets, started }: TablePositions,
    stream: string,
  ): void {
    this.#assigned = partitions
    this.#assumed.clear()
    this.#read.clear()
    for (const held of [offsets, started]) {
      // Other members report what is wrong with their own; the command is to mend all of it.
      if (boundsFaults(held, partitions, this.#bounds).length === 0) continue
      const topics = this.#topics.map(({ topic }) => topic)
      throw logMismatch(stream, topics, boundsFaults(held, this.#all, this.#bounds))
    }
    for (const partition of partitions) {
      const key = partitionKey(partition)
      const committed = nextOffsetOf(offsets, partition)
      const position =
        committed ?? this.#starts.get(key)?.position ?? this.#boundsOf(partition).earliest
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

  /** Everything that stood in the log at the start is in the table, by this member or by others. */
  isHeldBy(offsets: StreamOffsets | undefined): boolean {
    return this.#all.every((partition) => {
      const key = partitionKey(partition)
      const next = nextOffsetOf(offsets, partition) ?? this.#starts.get(key)?.position ?? 0n
      return next >= (this.#ends.get(key) ?? 0n)
    })
  }

  /** Records up to the ends seen at the start; holes count. */
  get lag(): bigint {
    return this.#assigned.reduce((sum, partition) => sum + this.#lagOf(partition), 0n)
  }

  noteEnds(bounds: ReadonlyMap<string, OffsetBounds>): void {
    for (const [key, { latest }] of bounds) this.#ends.set(key, latest)
  }

  #boundsOf(partition: TopicPartition): OffsetBounds {
    return this.#bounds.get(partitionKey(partition)) ?? { earliest: 0n, latest: 0n }
  }

  #lagOf(partition: TopicPartition): bigint {
    const key = partitionKey(partition)
    const unread = { ...partition, from: this.#read.get(key) ?? 0n, to: this.#ends.get(key) ?? 0n }
    return rangeSize(unread) ?? 0n
  }
}

/** Throws LogMismatchError unless the table was filled from this very cluster and these very topics. */
export function checkIdentity(
  offsets: StreamOffsets | undefined,
  identity: LogIdentity & { readonly stream: string },
): void {
  const faults = identityFaults(offsets, identity)
  const topics = [...identity.topicIds.keys()]
  if (faults.length > 0) throw logMismatch(identity.stream, topics, faults)
}

function beginning({ earliest }: OffsetBounds): Pick<Start, 'isMoving' | 'position'> {
  return { position: earliest, isMoving: false }
}

function startOf(
  start: StartOffset,
  limits: OffsetBounds,
  byTime: bigint | undefined,
): Pick<Start, 'isMoving' | 'position'> {
  if (start.kind === 'earliest') return beginning(limits)
  if (start.kind === 'timestamp' && byTime !== undefined) {
    return { position: byTime, isMoving: false }
  }
  return { position: limits.latest, isMoving: true }
}
