/**
 * Membership of a consumer group by a kafkajs consumer that never fetches: every topic is paused, so
 * it only joins, sends heartbeats and commits offsets, and the assignment is read off its events.
 */
import type { Consumer, Kafka } from 'kafkajs'
import type { Logger } from '../../common/index.ts'
import { UnavailableError, errorMessage, isRetryable } from '../../common/index.ts'
import type { TopicPartition } from '../record-source.ts'
import { kafkajsError } from './kafka-errors.ts'

export interface GroupOptions {
  readonly kafka: Kafka
  readonly group: string
  readonly topics: readonly string[]
  readonly address: string
  readonly logger: Logger
  readonly sessionTimeoutMs: number
  /** How long added partitions may go unnoticed. */
  readonly metadataMs: number
  readonly onAssigned: (partitions: readonly TopicPartition[]) => void
  /** The assignment is void; another follows. */
  readonly onRevoked: () => void
  readonly onFailure: (error: Error) => void
}

/** One round of a consumer that has nothing to fetch; stopping takes at most this long. */
const idleRoundMs = 200

export class GroupMembership {
  readonly #options: GroupOptions
  readonly #consumer: Consumer
  #joined = false
  #failure: Error | undefined

  constructor(options: GroupOptions) {
    this.#options = options
    const { sessionTimeoutMs } = options
    this.#consumer = options.kafka.consumer({
      groupId: options.group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(sessionTimeoutMs, 60_000),
      // A rebalance is learnt of with a heartbeat.
      heartbeatInterval: Math.min(1_000, Math.floor(sessionTimeoutMs / 3)),
      maxWaitTimeInMs: idleRoundMs,
      metadataMaxAge: options.metadataMs,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 8 },
    })
    this.#listen()
  }

  /** Resolves when the group has been joined. */
  async join(): Promise<void> {
    const { address, topics } = this.#options
    try {
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topics: [...topics] })
      await this.#consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() })
    } catch (error) {
      throw kafkajsError(error, address)
    }
    // kafkajs reports a failed join as an event only.
    if (!this.#joined && this.#failure !== undefined) throw this.#failure
  }

  /** Advisory: a rebalance that is just going on makes it void, which is no error. */
  async commitOffsets(nextOffsets: ReadonlyMap<TopicPartition, bigint>): Promise<void> {
    const offsets = [...nextOffsets].map(([{ topic, partition }, offset]) => ({
      topic,
      partition,
      offset: String(offset),
    }))
    if (offsets.length === 0 || !this.#joined) return
    try {
      await this.#consumer.commitOffsets(offsets)
    } catch (error) {
      const wrapped = kafkajsError(error, this.#options.address)
      if (!isRetryable(wrapped)) throw wrapped
      this.#options.logger.debug('kafka.offsets-not-reported', { error: errorMessage(error) })
    }
  }

  /** Leaves the group, so that the others need not wait for our session to end. */
  async leave(): Promise<void> {
    try {
      await this.#consumer.disconnect()
    } catch (error) {
      this.#options.logger.debug('kafka.leave-failed', { error: errorMessage(error) })
    }
  }

  #listen(): void {
    const { GROUP_JOIN, REBALANCING, CRASH } = this.#consumer.events
    const { onAssigned, onRevoked, onFailure, address, topics } = this.#options
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#consumer.pause(topics.map((topic) => ({ topic })))
      this.#joined = true
      const assignment = Object.entries(payload.memberAssignment)
      onAssigned(
        assignment.flatMap(([topic, partitions]) =>
          partitions.map((partition) => ({ topic, partition })),
        ),
      )
    })
    this.#consumer.on(REBALANCING, () => onRevoked())
    this.#consumer.on(CRASH, ({ payload }) => {
      this.#joined = false
      onRevoked()
      const error = kafkajsError(payload.error, address)
      this.#failure = error
      // With `restart` kafkajs joins again by itself.
      if (payload.restart && isRetryable(error)) return
      onFailure(
        payload.restart
          ? error
          : new UnavailableError('lost the consumer group', { facts: { address }, cause: error }),
      )
    })
  }
}
