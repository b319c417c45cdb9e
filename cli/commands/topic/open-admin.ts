/** The administration of the log that a `tide topic` command talks to. */
import { type LogTools, openTopicAdmin } from '../../../app/index.ts'
import type { TopicAdmin } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { type LogFlags, topicInput } from './input.ts'

export async function openAdmin(
  context: CliContext,
  flags: LogFlags,
  topics: readonly string[],
  options: Pick<LogTools, 'createsLog'> = {},
): Promise<TopicAdmin> {
  const input = await topicInput(context, flags, topics)
  const admin = await openTopicAdmin(input, { logger: await context.logger(), ...options })
  context.onClose(() => admin.close())
  return admin
}
