/** `tide topic produce`: a record per line of stdin, byte for byte. */
import { collect } from '../../frame/collect.ts'
import type { Command } from 'commander'
import { openProducer, openTopicAdmin } from '../../../app/index.ts'
import { AlreadyExistsError } from '../../../common/index.ts'
import type { RecordProducer, RecordToProduce } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { partitionCount } from './partition-count.ts'
import { type LogOptions, topicInput } from './input.ts'
import { topicVerb } from './topic-verb.ts'

interface ProduceOptions extends LogOptions {
  readonly key?: string
  readonly keyDelimiter?: string
  readonly partition?: string
  readonly header: readonly string[]
  readonly tombstone?: boolean
  readonly create?: boolean
  readonly partitions: string
}

const batchRecordsMax = 10_000
const batchBytesMax = 4_000_000
const lineBytesMax = 128_000_000
const lingerMs = 100
const newline = 0x0a

export function addProduce(topic: Command, context: CliContext): void {
  topicVerb(topic, 'produce')
    .description('a record per line of stdin')
    .option('-k, --key <key>', 'key of every record')
    .option('-K, --key-delimiter <text>', 'key and value of a line are separated by this')
    .option('-p, --partition <number>', 'partition of every record')
    .option('-H, --header <name=value>', 'header of every record; repeatable', collect, [])
    .option('-Z, --tombstone', 'an empty value is null')
    .option('--create', 'create the topic when it is missing')
    .option('--partitions <count>', 'of a topic that is created', '1')
    .action((name: string, options: ProduceOptions) => produceTopic(context, name, options))
}

async function produceTopic(
  context: CliContext,
  topic: string,
  options: ProduceOptions,
): Promise<void> {
  const toRecord = recordMaker(options)
  const input = await topicInput(context, options, [topic])
  const logger = await context.logger()
  if (options.create === true) {
    const admin = await openTopicAdmin(input, { logger })
    try {
      await admin.createTopic(topic, partitionCount(options.partitions))
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error
    } finally {
      await admin.close()
    }
  }
  const producer = await openProducer(input, { logger })
  context.onClose(() => producer.close())
  const count = await produceLines(context, producer, topic, toRecord)
  context.note(`produced ${count} records to ${topic}`)
}

/** Sends whole batches, and what waits in one when its input pauses: a slow producer must not be held back. */
async function produceLines(
  context: CliContext,
  producer: RecordProducer,
  topic: string,
  toRecord: (line: Uint8Array) => RecordToProduce,
): Promise<number> {
  const { stdin } = context.streams
  const ended = new AbortController()
  let count = 0
  let batch: RecordToProduce[] = []
  let batchBytes = 0
  // One after the other, so that records keep their order.
  let sending: Promise<void> = Promise.resolve()
  const flush = (): Promise<void> => {
    sending = sending.then(async () => {
      const records = batch
      batch = []
      batchBytes = 0
      if (records.length > 0) await producer.produce(topic, records)
      count += records.length
      context.progress.update({ label: topic, records: count })
    })
    return sending
  }
  const flushing = flushNowAndThen(context, ended.signal, flush)
  try {
    for await (const line of lines(stdin)) {
      if (context.signal.aborted) break
      batch.push(toRecord(line))
      batchBytes += line.length
      const isFull = batch.length >= batchRecordsMax || batchBytes >= batchBytesMax
      if (isFull || stdin.isTTY === true) await flush()
    }
    await flush()
  } finally {
    ended.abort()
    await flushing
  }
  return count
}

/** A failure ends the input, whose reader then fails with it. */
async function flushNowAndThen(
  { clock, streams }: CliContext,
  ended: AbortSignal,
  flush: () => Promise<void>,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(lingerMs, ended)
      await flush()
    }
  } catch (error) {
    if (!ended.aborted) streams.stdin.destroy(error instanceof Error ? error : undefined)
  }
}

/** Splits at newlines without decoding: invalid UTF-8 passes through unharmed. */
export async function* lines(input: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = []
  let restBytes = 0
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      yield withoutReturn(joined(rest, bytes.subarray(start, end)))
      rest = []
      restBytes = 0
      start = end + 1
    }
    if (start < bytes.length) rest.push(Uint8Array.from(bytes.subarray(start)))
    restBytes += bytes.length - start
    if (restBytes > lineBytesMax) {
      throw new UsageError(`a line is longer than ${lineBytesMax} bytes`)
    }
  }
  if (rest.length > 0) yield withoutReturn(joined(rest, new Uint8Array()))
}

function joined(rest: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  return rest.length === 0 ? Uint8Array.from(last) : Buffer.concat([...rest, last])
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}

function recordMaker(options: ProduceOptions): (line: Uint8Array) => RecordToProduce {
  const { key, keyDelimiter, partition, tombstone } = options
  if (partition !== undefined && !/^\d+$/.test(partition)) {
    throw new UsageError(`not a partition: "${partition}"`)
  }
  const delimiter = Buffer.from(keyDelimiter ?? '')
  const headers = options.header.map(parseHeader)
  return (line) => {
    const at = delimiter.length === 0 ? -1 : Buffer.from(line).indexOf(delimiter)
    const value = at === -1 ? line : line.subarray(at + delimiter.length)
    const ownKey = at === -1 ? (key ?? null) : line.subarray(0, at)
    return {
      key: ownKey,
      value: tombstone === true && value.length === 0 ? null : value,
      ...(headers.length === 0 ? {} : { headers }),
      ...(partition === undefined ? {} : { partition: Number(partition) }),
    }
  }
}

function parseHeader(text: string): { readonly name: string; readonly value: Uint8Array } {
  const split = text.indexOf('=')
  if (split < 1) throw new UsageError(`--header takes name=value, found "${text}"`)
  return { name: text.slice(0, split), value: Buffer.from(text.slice(split + 1)) }
}
