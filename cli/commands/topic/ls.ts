/** `tide topic ls`. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { LogFlags } from './input.ts'
import { openAdmin } from './open-admin.ts'

export function addTopicLs(topic: Command, context: CliContext): void {
  topic
    .command('ls')
    .alias('list')
    .description('list topics')
    .action((flags: LogFlags) => listTopics(context, flags))
}

async function listTopics(context: CliContext, flags: LogFlags): Promise<void> {
  const admin = await openAdmin(context, flags, [])
  const names = await admin.listTopics()
  const topics = []
  for (const name of names) topics.push(await admin.describeTopic(name))
  await context.print({
    columns: ['topic', 'partitions', 'offsets', 'topic_id'],
    wide: ['topic_id'],
    rows: topics.map(({ topic, topicId, partitionCount, bounds }) => ({
      topic,
      partitions: partitionCount,
      offsets: bounds.reduce((sum, { earliest, latest }) => sum + latest - earliest, 0n),
      topic_id: topicId,
    })),
    empty: 'no topics',
  })
}
