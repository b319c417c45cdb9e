/**
 * A kafkajs consumer kept in its group: it joins, reports assignments, and when kafkajs gives up joins again
 * with a new consumer, for a while. (kafkajs's own restart reuses a half-closed one.)
 */
import type { Consumer, EachBatchHandler, Kafka } from 'kafkajs'
import {
  type Clock,
  type Logger,
  UnavailableError,
  ValidationError,
  errorMessage,
  isRetryable,
} from '../../../common/index.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { createKafkajsClient, type KafkaConnectionSettings } from './kafka-connection.ts'
import type { KafkaCall } from './kafka-call.ts'
import { isCoordinatorStarting, kafkajsError } from './kafka-errors.ts'
import { byAge, type GroupMember, type MemberStream, rivalOf } from './group-member.ts'
import { KafkaSockets } from './kafka-sockets.ts'
import { decodeMember, topicAssigner } from './topic-assigner.ts'

export interface GroupSettings {
  readonly connection: KafkaConnectionSettings
  readonly group: string
  readonly topics: readonly string[]
  /** Which stream this member runs. */
  readonly stream: MemberStream
  /** The brokers, for messages. */
  readonly address: string
  readonly clock: Clock
  readonly logger: Logger
  readonly sessionTimeoutMs: number
  /** How long added partitions may go unnoticed. */
  readonly metadataMs: number
  /** Being out of the group for this long is a failure. */
  readonly unavailableMs: number
}

export interface GroupHandlers {
  /** Every partition of it is paused. */
  onAssigned(partitions: readonly TopicPartition[]): void
  /** The assignment is no longer valid; another follows. */
  onRevoked(): void
  onFailure(error: Error): void
  /** Absent when nothing is ever resumed. */
  readonly eachBatch?: EachBatchHandler
  /** Called for a fetch with only control records and aborted ones, which kafkajs drops. */
  onFiltered?(partition: TopicPartition, lastOffset: bigint): void
}

export interface GroupFetchLimits {
  readonly partitionBytesMax: number
  readonly bytesMax: number
}

/** One round of a consumer that has nothing to fetch; stopping takes at most this long. */
const roundMs = 200
const rejoinWaitMs = 500
/** The group names its members only while no rebalance is under way. */
const describesMax = 25
const describeWaitMs = 200

export class GroupConsumer {
  readonly #settings: GroupSettings
  readonly #handlers: GroupHandlers
  readonly #limits: GroupFetchLimits | undefined
  readonly #stop = new AbortController()
  readonly #sockets = new KafkaSockets()
  readonly #kafka: Kafka
  readonly #sinceMs: number
  #consumer: Consumer
  #joined = false
  #joins = 0
  #failure: Error | undefined
  #rejoining: Promise<void> | undefined

  constructor(settings: GroupSettings, handlers: GroupHandlers, limits?: GroupFetchLimits) {
    this.#settings = settings
    this.#handlers = handlers
    this.#limits = limits
    const { connection, logger, clock } = settings
    this.#sinceMs = clock.now()
    this.#kafka = createKafkajsClient(connection, logger, {}, this.#sockets.factory)
    this.#consumer = this.#create()
  }

