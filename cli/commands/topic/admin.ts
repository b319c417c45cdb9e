/** `tide topic ls`, `describe` and `create`. */
import { openTopicAdmin } from '../../../app/index.ts'
import type { TopicAdmin } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { type LogOptions, topicInput } from './input.ts'

export async function listTopics(context: CliContext, options: LogOptions): Promise<void> {
  const admin = await openAdmin(context, options, [])
  const names = await admin.listTopics()
  const topics = []
  for (const name of names) topics.push(await admin.describeTopic(name))
  await context.print({
    columns: [
      { key: 'topic' },
      { key: 'partitions', align: 'right' },
      { key: 'offsets', align: 'right' },
      { key: 'topic_id', wide: true },
    ],
    rows: topics.map(({ topic, topicId, partitionCount, bounds }) => ({
      topic,
      partitions: partitionCount,
      offsets: bounds.reduce((sum, { earliest, latest }) => sum + latest - earliest, 0n),
      topic_id: topicId,
    })),
    empty: 'no topics',
  })
}

export async function describeTopic(
  context: CliContext,
  name: string,
  options: LogOptions,
): Promise<void> {
  const admin = await openAdmin(context, options, [name])
  const { topicId, bounds } = await admin.describeTopic(name)
  await context.print({
    columns: [
      { key: 'partition', align: 'right' },
      { key: 'earliest', align: 'right' },
      { key: 'latest', align: 'right' },
      { key: 'offsets', align: 'right' },
      { key: 'topic', wide: true },
      { key: 'topic_id', wide: true },
    ],
    rows: bounds.map(({ earliest, latest }, partition) => ({
      partition,
      earliest,
      latest,
      offsets: latest - earliest,
      topic: name,
      topic_id: topicId,
    })),
  })
}

export async function createTopic(
  context: CliContext,
  name: string,
  options: LogOptions,
  partitions: string,
): Promise<void> {
  const admin = await openAdmin(context, options, [])
  await admin.createTopic(name, partitionCount(partitions))
  context.note(`created topic ${name} with ${partitions} partitions`)
}

export function partitionCount(text: string): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < 1 || count > 10_000) {
    throw new UsageError(`not a number of partitions: "${text}" (1 to 10000)`)
  }
  return count
}

async function openAdmin(
  context: CliContext,
  options: LogOptions,
  topics: readonly string[],
): Promise<TopicAdmin> {
  const input = await topicInput(context, options, topics)
  const admin = await openTopicAdmin(input, { logger: await context.logger() })
  context.onClose(() => admin.close())
  return admin
}
