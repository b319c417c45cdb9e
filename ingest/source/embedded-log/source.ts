/**
 * The `RecordSource` over an embedded log.
 *
 * It has no consumer groups: two sources over one topic each get every partition, and the range check
 * of the commit lets only one of them commit.
 */
import { ValidationError, assert } from '../../../common/index.ts'
import type { RecordSetSlicer } from '../../record-batch/record-batch-slicer.ts'
import { type TopicPartition, partitionKey } from '../../offsets/topic-partition.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import type { OffsetBounds, PollResult, RecordSource, TopicDescription } from '../record-source.ts'
import {
  batchBytes,
  notAssignedError,
  recreatedTopicError,
  whileReading,
} from '../source-support.ts'
import type { EmbeddedLog } from './embedded-log.ts'
import type { PartitionReader } from './partition-reader.ts'

export interface EmbeddedSourceOptions {
  /** Stays open; it may serve several sources and the producer. */
  readonly log: EmbeddedLog
  readonly topics: readonly string[]
  /** How long added partitions and a deleted topic may go unnoticed. */
  readonly topicsIntervalMs?: number
}

/** One assigned partition. */
interface Assigned {
  readonly partition: TopicPartition
  readonly reader: PartitionReader
  /** Undefined until the caller has called `seek`. */
  nextOffset: bigint | undefined
  paused: boolean
  slicer: RecordSetSlicer | undefined
  /** The position at which the slicer was opened. */
  slicerFrom: bigint
}

/** How long new records may go unnoticed while a poll waits. */
const tailIntervalMs = 5
const topicsIntervalMsDefault = 1000

export function createEmbeddedSource(options: EmbeddedSourceOptions): RecordSource {
  return new EmbeddedSource(options)
}

class EmbeddedSource implements RecordSource {
  readonly #log: EmbeddedLog
  readonly #topics: readonly string[]
  readonly #topicsIntervalMs: number
  #described: readonly TopicDescription[] = []
  #describedAtMs = 0
  #assigned = new Map<string, Assigned>()
  #announced = false
  /** The partition that is read first; it changes so that none starves. */
  #turn = 0
  /** An error of a partition in the last poll, thrown after the batches of the others were returned. */
  #deferred: unknown

  constructor(options: EmbeddedSourceOptions) {
    const { log, topics } = options
    if (topics.length === 0) throw new ValidationError('a source needs at least one topic')
    this.#log = log
    this.#topics = topics
    this.#topicsIntervalMs = options.topicsIntervalMs ?? topicsIntervalMsDefault
  }

  async start(): Promise<void> {
    this.#described = await this.describeTopics()
    this.#describedAtMs = this.#log.clock.monotonic()
    await this.#assign()
  }

