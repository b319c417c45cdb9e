/** `tide topic produce`: a record per line of stdin, byte for byte. */
import { collect } from '../../frame/collect.ts'
import type { Command } from 'commander'
import { openProducer, openTopicAdmin } from '../../../app/index.ts'
import { AlreadyExistsError } from '../../../common/index.ts'
import type { RecordHeader, RecordToProduce } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { unescapeBytes } from './escapes.ts'
import { partitionCount } from './partition-count.ts'
import { type LogFlags, topicInput } from './input.ts'
import { produceLines } from './produce-lines.ts'
import { topicVerb } from './topic-verb.ts'

interface ProduceFlags extends LogFlags {
  readonly key?: string
  readonly keyDelimiter?: string
  readonly partition?: string
  readonly header: readonly string[]
  readonly tombstone?: boolean
  readonly create?: boolean
  readonly partitions: string
}

export function addProduce(topic: Command, context: CliContext): void {
  topicVerb(topic, 'produce')
    .description('a record per line of stdin')
    .option('-k, --key <key>', 'key of every record')
    .option(
      '-K, --key-delimiter <text>',
      "key and value of a line are separated by this ('\\t', '\\x1f')",
    )
    .option('-p, --partition <number>', 'partition of every record')
    .option(
      '-H, --header <name=value>',
      'header of every record; repeatable; a name alone: null',
      collect,
      [],
    )
    .option('-Z, --tombstone', 'an empty value is null, and so is an empty key before -K')
    .option('--create', 'create the topic when it is missing, and an embedded log, too')
    .option('--partitions <count>', 'of a topic that is created', '1')
    .action((name: string, flags: ProduceFlags) => produceTopic(context, name, flags))
}

async function produceTopic(
  context: CliContext,
  topic: string,
  flags: ProduceFlags,
): Promise<void> {
  const maker = recordMaker(flags)
  const input = await topicInput(context, flags, [topic])
  const logger = await context.logger()
  if (flags.create === true) {
    const admin = await openTopicAdmin(input, { logger, createsLog: true })
    try {
      await admin.createTopic(topic, partitionCount(flags.partitions))
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error
    } finally {
      await admin.close()
    }
  }
  const producer = await openProducer(input, { logger })
  context.onClose(() => producer.close())
  const count = await produceLines(context, producer, topic, maker.toRecord)
  context.note(`produced ${count} records to ${topic}`)
  if (maker.withoutDelimiter > 0) {
    context.note(
      `${maker.withoutDelimiter} of them had no "${flags.keyDelimiter ?? ''}" (-K): the whole line is the value`,
    )
  }
}

interface RecordMaker {
  toRecord(this: void, line: Uint8Array): RecordToProduce
  /** Lines in which the key delimiter was not found. */
  withoutDelimiter: number
}

function recordMaker(flags: ProduceFlags): RecordMaker {
  const { key, keyDelimiter, partition, tombstone } = flags
  if (partition !== undefined && !/^\d+$/.test(partition)) {
    throw new UsageError(`not a partition: "${partition}"`)
  }
  if (keyDelimiter === '') throw new UsageError('-K needs a delimiter')
  const delimiter = keyDelimiter === undefined ? undefined : unescapeBytes(keyDelimiter, '-K')
  const headers = flags.header.map(parseHeader)
  const orNull = (bytes: Uint8Array): Uint8Array | null =>
    tombstone === true && bytes.length === 0 ? null : bytes
  const maker: RecordMaker = {
    withoutDelimiter: 0,
    toRecord: (line) => {
      const at = delimiter === undefined ? -1 : Buffer.from(line).indexOf(delimiter)
      if (delimiter !== undefined && at === -1) maker.withoutDelimiter++
      const isSplit = delimiter !== undefined && at !== -1
      return {
        key: isSplit ? orNull(line.subarray(0, at)) : (key ?? null),
        value: orNull(isSplit ? line.subarray(at + delimiter.length) : line),
        ...(headers.length === 0 ? {} : { headers }),
        ...(partition === undefined ? {} : { partition: Number(partition) }),
      }
    },
  }
  return maker
}

/** A name without `=` has a null value, as in kcat. */
function parseHeader(text: string): RecordHeader {
  const split = text.indexOf('=')
  if (split === 0 || text === '') {
    throw new UsageError(`--header takes name=value, or a name, found "${text}"`)
  }
  if (split === -1) return { name: text, value: null }
  return { name: text.slice(0, split), value: Buffer.from(text.slice(split + 1)) }
}
