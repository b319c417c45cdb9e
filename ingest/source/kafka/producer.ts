/** `RecordProducer` over Kafka, by kafkajs. */
import { Partitioners } from 'kafkajs'
import type { IHeaders, Kafka, Message, Producer } from 'kafkajs'
import {
  LakeError,
  type Logger,
  UnavailableError,
  ValidationError,
  silentLogger,
} from '../../../common/index.ts'
import { batchHeaderBytes } from '../../record-batch/record-batch-header.ts'
import type { RecordProducer, RecordToProduce } from '../produce.ts'
import { checkTopicName } from '../topic-name.ts'
import {
  createKafkajsClient,
  type KafkaConnectionSettings,
  promptRetry,
} from './kafka-connection.ts'
import { kafkajsCauseOf, withKafkajsErrors } from './kafka-errors.ts'
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
/** Lengths, deltas and attributes of a record, or of a header, take no more. */
const recordOverhead = 40
const acksAll = -1
/** Kafka's code for a topic among resources; Node does not see kafkajs's own name for it. */
const topicResource = 2
const batchLimitSetting = 'max.message.bytes'

export async function createKafkaProducer(options: KafkaProducerOptions): Promise<RecordProducer> {
  const { connection, codec = 'none', logger = silentLogger } = options
  // kafkajs repeats a request to all its partitions when one refuses, as happens with new topics.
  const isIdempotent = options.idempotent ?? true
  await registerKafkajsCodecs()
  const kafka = createKafkajsClient(connection, logger, promptRetry)
  const producer = kafka.producer({
    idempotent: isIdempotent,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    ...(isIdempotent ? { maxInFlightRequests: 1 } : {}),
  })
  await withKafkajsErrors({ connection, right: 'WRITE' }, producer.connect())
  const limits = new Map<string, Promise<number | undefined>>()
  return {
    produce: async (topic, records) => {
      checkTopicName(topic)
      let limit = limits.get(topic)
      if (limit === undefined) limits.set(topic, (limit = batchBytesMax(kafka, topic)))
      const bytesMax = Math.min(requestBytesTarget, (await limit) ?? requestBytesTarget)
      let written = 0
      for (const group of groupByBytes(records, bytesMax)) {
        try {
          await send(producer, connection, topic, group, codec)
        } catch (error) {
          throw withProgress(await sizedError(error, topic, group, limit), written, records.length)
        }
        written += group.length
      }
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
    { connection, topic, right: 'WRITE' },
    producer.send({ topic, messages, acks: acksAll, compression }),
  )
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

/** The topic's max.message.bytes, which is meant for a whole batch; undefined when we may not see it. */
async function batchBytesMax(kafka: Kafka, topic: string): Promise<number | undefined> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: topicResource, name: topic, configNames: [batchLimitSetting] }],
    })
    const entry = resources[0]?.configEntries.find(
      ({ configName }) => configName === batchLimitSetting,
    )
    const bytes = Number(entry?.configValue)
    return Number.isInteger(bytes) && bytes > 0 ? bytes : undefined
  } catch {
    return undefined
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** Names the size of the record that a topic does not take. */
async function sizedError(
  error: unknown,
  topic: string,
  records: readonly RecordToProduce[],
  limit: Promise<number | undefined>,
): Promise<unknown> {
  if (!(error instanceof LakeError) || kafkajsCauseOf(error) !== 'MESSAGE_TOO_LARGE') return error
  const bytes = Math.max(...records.map(sizeOf))
  return new ValidationError(
    `a record is larger than the topic takes, and was not written: raise ${batchLimitSetting} of the topic (kafka-configs --alter --topic ${topic} --add-config ${batchLimitSetting}=…), or send smaller records`,
    { facts: { topic, bytes, limit: await limit }, cause: error },
  )
}

/** Says how much of a call is in the log although it failed. */
function withProgress(error: unknown, written: number, total: number): unknown {
  if (written === 0 || !(error instanceof LakeError)) return error
  const message = `${written} of ${total} records were written, then: ${error.message}`
  const kind = error.retryable ? UnavailableError : ValidationError
  return new kind(message, { cause: error })
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

/** Of the record in a batch without compression, at most. */
function sizeOf({ headers = [], key, value }: RecordToProduce): number {
  const named = headers.reduce((sum, { name, value: of }) => sum + name.length + lengthOf(of), 0)
  return recordOverhead * (1 + headers.length) + lengthOf(key) + lengthOf(value) + named
}

function lengthOf(value: Uint8Array | string | null | undefined): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : (value?.length ?? 0)
}

function* groupByBytes(
  records: readonly RecordToProduce[],
  bytesMax: number,
): Generator<RecordToProduce[]> {
  let group: RecordToProduce[] = []
  let bytes = 0
  for (const record of records) {
    const size = sizeOf(record)
    if (group.length > 0 && bytes + size + batchHeaderBytes > bytesMax) {
      yield group
      group = []
      bytes = 0
    }
    group.push(record)
    bytes += size
  }
  if (group.length > 0) yield group
}
