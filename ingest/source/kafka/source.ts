/**
 * The fast `RecordSource` over Kafka (docs/adr/0001-kafka-path.md): membership, TLS and SASL by
 * kafkajs, Fetch requests of our own and their answers sliced into columns.
 *
 * With a consumer group, members share the partitions; without one, this source reads them all.
 */
import {
  type Clock,
  type Logger,
  type Random,
  ValidationError,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../../common/index.ts'
import { type TopicPartition, partitionKey } from '../../offsets/topic-partition.ts'
import type { OffsetBounds, PollResult, RecordSource, TopicDescription } from '../record-source.ts'
import { allPartitions, whileReading } from '../source-support.ts'
import { Wakeup } from '../wakeup.ts'
import { GroupConsumer } from './group-consumer.ts'
import { explainGroupError } from './group-errors.ts'
import type { MemberStream } from './group-member.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import type { KafkaConnectionSettings } from './kafka-connection.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import type { KafkaTools } from './kafka-tools.ts'
import { loadRecordCompression } from '../../record-batch/record-compression.ts'
import { TopicWatch } from './topic-watch.ts'

export interface KafkaSourceOptions {
  readonly connection: KafkaConnectionSettings
  readonly topics: readonly string[]
  readonly consumerGroup?: string
  /** Shown to the other members of the group; sources without one are one stream. */
  readonly stream?: MemberStream
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
  readonly fetch?: KafkaFetchSettings
  readonly sessionTimeoutMs?: number
  /** How long added partitions and a re-created topic may go unnoticed. */
  readonly metadataMs?: number
  /** A partition that could not be read for this long makes a poll throw UnavailableError. */
  readonly unavailableMs?: number
}

export interface KafkaFetchSettings {
  readonly waitMsMax?: number
  readonly bytesMin?: number
  readonly bytesMax?: number
  readonly partitionBytesMax?: number
  /** Fetched and not yet polled; a Fetch in flight comes on top. */
  readonly prefetchBytesMax?: number
  readonly verifyChecksums?: boolean
}

const fetchDefaults: Required<KafkaFetchSettings> = {
  /** Stopping waits for no Fetch, but a resumed partition waits for one that is in flight. */
  waitMsMax: 250,
  bytesMin: 1,
  bytesMax: 16 << 20,
  partitionBytesMax: 8 << 20,
  prefetchBytesMax: 32 << 20,
  verifyChecksums: true,
}
const sessionTimeoutMsDefault = 30_000
const metadataMsDefault = 30_000
const unavailableMsDefault = 60_000
/** A poll wakes at least this often, for retries that are due. */
const lookMs = 250

export function createKafkaSource(options: KafkaSourceOptions): RecordSource {
  return new KafkaSource(options)
}

class KafkaSource implements RecordSource {
  readonly #options: KafkaSourceOptions
  readonly #tools: KafkaTools
  #fetcher: KafkaFetcher | undefined
  #group: GroupConsumer | undefined
  readonly #watch: TopicWatch
  /** What the next poll announces. */
  #assignment: readonly TopicPartition[] | undefined
  #stopped = false

  constructor(options: KafkaSourceOptions) {
    if (options.topics.length === 0) throw new ValidationError('a source needs at least one topic')
    this.#options = options
    const { connection, topics, clock = systemClock, logger = silentLogger } = options
    const { random = systemRandom } = options
    const cluster = new KafkaCluster({ connection, topics, clock, random, logger })
    this.#tools = { cluster, clock, logger, wakeup: new Wakeup(clock) }
    this.#watch = new TopicWatch({
      ...this.#tools,
      intervalMs: options.metadataMs ?? metadataMsDefault,
      onGrown: (grown) => {
        // In a group kafkajs notices the change and joins again.
        if (this.#group !== undefined) return
        this.#fetcher?.assign([])
        this.#assignment = allPartitions(grown)
      },
    })
  }

  async start(): Promise<void> {
    const { fetch, unavailableMs = unavailableMsDefault } = this.#options
    const { prefetchBytesMax, verifyChecksums, ...limits } = { ...fetchDefaults, ...fetch }
    const compression = loadRecordCompression()
    const metadata = await this.#tools.cluster.loadTopics()
    this.#watch.note(this.#tools.cluster.describe(metadata))
    await this.#tools.cluster.requireResolvedHosts(metadata)
    this.#fetcher = new KafkaFetcher({
      ...this.#tools,
      compression: await compression,
      limits,
      prefetchBytesMax,
      verifyChecksums,
      unavailableMs,
    })
    if (this.#options.consumerGroup === undefined)
      this.#assignment = allPartitions(this.#watch.topics)
    else await this.#joinGroup(this.#options.consumerGroup)
  }

  async clusterId(): Promise<string> {
    return (await this.#tools.cluster.metadata()).clusterId
  }

  async describeTopics(): Promise<readonly TopicDescription[]> {
    return this.#tools.cluster.describe(await this.#tools.cluster.loadTopics())
  }

  offsetBounds(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, OffsetBounds>> {
    return this.#tools.cluster.offsetBounds(partitions)
  }

  offsetsForTime(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, bigint | undefined>> {
    return this.#tools.cluster.offsetsForTime(partitions, timestampMs)
  }

  async poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult> {
    try {
      return await this.#poll(bytesMax, waitMs, signal)
    } catch (error) {
      throw whileReading(error)
    }
  }

  async #poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult> {
    const deadlineMs = this.#tools.clock.monotonic() + waitMs
    for (;;) {
      signal?.throwIfAborted()
      this.#watch.throwFailure()
      this.#watch.look()
      const assigned = this.#takeAssignment()
      if (assigned !== undefined) return { kind: 'assigned', partitions: assigned }
      const batches = this.#started().take(bytesMax)
      const leftMs = deadlineMs - this.#tools.clock.monotonic()
      if (batches.length > 0 || leftMs <= 0) return { kind: 'records', batches }
      await this.#tools.wakeup.sleep(Math.min(leftMs, lookMs), signal)
    }
  }

  seek(partition: TopicPartition, nextOffset: bigint): void {
    // A partition that a rebalance has just taken away is not an error of the caller.
    if (this.#isRevoked(partition)) return
    this.#started().seek(partition, nextOffset)
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      if (!this.#isRevoked(partition)) this.#started().pause(partition)
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      if (!this.#isRevoked(partition)) this.#started().resume(partition)
    }
  }

  async reportCommitted(nextOffsets: ReadonlyMap<string, bigint>): Promise<void> {
    const ours = new Map<TopicPartition, bigint>()
    for (const partition of this.#fetcher?.partitions ?? []) {
      const nextOffset = nextOffsets.get(partitionKey(partition))
      if (nextOffset !== undefined) ours.set(partition, nextOffset)
    }
    await this.#group?.commitOffsets(ours)
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#watch.stop()
    this.#fetcher?.close()
    await Promise.all([this.#group?.leave(), this.#tools.cluster.close()])
    this.#tools.wakeup.wake()
  }

  #started(): KafkaFetcher {
    if (this.#fetcher === undefined || this.#stopped) {
      throw new ValidationError('the source is not running: start it first')
    }
    return this.#fetcher
  }

  /** True between a rebalance and the poll that announces its result. */
  #isRevoked(partition: TopicPartition): boolean {
    if (this.#group === undefined || this.#fetcher === undefined) return false
    const key = partitionKey(partition)
    return !this.#fetcher.partitions.some((assigned) => partitionKey(assigned) === key)
  }

  async #joinGroup(group: string): Promise<void> {
    const { connection, topics, sessionTimeoutMs = sessionTimeoutMsDefault } = this.#options
    const settings = {
      connection,
      group,
      topics,
      stream: this.#options.stream ?? { name: '', table: '', warehouse: '' },
      address: connection.seedBrokers.join(','),
      clock: this.#tools.clock,
      logger: this.#tools.logger,
      sessionTimeoutMs,
      metadataMs: this.#options.metadataMs ?? metadataMsDefault,
      unavailableMs: this.#options.unavailableMs ?? unavailableMsDefault,
    }
    // It never fetches: all stays paused, so kafkajs only joins, sends heartbeats, commits offsets.
    this.#group = new GroupConsumer(settings, {
      onAssigned: (partitions) => {
        this.#fetcher?.assign([])
        this.#assignment = partitions
        this.#tools.wakeup.wake()
      },
      onRevoked: () => {
        this.#fetcher?.assign([])
        this.#assignment = undefined
      },
      onFailure: (error) => {
        void explainGroupError(error, group, this.#tools).then((explained) => {
          this.#watch.fail(explained)
          this.#tools.wakeup.wake()
        })
      },
    })
    await this.#group.join().catch(async (error: unknown) => {
      throw await explainGroupError(error as Error, group, this.#tools)
    })
  }

  #takeAssignment(): readonly TopicPartition[] | undefined {
    const assignment = this.#assignment
    if (assignment === undefined) return undefined
    this.#assignment = undefined
    this.#started().assign(assignment)
    return assignment
  }
}
