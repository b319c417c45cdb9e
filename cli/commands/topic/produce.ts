/** `tide topic produce`: a record per line of stdin, byte for byte. */
import { collect } from '../../frame/collect.ts'
import type { Command } from 'commander'
import { openProducer, openTopicAdmin } from '../../../app/index.ts'
import { AlreadyExistsError } from '../../../common/index.ts'
import type { RecordToProduce } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
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
    .option('-K, --key-delimiter <text>', 'key and value of a line are separated by this')
    .option('-p, --partition <number>', 'partition of every record')
    .option('-H, --header <name=value>', 'header of every record; repeatable', collect, [])
    .option('-Z, --tombstone', 'an empty value is null')
    .option('--create', 'create the topic when it is missing')
    .option('--partitions <count>', 'of a topic that is created', '1')
    .action((name: string, flags: ProduceFlags) => produceTopic(context, name, flags))
}

async function produceTopic(
  context: CliContext,
  topic: string,
  flags: ProduceFlags,
): Promise<void> {
  const toRecord = recordMaker(flags)
  const input = await topicInput(context, flags, [topic])
  const logger = await context.logger()
  if (flags.create === true) {
    const admin = await openTopicAdmin(input, { logger })
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
  const count = await produceLines(context, producer, topic, toRecord)
  context.note(`produced ${count} records to ${topic}`)
}

function recordMaker(flags: ProduceFlags): (line: Uint8Array) => RecordToProduce {
  const { key, keyDelimiter, partition, tombstone } = flags
  if (partition !== undefined && !/^\d+$/.test(partition)) {
    throw new UsageError(`not a partition: "${partition}"`)
  }
  const delimiter = Buffer.from(keyDelimiter ?? '')
  const headers = flags.header.map(parseHeader)
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
