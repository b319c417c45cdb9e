/**
 * What a test does to a topic: create, produce (also in transactions), delete records, ask for
 * offsets; all through kafkajs. Reading for a check is librdkafka's job (`kafka-judge.ts`), so that the
 * reader under test and the judge share no code.
 */
import {
  type Admin,
  CompressionTypes,
  Kafka,
  logLevel,
  type Message,
  type Producer,
  type Transaction,
} from 'kafkajs'
import { systemClock } from '../../common/index.ts'

export interface TestRecord {
  readonly key?: string | Buffer | null
  readonly value: string | Buffer | null
  readonly partition?: number
  /** Milliseconds since the epoch; now if absent. */
  readonly timestamp?: number
  readonly headers?: Readonly<Record<string, string | Buffer>>
}

export interface TopicOptions {
  readonly partitions?: number
  readonly config?: Readonly<Record<string, string>>
}

export interface PartitionOffsets {
  readonly partition: number
  readonly low: bigint
  /** The last stable offset: kafkajs asks as a read-committed consumer, so an open transaction holds it. */
  readonly stableEnd: bigint
}

/** A transaction left open, to hold back the last stable offset until the test ends it. */
export interface OpenTransaction {
  send(topic: string, records: readonly TestRecord[]): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
}

export interface KafkaTools {
  readonly kafka: Kafka
  createTopic(topic: string, options?: TopicOptions): Promise<void>
  deleteTopic(topic: string): Promise<void>
  produce(
    topic: string,
    records: readonly TestRecord[],
    compression?: 'none' | 'gzip',
  ): Promise<void>
  openTransaction(transactionalId: string): Promise<OpenTransaction>
  /** One finished transaction. */
  produceTransaction(
    topic: string,
    records: readonly TestRecord[],
    outcome: 'commit' | 'abort',
  ): Promise<void>
  /** First and last stable offsets, sorted by partition. */
  offsets(topic: string): Promise<readonly PartitionOffsets[]>
  /** Records below `beforeOffset` are gone, as if retention had taken them. */
  deleteRecords(topic: string, partition: number, beforeOffset: bigint): Promise<void>
  /** Committed next offsets of a consumer group, -1 where it has none. */
  groupOffsets(group: string, topic: string): Promise<ReadonlyMap<number, bigint>>
  close(): Promise<void>
}

const sendRecordsMax = 5_000
const markerPollMs = 20
const markerPatienceMs = 2_000
const leaderPatienceMs = 20_000

export async function connectKafkaTools(bootstrap: string): Promise<KafkaTools> {
  const kafka = new Kafka({
    clientId: 'tidewater-tests',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { retries: 10 },
  })
  const admin = kafka.admin()
  await admin.connect()
  const producers: Producer[] = []
  const newProducer = async (transactionalId?: string): Promise<Producer> => {
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      // A request sent again must not double records: tests count on what they produced.
      idempotent: true,
      maxInFlightRequests: 1,
      ...(transactionalId === undefined ? {} : { transactionalId }),
    })
    await producer.connect()
    producers.push(producer)
    return producer
  }
  let plainProducer: Promise<Producer> | undefined
  const openTransaction = async (transactionalId: string): Promise<OpenTransaction> =>
    asOpenTransaction(await (await newProducer(transactionalId)).transaction(), admin)
  let transactionCount = 0
  return {
    kafka,
    createTopic: async (topic, options = {}) => {
      await admin.createTopics({ waitForLeaders: false, topics: [topicConfig(topic, options)] })
      await waitForLeaders(admin, topic, options.partitions ?? 1)
    },
    deleteTopic: async (topic) => {
      await admin.deleteTopics({ topics: [topic] })
    },
    produce: async (topic, records, compression = 'none') => {
      plainProducer ??= newProducer()
      await sendAll(await plainProducer, topic, records, compression)
    },
    openTransaction,
    produceTransaction: async (topic, records, outcome) => {
      const transaction = await openTransaction(
        `tests-${process.pid}-${transactionCount++}-${topic}`,
      )
      await transaction.send(topic, records)
      await (outcome === 'commit' ? transaction.commit() : transaction.abort())
    },
    offsets: async (topic) => sortedOffsets(await admin.fetchTopicOffsets(topic)),
    deleteRecords: async (topic, partition, beforeOffset) => {
      // kafkajs finds no leader for a topic it has not asked about before.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({
        topic,
        partitions: [{ partition, offset: String(beforeOffset) }],
      })
    },
    groupOffsets: async (group, topic) => groupOffsets(admin, group, topic),
    close: async () => {
      // Producers first: an open transaction ends with its connection.
      await Promise.all(producers.map((producer) => producer.disconnect()))
      await admin.disconnect()
    },
  }
}

