/** `tide topic describe`. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { LogFlags } from './input.ts'
import { openAdmin } from './open-admin.ts'
import { topicVerb } from './topic-verb.ts'

export function addDescribe(topic: Command, context: CliContext): void {
  topicVerb(topic, 'describe')
    .description('partitions with their first and last offsets')
    .action((name: string, flags: LogFlags) => describeTopic(context, name, flags))
}

async function describeTopic(context: CliContext, name: string, flags: LogFlags): Promise<void> {
  const admin = await openAdmin(context, flags, [name])
  const { topicId, bounds } = await admin.describeTopic(name)
  await context.print({
    columns: ['partition', 'earliest', 'latest', 'offsets', 'topic', 'topic_id'],
    wide: ['topic', 'topic_id'],
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
