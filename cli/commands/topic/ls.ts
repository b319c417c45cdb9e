/** `tide topic ls`. */
import type { Command } from 'commander'
import { CorruptDataError, NotFoundError } from '../../../common/index.ts'
import type { TopicDetails } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure } from '../../frame/failure.ts'
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
  const topics: TopicDetails[] = []
  const faults: string[] = []
  for (const name of names) {
    try {
      topics.push(await admin.describeTopic(name))
    } catch (error) {
      // One damaged topic must not hide the others.
      if (!(error instanceof CorruptDataError || error instanceof NotFoundError)) throw error
      faults.push(`${name}: ${error.message}`)
    }
  }
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
  for (const fault of faults) context.note(fault)
  if (faults.length > 0) throw new SilentFailure()
}