  async clusterId(): Promise<string> {
    return Promise.resolve(this.#log.clusterId)
  }

  describeTopics(): Promise<readonly TopicDescription[]> {
    return Promise.all(this.#topics.map((topic) => this.#log.describeTopic(topic)))
  }

  async offsetBounds(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, OffsetBounds>> {
    return this.#forEach(partitions, (reader) => reader.bounds())
  }

  async offsetsForTime(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, bigint | undefined>> {
    const time = BigInt(Math.floor(timestampMs))
    return this.#forEach(partitions, (reader) => reader.offsetForTime(time))
  }

  async poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult> {
    const { clock } = this.#log
    const deadlineMs = clock.monotonic() + waitMs
    for (;;) {
      signal?.throwIfAborted()
      this.#throwDeferred()
      await this.#noticeTopicChanges()
      if (!this.#announced) {
        this.#announced = true
        return {
          kind: 'assigned',
          partitions: [...this.#assigned.values()].map(({ partition }) => partition),
        }
      }
      const batches = await this.#read(bytesMax)
      const leftMs = deadlineMs - clock.monotonic()
      if (batches.length > 0 || leftMs <= 0) return { kind: 'records', batches }
      await clock.sleep(Math.min(tailIntervalMs, leftMs), signal)
    }
  }

  seek(partition: TopicPartition, nextOffset: bigint): void {
    const assigned = this.#require(partition)
    assigned.nextOffset = nextOffset
    assigned.slicer = undefined
    // This partition is read again; an error of another would occur again.
    this.#deferred = undefined
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#require(partition).paused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#require(partition).paused = false
  }

  /** The log has no consumer groups: only the table records offsets. */
  async reportCommitted(): Promise<void> {
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    await this.#closeAll()
  }

  async #read(bytesMax: number): Promise<RecordBatch[]> {
    const turns = [...this.#assigned.values()]
    const batches: RecordBatch[] = []
    let bytes = 0
    for (let index = 0; index < turns.length && bytes < bytesMax; index++) {
      const assigned = turns[(this.#turn + index) % turns.length]
      if (assigned === undefined || assigned.paused) continue
      try {
        const batch = await this.#readNext(assigned, bytesMax - bytes)
        if (batch === undefined) continue
        batches.push(batch)
        bytes += batchBytes(batch)
      } catch (error) {
        // The positions of the batches have moved, so these are returned first.
        if (batches.length === 0) throw error
        this.#deferred = error
        break
      }
    }
    this.#turn++
    return batches
  }

  #throwDeferred(): void {
    const deferred = this.#deferred
    this.#deferred = undefined
    if (deferred !== undefined) throw deferred
  }

  async #readNext(assigned: Assigned, bytesMax: number): Promise<RecordBatch | undefined> {
    for (;;) {
      const { nextOffset } = assigned
      if (nextOffset === undefined) return undefined
      const open = assigned.slicer
      const slicer = open ?? (await assigned.reader.read(nextOffset))
      // The caller may have called `seek` during the read.
      if (assigned.nextOffset !== nextOffset) continue
      if (slicer === undefined) return undefined
      assigned.slicer = slicer
      if (open === undefined) assigned.slicerFrom = nextOffset
      const batch = this.#slice(assigned, slicer, bytesMax)
      if (batch !== undefined) return batch
    }
  }

  /** Undefined when the slicer is used up, or met damage behind what it gave: then it is read again from there. */
  #slice(assigned: Assigned, slicer: RecordSetSlicer, bytesMax: number): RecordBatch | undefined {
    try {
      const batch = slicer.next(bytesMax)
      assigned.nextOffset = slicer.position
      if (batch !== undefined) return batch
      assert(slicer.position > assigned.slicerFrom, 'what a reader gives holds a whole batch')
      assigned.slicer = undefined
      return undefined
    } catch (error) {
      assigned.slicer = undefined
      // Bytes that begin with the damage show how far it goes.
      if (slicer.position === assigned.slicerFrom) throw error
      return undefined
    }
  }

  /** Notices added partitions, and a topic that was deleted or is another one of the same name. */
  async #noticeTopicChanges(): Promise<void> {
    const now = this.#log.clock.monotonic()
    if (now - this.#describedAtMs < this.#topicsIntervalMs) return
    this.#describedAtMs = now
    const before = this.#described
    this.#described = await this.describeTopics().catch((error: unknown) => {
      throw whileReading(error)
    })
    let grown = false
    for (const [index, topic] of this.#described.entries()) {
      const old = before[index]
      if (old !== undefined && old.topicId !== topic.topicId) throw recreatedTopicError(old, topic)
      grown ||= old?.partitionCount !== topic.partitionCount
    }
    if (grown) await this.#assign()
  }

  async #assign(): Promise<void> {
    await this.#closeAll()
    for (const { topic, partitionCount } of this.#described) {
      for (let number = 0; number < partitionCount; number++) {
        const partition = { topic, partition: number }
        this.#assigned.set(partitionKey(partition), {
          partition,
          reader: this.#log.openReader(partition),
          nextOffset: undefined,
          paused: false,
          slicer: undefined,
          slicerFrom: 0n,
        })
      }
    }
    this.#announced = false
  }

  async #closeAll(): Promise<void> {
    const readers = [...this.#assigned.values()].map(({ reader }) => reader)
    this.#assigned = new Map()
    await Promise.all(readers.map((reader) => reader.close()))
  }

  async #forEach<T>(
    partitions: readonly TopicPartition[],
    ask: (reader: PartitionReader) => Promise<T>,
  ): Promise<ReadonlyMap<string, T>> {
    const answers = new Map<string, T>()
    for (const partition of partitions) {
      const reader = this.#log.openReader(partition)
      try {
        answers.set(partitionKey(partition), await ask(reader))
      } finally {
        await reader.close()
      }
    }
    return answers
  }

  #require(partition: TopicPartition): Assigned {
    const assigned = this.#assigned.get(partitionKey(partition))
    if (assigned !== undefined) return assigned
    throw notAssignedError(partition)
  }
}
