/**
 * The plain `RecordSource` over Kafka: a kafkajs consumer as anyone would use it. Several times slower
 * than our own Fetch, and the oracle by which tests judge it.
 *
 * kafkajs itself jumps when the log has lost an offset, so every position is checked against the log's
 * bounds when it is sought and wherever records do not follow on.
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
import { KafkaCluster } from '../../../ingest/source/kafka/kafka-cluster.ts'
import type { KafkaConnectionSettings } from '../../../ingest/source/kafka/kafka-connection.ts'
import { registerKafkajsCodecs } from '../../../ingest/source/kafka/kafkajs-codecs.ts'
import { KafkajsConsumer } from './kafkajs-consumer.ts'
import { TopicWatch } from '../../../ingest/source/kafka/topic-watch.ts'
import { OffsetOutOfRangeError } from '../../../ingest/source/offset-out-of-range-error.ts'
import { type TopicPartition, partitionKey } from '../../../ingest/offsets/topic-partition.ts'
import type { RecordBatch } from '../../../ingest/record-batch/record-batch.ts'
import type {
  OffsetBounds,
  PollResult,
  RecordSource,
  TopicDescription,
} from '../../../ingest/source/record-source.ts'
import { Wakeup } from '../../../ingest/source/wakeup.ts'

export interface KafkajsSourceOptions {
  readonly connection: KafkaConnectionSettings
  readonly topics: readonly string[]
  /** kafkajs consumes in a group only. */
  readonly consumerGroup: string
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
  readonly sessionTimeoutMs?: number
  readonly metadataMs?: number
  /** Without the group for this long makes a poll throw UnavailableError. */
  readonly unavailableMs?: number
  readonly partitionBytesMax?: number
  readonly bytesMax?: number
}

const sessionTimeoutMsDefault = 30_000
const metadataMsDefault = 30_000
const unavailableMsDefault = 60_000
const partitionBytesMaxDefault = 8 << 20
const bytesMaxDefault = 16 << 20
const lookMs = 250

export function createKafkajsSource(options: KafkajsSourceOptions): RecordSource {
  return new KafkaJsSource(options)
}

class KafkaJsSource implements RecordSource {
  readonly #options: KafkajsSourceOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #cluster: KafkaCluster
  readonly #wakeup: Wakeup
  #consumer: KafkajsConsumer | undefined
  readonly #watch: TopicWatch
  #stopped = false
  /** Sought and not yet compared with the log's bounds. */
  #unchecked = new Map<string, { partition: TopicPartition; nextOffset: bigint }>()
  readonly #positions = new Map<string, bigint>()

