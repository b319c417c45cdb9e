/** `RecordProducer` and `TopicAdmin` over Kafka, by kafkajs. */
import { Partitioners } from 'kafkajs'
import type { Admin, IHeaders, Kafka, Message, Producer } from 'kafkajs'
import {
  type Logger,
  AlreadyExistsError,
  NotFoundError,
  UnavailableError,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../../common/index.ts'
import type { RecordProducer, RecordToProduce, TopicAdmin, TopicDetails } from '../produce.ts'
import { partitionKey } from '../record-source.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { createKafkajsClient, type KafkaConnectionSettings } from './kafka-connection.ts'
import { kafkajsError, missingTopicError } from './kafka-errors.ts'
import { kafkajsCompression, registerKafkajsCodecs } from './kafkajs-codecs.ts'
import type { RecordCodec } from '../../record-batch/record-compression.ts'

export interface KafkaProducerOptions {
  readonly connection: KafkaConnectionSettings
  readonly codec?: RecordCodec
  /** The broker drops what a retry sends twice; on unless it is turned off. */
  readonly idempotent?: boolean
  readonly logger?: Logger
}

/** Sent at once, so that one request stays below the broker's limit for ordinary records. */
const requestBytesTarget = 512 << 10
const acksAll = -1
const retry = { initialRetryTime: 200, maxRetryTime: 2_000, retries: 6 }

export async function createKafkaProducer(options: KafkaProducerOptions): Promise<RecordProducer> {
  const { connection, codec = 'none', logger = silentLogger } = options
  // kafkajs sends a request anew to all its partitions when one refuses: seen on topics just made.
  const isIdempotent = options.idempotent ?? true
  const address = connection.seedBrokers.join(',')
  await registerKafkajsCodecs()
  const producer = createKafkajsClient(connection, logger, retry).producer({
    idempotent: isIdempotent,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    ...(isIdempotent ? { maxInFlightRequests: 1 } : {}),
  })
  await wrapped(address, producer.connect())
  return {
    produce: async (topic, records) => {
      for (const group of groupByBytes(records))
        await send(producer, connection, topic, group, codec)
    },
    close: () => producer.disconnect(),
  }
}

export async function createKafkaAdmin(
  connection: KafkaConnectionSettings,
  logger: Logger = silentLogger,
): Promise<TopicAdmin> {
  const address = connection.seedBrokers.join(',')
  const kafka: Kafka = createKafkajsClient(connection, logger, retry)
  const admin: Admin = kafka.admin()
  await wrapped(address, admin.connect())
  return {
    listTopics: async () => {
      const topics = await wrapped(address, admin.listTopics())
      return topics.filter((topic) => !topic.startsWith('__')).sort()
    },
    describeTopic: (topic) => describeTopic(connection, logger, topic),
    createTopic: async (topic, partitionCount) => {
      const topics = [{ topic, numPartitions: partitionCount }]
      const created = await wrapped(address, admin.createTopics({ topics, waitForLeaders: true }))
      if (!created) throw new AlreadyExistsError('the topic exists already', { facts: { topic } })
    },
    close: () => admin.disconnect(),
  }
}

async function describeTopic(
  connection: KafkaConnectionSettings,
  logger: Logger,
  topic: string,
): Promise<TopicDetails> {
  const tools = { clock: systemClock, random: systemRandom, logger }
  const cluster = new KafkaCluster({ connection, topics: [topic], ...tools })
  try {
    const metadata = await cluster.loadTopics()
    const { topicId, partitions } = cluster.requireTopic(metadata, topic)
    const numbers = partitions.map(({ partition }) => partition).sort((a, b) => a - b)
    const asked = numbers.map((partition) => ({ topic, partition }))
    const bounds = await cluster.offsetBounds(asked)
    return {
      topic,
      topicId,
      partitionCount: partitions.length,
      bounds: asked.map((partition) => bounds.get(partitionKey(partition)) ?? noRecords),
    }
  } finally {
    await cluster.close()
  }
}

const noRecords = { earliest: 0n, latest: 0n }

async function send(
  producer: Producer,
  connection: KafkaConnectionSettings,
  topic: string,
  records: readonly RecordToProduce[],
  codec: RecordCodec,
): Promise<void> {
  const messages = records.map(toMessage)
  const compression = kafkajsCompression[codec]
  const sent = await wrapped(
    connection.seedBrokers.join(','),
    producer.send({ topic, messages, acks: acksAll, compression }),
  ).catch((error: unknown) => {
    if (error instanceof NotFoundError) throw missingTopicError(topic, connection.seedBrokers)
    throw error
  })
  // kafkajs leaves out, without a word, what is meant for a partition that it does not know yet.
  const answered = new Set(sent.map(({ partition }) => partition))
  for (const { partition } of records) {
    if (partition === undefined || answered.has(partition)) continue
    throw new UnavailableError(
      'records were not sent: their partition is not known to the client',
      {
        facts: { topic, partition },
      },
    )
  }
}

function toMessage({ key, value, headers, partition, timestampMs }: RecordToProduce): Message {
  return {
    key: asBuffer(key ?? null),
    value: asBuffer(value),
    ...(partition === undefined ? {} : { partition }),
    ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
    ...(headers === undefined ? {} : { headers: toHeaders(headers) }),
  }
}

/** Names may repeat; kafkajs takes the values of one name as a list. */
function toHeaders(headers: NonNullable<RecordToProduce['headers']>): IHeaders {
  const byName: Record<string, Buffer[]> = {}
  for (const { name, value } of headers) {
    const values = (byName[name] ??= [])
    values.push(Buffer.from(value ?? []))
  }
  return byName
}

function asBuffer(value: Uint8Array | string | null): Buffer | null {
  if (value === null) return null
  return typeof value === 'string'
    ? Buffer.from(value)
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function* groupByBytes(records: readonly RecordToProduce[]): Generator<RecordToProduce[]> {
  let group: RecordToProduce[] = []
  let bytes = 0
  for (const record of records) {
    const size = (record.value?.length ?? 0) + (record.key?.length ?? 0)
    if (group.length > 0 && bytes + size > requestBytesTarget) {
      yield group
      group = []
      bytes = 0
    }
    group.push(record)
    bytes += size
  }
  if (group.length > 0) yield group
}

async function wrapped<T>(address: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw kafkajsError(error, address)
  }
}
