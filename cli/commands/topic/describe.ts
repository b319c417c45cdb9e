/** `tide topic describe`. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { LogOptions } from './input.ts'
import { openAdmin } from './open-admin.ts'
import { topicVerb } from './topic-verb.ts'

export function addDescribe(topic: Command, context: CliContext): void {
  topicVerb(topic, 'describe')
    .description('partitions with their first and last offsets')
    .action((name: string, options: LogOptions) => describeTopic(context, name, options))
}

async function describeTopic(
  context: CliContext,
  name: string,
  options: LogOptions,
): Promise<void> {
  const admin = await openAdmin(context, options, [name])
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
