/** `tide topic create`. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { LogFlags } from './input.ts'
import { openAdmin } from './open-admin.ts'
import { partitionCount } from './partition-count.ts'
import { topicVerb } from './topic-verb.ts'

interface CreateFlags extends LogFlags {
  readonly partitions: string
}

export function addCreate(topic: Command, context: CliContext): void {
  topicVerb(topic, 'create')
    .description('create a topic, and an embedded log where the directory is none yet')
    .option('-p, --partitions <count>', 'number of partitions', '1')
    .action((name: string, flags: CreateFlags) => createTopic(context, name, flags))
}

async function createTopic(context: CliContext, name: string, flags: CreateFlags): Promise<void> {
  const { partitions } = flags
  const admin = await openAdmin(context, flags, [], { createsLog: true })
  await admin.createTopic(name, partitionCount(partitions))
  context.note(`created topic ${name} with ${partitions} partitions`)
}