  constructor(options: KafkajsSourceOptions) {
    if (options.topics.length === 0) throw new ValidationError('a source needs at least one topic')
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#wakeup = new Wakeup(this.#clock)
    this.#cluster = new KafkaCluster({
      connection: options.connection,
      topics: options.topics,
      clock: this.#clock,
      random: options.random ?? systemRandom,
      logger: this.#logger,
    })
    this.#watch = new TopicWatch({
      cluster: this.#cluster,
      clock: this.#clock,
      logger: this.#logger,
      wakeup: this.#wakeup,
      intervalMs: options.metadataMs ?? metadataMsDefault,
    })
  }

  async start(): Promise<void> {
    const { connection, topics, bytesMax = bytesMaxDefault } = this.#options
    this.#watch.note(this.#cluster.describe(await this.#cluster.loadTopics()))
    await registerKafkajsCodecs()
    this.#consumer = new KafkajsConsumer({
      group: {
        connection,
        group: this.#options.consumerGroup,
        topics,
        stream: { name: '', table: '', warehouse: '' },
        address: connection.seedBrokers.join(','),
        clock: this.#clock,
        logger: this.#logger,
        sessionTimeoutMs: this.#options.sessionTimeoutMs ?? sessionTimeoutMsDefault,
        metadataMs: this.#options.metadataMs ?? metadataMsDefault,
        unavailableMs: this.#options.unavailableMs ?? unavailableMsDefault,
      },
      limits: {
        partitionBytesMax: this.#options.partitionBytesMax ?? partitionBytesMaxDefault,
        bytesMax,
      },
      wakeup: this.#wakeup,
      queueBytesMax: 2 * bytesMax,
    })
    await this.#consumer.join()
  }

  async clusterId(): Promise<string> {
    return (await this.#cluster.metadata()).clusterId
  }

  async describeTopics(): Promise<readonly TopicDescription[]> {
    return this.#cluster.describe(await this.#cluster.loadTopics())
  }

  offsetBounds(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, OffsetBounds>> {
    return this.#cluster.offsetBounds(partitions)
  }

  offsetsForTime(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, bigint | undefined>> {
    return this.#cluster.offsetsForTime(partitions, timestampMs)
  }

  async poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult> {
    const consumer = this.#started()
    const deadlineMs = this.#clock.monotonic() + waitMs
    for (;;) {
      signal?.throwIfAborted()
      this.#watch.throwFailure()
      this.#watch.look()
      const assigned = consumer.takeAssignment()
      if (assigned !== undefined) {
        this.#unchecked = new Map()
        this.#positions.clear()
        return { kind: 'assigned', partitions: assigned }
      }
      await this.#checkSought()
      const batches = consumer.take(bytesMax)
      for (const batch of batches) await this.#checkFollowing(batch)
      const leftMs = deadlineMs - this.#clock.monotonic()
      if (batches.length > 0 || leftMs <= 0) return { kind: 'records', batches }
      await this.#wakeup.sleep(Math.min(leftMs, lookMs), signal)
    }
  }

  seek(partition: TopicPartition, nextOffset: bigint): void {
    const consumer = this.#started()
    if (!consumer.isAssigned(partition)) return
    const key = partitionKey(partition)
    this.#unchecked.set(key, { partition, nextOffset })
    this.#positions.set(key, nextOffset)
    consumer.seek(partition, nextOffset)
  }

  pause(partitions: readonly TopicPartition[]): void {
    const consumer = this.#started()
    for (const partition of partitions) {
      if (consumer.isAssigned(partition)) consumer.pause(partition)
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    const consumer = this.#started()
    for (const partition of partitions) {
      if (consumer.isAssigned(partition)) consumer.resume(partition)
    }
  }

  async reportCommitted(nextOffsets: ReadonlyMap<string, bigint>): Promise<void> {
    await this.#consumer?.commitOffsets(nextOffsets)
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#watch.stop()
    await Promise.all([this.#consumer?.leave(), this.#cluster.close()])
    this.#wakeup.wake()
  }

  #started(): KafkajsConsumer {
    if (this.#consumer === undefined || this.#stopped) {
      throw new ValidationError('the source is not running: start it first')
    }
    return this.#consumer
  }

  async #checkSought(): Promise<void> {
    if (this.#unchecked.size === 0) return
    const sought = [...this.#unchecked.values()]
    const bounds = await this.offsetBounds(sought.map(({ partition }) => partition))
    for (const { partition, nextOffset } of sought) {
      const found = bounds.get(partitionKey(partition))
      if (found !== undefined && nextOffset >= found.earliest && nextOffset <= found.latest) {
        this.#unchecked.delete(partitionKey(partition))
      } else {
        throw new OffsetOutOfRangeError(partition, nextOffset, found)
      }
    }
  }

  /** A gap is a hole of the log, unless the log begins only behind it. */
  async #checkFollowing(batch: RecordBatch): Promise<void> {
    const key = partitionKey(batch)
    const expected = this.#positions.get(key)
    const first = batch.offsets[0] ?? expected
    if (expected !== undefined && first !== undefined && first !== expected) {
      const found = (await this.offsetBounds([batch])).get(key)
      if (first < expected || found === undefined || found.earliest > expected) {
        throw new OffsetOutOfRangeError(batch, expected, found)
      }
    }
    this.#positions.set(key, batch.nextOffset)
  }
}
