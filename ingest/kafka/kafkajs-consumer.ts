/**
 * A kafkajs consumer whose batches are handed over through a bounded queue. kafkajs pushes, our
 * callers pull: a batch is held back in `eachBatch`, with heartbeats, until there is room for it.
 */
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import type { Clock } from '../../common/index.ts'
import { UnavailableError, isRetryable } from '../../common/index.ts'
import type { RecordBatch, TopicPartition } from '../record-source.ts'
import { partitionKey } from '../record-source.ts'
import { batchBytes, notAssignedError } from '../source-support.ts'
import type { Wakeup } from '../wakeup.ts'
import { kafkajsError } from './kafka-errors.ts'
import { emptyBatch, kafkajsBatches, splitBatch } from './kafkajs-batch.ts'

export interface KafkajsConsumerOptions {
  readonly kafka: Kafka
  readonly topics: readonly string[]
  readonly group: string
  readonly address: string
  readonly clock: Clock
  readonly wakeup: Wakeup
  readonly sessionTimeoutMs: number
  readonly metadataMs: number
  readonly partitionBytesMax: number
  readonly bytesMax: number
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
const waitMsMax = 250

export class KafkajsConsumer {
  readonly #options: KafkajsConsumerOptions
  readonly #consumer: Consumer
  #held = new Map<string, Held>()
  #assignment: readonly TopicPartition[] | undefined
  #failure: Error | undefined
  #joined = false
  #stopped = false
  #turn = 0

  constructor(options: KafkajsConsumerOptions) {
    this.#options = options
    this.#consumer = options.kafka.consumer({
      groupId: options.group,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: Math.min(1_000, Math.floor(options.sessionTimeoutMs / 3)),
      metadataMaxAge: options.metadataMs,
      maxBytesPerPartition: options.partitionBytesMax,
      maxBytes: options.bytesMax,
      maxWaitTimeInMs: waitMsMax,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 8 },
    })
    this.#listen()
  }

  async join(): Promise<void> {
    const { address, topics } = this.#options
    try {
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true })
      await this.#consumer.run({ autoCommit: false, eachBatch: (payload) => this.#accept(payload) })
    } catch (error) {
      throw kafkajsError(error, address)
    }
    if (!this.#joined && this.#failure !== undefined) throw this.#takeFailure()
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
    this.#consumer.seek({ topic, partition: number, offset: String(nextOffset) })
    if (!held.paused) this.#consumer.resume([{ topic, partitions: [number] }])
  }

  pause(partition: TopicPartition): void {
    this.#require(partition).paused = true
    this.#consumer.pause([{ topic: partition.topic, partitions: [partition.partition] }])
  }

  resume(partition: TopicPartition): void {
    const held = this.#require(partition)
    held.paused = false
    if (held.expected === undefined) return
    this.#consumer.resume([{ topic: partition.topic, partitions: [partition.partition] }])
  }

  /** What is there, about `bytesMax` of it. */
  take(bytesMax: number): RecordBatch[] {
    if (this.#failure !== undefined) throw this.#takeFailure()
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
    if (!this.#joined) return
    const offsets = [...this.#held.values()].flatMap(({ partition }) => {
      const offset = nextOffsets.get(partitionKey(partition))
      return offset === undefined ? [] : [{ ...partition, offset: String(offset) }]
    })
    try {
      if (offsets.length > 0) await this.#consumer.commitOffsets(offsets)
    } catch (error) {
      const wrapped = kafkajsError(error, this.#options.address)
      // A rebalance under way makes the report void; the next one counts.
      if (!isRetryable(wrapped)) throw wrapped
    }
  }

  async leave(): Promise<void> {
    this.#stopped = true
    this.#held = new Map()
    try {
      await this.#consumer.disconnect()
    } catch {
      // The broker is gone; our session there ends by itself.
    }
  }

  #listen(): void {
    const { GROUP_JOIN, REBALANCING, CRASH, START_BATCH_PROCESS } = this.#consumer.events
    this.#consumer.on(GROUP_JOIN, ({ payload }) => this.#assigned(payload.memberAssignment))
    this.#consumer.on(REBALANCING, () => this.#revoked())
    this.#consumer.on(CRASH, ({ payload }) => this.#crashed(payload.error, payload.restart))
    // What was filtered away as a whole (control records, aborted ones) never gets to eachBatch.
    this.#consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize > 0) return
      const held = this.#held.get(partitionKey(payload))
      const nextOffset = BigInt(payload.lastOffset) + 1n
      if (held?.expected === undefined || nextOffset <= held.expected) return
      held.expected = nextOffset
      held.queue.push(emptyBatch(held.partition, nextOffset))
      this.#options.wakeup.wake()
    })
  }

  #assigned(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#joined = true
    const partitions: TopicPartition[] = []
    for (const [topic, numbers] of Object.entries(assignment)) {
      // Nothing is fetched from the group's own offsets: the caller seeks first.
      this.#consumer.pause([{ topic, partitions: [...numbers] }])
      for (const partition of numbers) partitions.push({ topic, partition })
    }
    this.#held = new Map(
      partitions.map((partition) => [
        partitionKey(partition),
        { partition, expected: undefined, paused: false, queue: [] },
      ]),
    )
    this.#assignment = partitions
    this.#options.wakeup.wake()
  }

  #revoked(): void {
    this.#held = new Map()
    this.#assignment = undefined
  }

  #crashed(cause: Error, restarts: boolean): void {
    this.#joined = false
    this.#revoked()
    const error = kafkajsError(cause, this.#options.address)
    if (restarts && isRetryable(error)) return
    const { address } = this.#options
    this.#failure = isRetryable(error)
      ? new UnavailableError('lost the consumer group', { facts: { address }, cause: error })
      : error
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
      await this.#options.clock.sleep(roomCheckMs)
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

  #takeFailure(): Error {
    const failure = this.#failure ?? new Error('no failure')
    this.#failure = undefined
    return failure
  }

  #require(partition: TopicPartition): Held {
    const held = this.#held.get(partitionKey(partition))
    if (held === undefined) throw notAssignedError(partition)
    return held
  }
}
