/** `tide topic create`. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { LogOptions } from './input.ts'
import { openAdmin } from './open-admin.ts'
import { partitionCount } from './partition-count.ts'
import { topicVerb } from './topic-verb.ts'

interface CreateOptions extends LogOptions {
  readonly partitions: string
}

export function addCreate(topic: Command, context: CliContext): void {
  topicVerb(topic, 'create')
    .description('create a topic')
    .option('-p, --partitions <count>', 'number of partitions', '1')
    .action((name: string, options: CreateOptions) => createTopic(context, name, options))
}

async function createTopic(
  context: CliContext,
  name: string,
  options: CreateOptions,
): Promise<void> {
  const { partitions } = options
  const admin = await openAdmin(context, options, [])
  await admin.createTopic(name, partitionCount(partitions))
  context.note(`created topic ${name} with ${partitions} partitions`)
}
