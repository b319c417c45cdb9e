/**
 * A kafkajs consumer whose batches are handed over through a bounded queue. kafkajs pushes, our
 * callers pull: a batch is held back in `eachBatch`, with heartbeats, until there is room for it.
 */
import type { EachBatchPayload } from 'kafkajs'
import { type TopicPartition, partitionKey } from '../../../ingest/offsets/topic-partition.ts'
import type { RecordBatch } from '../../../ingest/record-batch/record-batch.ts'
import { batchBytes, notAssignedError } from '../../../ingest/source/source-support.ts'
import type { Wakeup } from '../../../ingest/source/wakeup.ts'
import {
  GroupConsumer,
  type GroupFetchLimits,
  type GroupSettings,
} from '../../../ingest/source/kafka/group-consumer.ts'
import { emptyBatch, kafkajsBatches, splitBatch } from './kafkajs-batch.ts'

export interface KafkajsConsumerOptions {
  readonly group: GroupSettings
  readonly limits: GroupFetchLimits
  readonly wakeup: Wakeup
  /** Batches wait in kafkajs while more than this waits here. */
  readonly queueBytesMax: number
}

interface Held {
  readonly partition: TopicPartition
  /** Undefined until the caller has said where to begin. */
  expected: bigint | undefined
  paused: boolean
  queue: RecordBatch[]
}

const roomCheckMs = 20

export class KafkajsConsumer {
  readonly #options: KafkajsConsumerOptions
  readonly #group: GroupConsumer
  #held = new Map<string, Held>()
  #assignment: readonly TopicPartition[] | undefined
  #failure: Error | undefined
  #stopped = false
  #turn = 0

  constructor(options: KafkajsConsumerOptions) {
    this.#options = options
    const handlers = {
      onAssigned: (partitions: readonly TopicPartition[]) => this.#assigned(partitions),
      onRevoked: () => {
        this.#held = new Map()
        this.#assignment = undefined
      },
      onFailure: (error: Error) => {
        this.#failure = error
        options.wakeup.wake()
      },
      eachBatch: (payload: EachBatchPayload) => this.#accept(payload),
      onFiltered: (partition: TopicPartition, lastOffset: bigint) =>
        this.#filtered(partition, lastOffset),
    }
    this.#group = new GroupConsumer(options.group, handlers, options.limits)
  }

  join(): Promise<void> {
    return this.#group.join()
  }

  /** A new assignment, once. */
  takeAssignment(): readonly TopicPartition[] | undefined {
    const assignment = this.#assignment
    this.#assignment = undefined
    return assignment
  }

  seek(partition: TopicPartition, nextOffset: bigint): void {
    const held = this.#require(partition)
    held.expected = nextOffset
    held.queue = []
    const { topic, partition: number } = partition
    this.#group.consumer.seek({ topic, partition: number, offset: String(nextOffset) })
    if (!held.paused) this.#group.consumer.resume([{ topic, partitions: [number] }])
  }

  pause(partition: TopicPartition): void {
    this.#require(partition).paused = true
    this.#group.consumer.pause([{ topic: partition.topic, partitions: [partition.partition] }])
  }

  resume(partition: TopicPartition): void {
    const held = this.#require(partition)
    held.paused = false
    if (held.expected === undefined) return
    this.#group.consumer.resume([{ topic: partition.topic, partitions: [partition.partition] }])
  }

  /** What is there, about `bytesMax` of it. */
  take(bytesMax: number): RecordBatch[] {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    const all = [...this.#held.values()]
    const batches: RecordBatch[] = []
    let bytes = 0
    for (let misses = 0; misses < all.length && bytes < bytesMax; this.#turn++) {
      const held = all[this.#turn % all.length]
      const batch = held === undefined || held.paused ? undefined : held.queue.shift()
      misses = batch === undefined ? misses + 1 : 0
      if (batch === undefined) continue
      const { head, rest } = splitBatch(batch, bytesMax - bytes)
      if (rest !== undefined) held?.queue.unshift(rest)
      batches.push(head)
      bytes += batchBytes(head)
    }
    return batches
  }

  isAssigned(partition: TopicPartition): boolean {
    return this.#held.has(partitionKey(partition))
  }

  async commitOffsets(nextOffsets: ReadonlyMap<string, bigint>): Promise<void> {
    const ours = new Map<TopicPartition, bigint>()
    for (const [key, { partition }] of this.#held) {
      const nextOffset = nextOffsets.get(key)
      if (nextOffset !== undefined) ours.set(partition, nextOffset)
    }
    await this.#group.commitOffsets(ours)
  }

  async leave(): Promise<void> {
    this.#stopped = true
    this.#held = new Map()
    await this.#group.leave()
  }

  #assigned(partitions: readonly TopicPartition[]): void {
    this.#held = new Map(
      partitions.map((partition) => [
        partitionKey(partition),
        { partition, expected: undefined, paused: false, queue: [] },
      ]),
    )
    this.#assignment = partitions
    this.#options.wakeup.wake()
  }

  /** What was filtered away as a whole never gets to eachBatch, but the position moves. */
  #filtered(partition: TopicPartition, lastOffset: bigint): void {
    const held = this.#held.get(partitionKey(partition))
    const nextOffset = lastOffset + 1n
    if (held?.expected === undefined || nextOffset <= held.expected) return
    held.expected = nextOffset
    held.queue.push(emptyBatch(held.partition, nextOffset))
    this.#options.wakeup.wake()
  }

  async #accept({ batch, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const key = partitionKey(batch)
    const held = this.#held.get(key)
    const first = batch.messages[0]
    if (held?.expected === undefined || first === undefined || isStale()) return
    const nextOffset = BigInt(batch.lastOffset()) + 1n
    const batches = kafkajsBatches(held.partition, batch.messages, nextOffset)
    while (this.#queuedBytes() >= this.#options.queueBytesMax && !held.paused) {
      await heartbeat()
      await this.#options.group.clock.sleep(roomCheckMs)
      if (this.#stopped || !isRunning()) return
    }
    // A seek or a rebalance may have come meanwhile.
    if (this.#held.get(key) !== held || isStale()) return
    held.expected = nextOffset
    held.queue.push(...batches)
    this.#options.wakeup.wake()
  }

  /** What waits of paused partitions does not hold the others back; kafkajs fetches no more of it. */
  #queuedBytes(): number {
    let bytes = 0
    for (const { paused, queue } of this.#held.values()) {
      if (!paused) for (const batch of queue) bytes += batchBytes(batch)
    }
    return bytes
  }

  #require(partition: TopicPartition): Held {
    const held = this.#held.get(partitionKey(partition))
    if (held === undefined) throw notAssignedError(partition)
    return held
  }
}