  get #call(): KafkaCall {
    const { connection, group, topics } = this.#settings
    const [topic] = topics
    return { connection, group, ...(topic === undefined ? {} : { topic }), right: 'READ' }
  }

  /** For `seek`, `pause` and `resume`; another one after a crash. */
  get consumer(): Consumer {
    return this.#consumer
  }

  /** Resolves when the group has been joined. Waits for a broker that has just been started. */
  async join(): Promise<void> {
    const { clock, logger, unavailableMs, group } = this.#settings
    const startedMs = clock.monotonic()
    await this.#run(this.#consumer)
    for (;;) {
      const failure = this.#failure
      if (failure === undefined) return
      const waitedMs = clock.monotonic() - startedMs
      if (!isCoordinatorStarting(failure) || waitedMs > unavailableMs) throw failure
      logger.info('kafka.group-starting', { group, error: errorMessage(failure) })
      await clock.sleep(rejoinWaitMs, this.#stop.signal)
      this.#failure = await this.#tryRejoin()
    }
  }

  /** Only for monitoring: a rebalance at the same time may discard it, which is not an error. */
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
      const wrapped = kafkajsError(error, this.#call)
      if (!isRetryable(wrapped)) throw wrapped
      this.#settings.logger.debug('kafka.offsets-not-reported', { error: errorMessage(error) })
    }
  }

  /** Leaves the group, so that the others need not wait for our session to end. */
  async leave(): Promise<void> {
    this.#stop.abort()
    await this.#rejoining
    await this.#disconnect(this.#consumer)
    this.#sockets.destroy()
  }

  #create(): Consumer {
    const { group, metadataMs, sessionTimeoutMs, stream } = this.#settings
    const consumer = this.#kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(sessionTimeoutMs, 60_000),
      // A rebalance is noticed at the next heartbeat.
      heartbeatInterval: Math.min(1_000, Math.floor(sessionTimeoutMs / 3)),
      maxWaitTimeInMs: roundMs,
      metadataMaxAge: metadataMs,
      allowAutoTopicCreation: false,
      partitionAssigners: [topicAssigner({ stream, sinceMs: this.#sinceMs })],
      readUncommitted: false,
      retry: {
        initialRetryTime: 200,
        maxRetryTime: 1_000,
        retries: 5,
        restartOnFailure: () => Promise.resolve(false),
      },
      ...(this.#limits === undefined
        ? {}
        : {
            maxBytesPerPartition: this.#limits.partitionBytesMax,
            maxBytes: this.#limits.bytesMax,
          }),
    })
    this.#listen(consumer)
    return consumer
  }

  async #run(consumer: Consumer): Promise<void> {
    const { topics } = this.#settings
    const eachBatch = this.#handlers.eachBatch ?? (() => Promise.resolve())
    this.#failure = undefined
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...topics], fromBeginning: true })
      // kafkajs reports a failed join by its CRASH event, not by a rejection.
      await consumer.run({ autoCommit: false, eachBatch })
    } catch (error) {
      throw kafkajsError(error, this.#call)
    }
  }

  #listen(consumer: Consumer): void {
    const { GROUP_JOIN, REBALANCING, CRASH, START_BATCH_PROCESS } = consumer.events
    consumer.on(GROUP_JOIN, ({ payload }) => {
      if (consumer !== this.#consumer) return
      const partitions: TopicPartition[] = []
      for (const [topic, numbers] of Object.entries(payload.memberAssignment)) {
        // Nothing is fetched from the group's own offsets: the caller seeks first.
        consumer.pause([{ topic, partitions: [...numbers] }])
        for (const partition of numbers) partitions.push({ topic, partition })
      }
      this.#joined = true
      void this.#announce(consumer, ++this.#joins, payload.memberId, partitions)
    })
    consumer.on(REBALANCING, () => {
      this.#joins++
      this.#handlers.onRevoked()
    })
    consumer.on(CRASH, ({ payload }) => this.#crashed(consumer, payload.error))
    consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) this.#handlers.onFiltered?.(payload, BigInt(payload.lastOffset))
    })
  }

  /** Two streams that read one topic would each get a part of it: the one that began later is refused (E12). */
  async #announce(
    consumer: Consumer,
    join: number,
    memberId: string,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const isNewest = (): boolean => consumer === this.#consumer && join === this.#joins
    const members = await this.#membersOf(consumer, isNewest)
    if (!isNewest() || !this.#joined) return
    const own = members.find((member) => member.memberId === memberId)
    const rival = own === undefined ? undefined : rivalOf(own, members)
    if (own !== undefined && rival !== undefined && byAge(rival.member, own) < 0) {
      return this.#handlers.onFailure(this.#rivalError(rival.member, rival.topic))
    }
    this.#handlers.onAssigned(partitions)
  }

  /** The members of the group, once all have joined; none where the group does not say it. */
  async #membersOf(consumer: Consumer, isNewest: () => boolean): Promise<readonly GroupMember[]> {
    const { clock, logger, group } = this.#settings
    try {
      for (let attempt = 0; attempt < describesMax && isNewest(); attempt++) {
        const { members, state } = await consumer.describeGroup()
        if (state === 'Stable') return members.map(decodeMember)
        await clock.sleep(describeWaitMs, this.#stop.signal)
      }
    } catch (error) {
      logger.debug('kafka.group-not-described', { group, error: errorMessage(error) })
    }
    return []
  }

  #rivalError({ data }: GroupMember, topic: string): ValidationError {
    const { group, stream } = this.#settings
    const other = data?.stream
    return new ValidationError(
      'another stream reads this topic in the same consumer group, so that each would get only a part of it; ' +
        'give each stream a group of its own (input.kafka.consumer_group)',
      {
        facts: {
          group,
          topic,
          stream: stream.name,
          table: stream.table,
          other: other?.name ?? 'another program',
          otherTable: other?.table,
        },
      },
    )
  }

  #crashed(consumer: Consumer, cause: Error): void {
    if (consumer !== this.#consumer) return
    const error = kafkajsError(cause, this.#call)
    this.#failure = error
    const wasJoined = this.#joined
    this.#joined = false
    this.#handlers.onRevoked()
    // While `join` or a rejoin runs, that one reports it.
    if (!wasJoined || this.#stop.signal.aborted) return
    if (isRetryable(error)) this.#rejoining ??= this.#rejoin()
    else this.#handlers.onFailure(error)
  }

  async #rejoin(): Promise<void> {
    const { clock, logger, unavailableMs, address, group } = this.#settings
    const startedMs = clock.monotonic()
    try {
      for (;;) {
        logger.info('kafka.rejoining', { group, error: errorMessage(this.#failure) })
        await clock.sleep(rejoinWaitMs, this.#stop.signal)
        const failure = await this.#tryRejoin()
        if (failure === undefined) return
        if (!isRetryable(failure)) return this.#handlers.onFailure(failure)
        if (clock.monotonic() - startedMs < unavailableMs) continue
        const lost = 'lost the consumer group and could not join it again'
        const options = { facts: { group, broker: address }, cause: failure }
        return this.#handlers.onFailure(new UnavailableError(lost, options))
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#handlers.onFailure(error as Error)
    } finally {
      this.#rejoining = undefined
    }
  }

  async #tryRejoin(): Promise<Error | undefined> {
    const old = this.#consumer
    this.#consumer = this.#create()
    await this.#disconnect(old)
    try {
      await this.#run(this.#consumer)
    } catch (error) {
      return error as Error
    }
    return this.#failure
  }

  async #disconnect(consumer: Consumer): Promise<void> {
    try {
      await consumer.disconnect()
    } catch (error) {
      // The broker is gone, so our session there ends by itself.
      this.#settings.logger.debug('kafka.leave-failed', { error: errorMessage(error) })
    }
  }
}