function topicConfig(
  topic: string,
  options: TopicOptions,
): {
  topic: string
  numPartitions: number
  replicationFactor: number
  configEntries: { name: string; value: string }[]
} {
  const entries = Object.entries(options.config ?? {})
  return {
    topic,
    numPartitions: options.partitions ?? 1,
    replicationFactor: 1,
    configEntries: entries.map(([name, value]) => ({ name, value })),
  }
}

/** kafkajs's own waiting gives up when a broker has not heard of the new topic yet. */
async function waitForLeaders(admin: Admin, topic: string, partitions: number): Promise<void> {
  const startedMs = systemClock.monotonic()
  for (;;) {
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] }).catch((error: unknown) => {
      if (systemClock.monotonic() - startedMs > leaderPatienceMs) throw error
      return undefined
    })
    const found = metadata?.topics[0]?.partitions ?? []
    if (found.filter(({ leader }) => leader >= 0).length === partitions) return
    await systemClock.sleep(markerPollMs)
  }
}

/** Returns, per partition, an offset inside what was sent. */
async function sendAll(
  sender: Producer | Transaction,
  topic: string,
  records: readonly TestRecord[],
  compression: 'none' | 'gzip',
): Promise<ReadonlyMap<number, bigint>> {
  const reached = new Map<number, bigint>()
  for (let start = 0; start < records.length; start += sendRecordsMax) {
    const answers = await sender.send({
      topic,
      compression: compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None,
      messages: records.slice(start, start + sendRecordsMax).map(toMessage),
    })
    for (const { partition, baseOffset } of answers) {
      reached.set(partition, BigInt(baseOffset ?? 0))
    }
  }
  return reached
}

function toMessage(record: TestRecord): Message {
  return {
    value: record.value,
    ...(record.key === undefined ? {} : { key: record.key }),
    ...(record.partition === undefined ? {} : { partition: record.partition }),
    ...(record.timestamp === undefined ? {} : { timestamp: String(record.timestamp) }),
    ...(record.headers === undefined ? {} : { headers: { ...record.headers } }),
  }
}

function asOpenTransaction(transaction: Transaction, admin: Admin): OpenTransaction {
  const reached = new Map<string, ReadonlyMap<number, bigint>>()
  return {
    send: async (topic, records) => {
      const sent = await sendAll(transaction, topic, records, 'none')
      reached.set(topic, new Map([...(reached.get(topic) ?? []), ...sent]))
    },
    commit: async () => {
      await transaction.commit()
      await waitForMarkers(admin, reached)
    },
    abort: async () => {
      await transaction.abort()
      await waitForMarkers(admin, reached)
    },
  }
}

/**
 * The coordinator answers before the brokers have written the markers; a test that looks at once would
 * see the transaction still open. Gives up waiting when another open transaction holds the end back.
 */
async function waitForMarkers(
  admin: Admin,
  reached: ReadonlyMap<string, ReadonlyMap<number, bigint>>,
): Promise<void> {
  const startedMs = systemClock.monotonic()
  while (systemClock.monotonic() - startedMs < markerPatienceMs) {
    const topics = await Promise.all(
      [...reached].map(async ([topic, sent]) => {
        const ends = sortedOffsets(await admin.fetchTopicOffsets(topic))
        return ends.every((end) => end.stableEnd > (sent.get(end.partition) ?? -1n))
      }),
    )
    if (topics.every(Boolean)) return
    await systemClock.sleep(markerPollMs)
  }
}

function sortedOffsets(
  offsets: readonly { partition: number; low: string; high: string }[],
): readonly PartitionOffsets[] {
  return offsets
    .map(({ partition, low, high }) => ({ partition, low: BigInt(low), stableEnd: BigInt(high) }))
    .sort((left, right) => left.partition - right.partition)
}

async function groupOffsets(
  admin: Admin,
  group: string,
  topic: string,
): Promise<ReadonlyMap<number, bigint>> {
  const answer = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  const partitions = answer.find((each) => each.topic === topic)?.partitions ?? []
  return new Map(partitions.map(({ partition, offset }) => [partition, BigInt(offset)]))
}
