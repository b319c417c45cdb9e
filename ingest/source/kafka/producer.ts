/** `RecordProducer` over Kafka, by kafkajs. */
import { Partitioners } from 'kafkajs'
import type { IHeaders, Message, Producer } from 'kafkajs'
import {
  type Logger,
  NotFoundError,
  UnavailableError,
  silentLogger,
} from '../../../common/index.ts'
import type { RecordProducer, RecordToProduce } from '../produce.ts'
import {
  createKafkajsClient,
  type KafkaConnectionSettings,
  promptRetry,
} from './kafka-connection.ts'
import { missingTopicError, withKafkajsErrors } from './kafka-errors.ts'
import { kafkajsCompression, registerKafkajsCodecs } from './kafkajs-codecs.ts'
import type { RecordCodec } from '../../record-batch/record-compression.ts'

export interface KafkaProducerOptions {
  readonly connection: KafkaConnectionSettings
  readonly codec?: RecordCodec
  /** The broker drops records that a retry sends twice. Default true. */
  readonly idempotent?: boolean
  readonly logger?: Logger
}

/** Sent at once, so that one request stays below the broker's limit for ordinary records. */
const requestBytesTarget = 512 << 10
const acksAll = -1

export async function createKafkaProducer(options: KafkaProducerOptions): Promise<RecordProducer> {
  const { connection, codec = 'none', logger = silentLogger } = options
  // kafkajs repeats a request to all its partitions when one refuses, as happens with new topics.
  const isIdempotent = options.idempotent ?? true
  const address = connection.seedBrokers.join(',')
  await registerKafkajsCodecs()
  const producer = createKafkajsClient(connection, logger, promptRetry).producer({
    idempotent: isIdempotent,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    ...(isIdempotent ? { maxInFlightRequests: 1 } : {}),
  })
  await withKafkajsErrors(address, producer.connect())
  return {
    produce: async (topic, records) => {
      for (const group of groupByBytes(records))
        await send(producer, connection, topic, group, codec)
    },
    close: () => producer.disconnect(),
  }
}

async function send(
  producer: Producer,
  connection: KafkaConnectionSettings,
  topic: string,
  records: readonly RecordToProduce[],
  codec: RecordCodec,
): Promise<void> {
  const messages = records.map(toMessage)
  const compression = kafkajsCompression[codec]
  const sent = await withKafkajsErrors(
    connection.seedBrokers.join(','),
    producer.send({ topic, messages, acks: acksAll, compression }),
  ).catch((error: unknown) => {
    if (error instanceof NotFoundError) throw missingTopicError(topic, connection.seedBrokers)
    throw error
  })
  // kafkajs silently drops records for a partition that its metadata does not have yet.
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
