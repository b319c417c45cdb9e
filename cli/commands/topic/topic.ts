/** `tide topic …`: a look into the log, with the habits of kcat and rpk. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import { defineConsume } from './consume.ts'
import { defineCreate } from './create.ts'
import { defineDescribe } from './describe.ts'
import { defineTopicLs } from './ls.ts'
import { defineProduce } from './produce.ts'

export function defineTopic(topic: Command, context: CliContext): void {
  defineTopicLs(topic.command('ls'), context)
  defineDescribe(topic.command('describe'), context)
  defineCreate(topic.command('create'), context)
  defineConsume(topic.command('consume'), context)
  defineProduce(topic.command('produce'), context)
  for (const verb of topic.commands) {
    verb
      .option('-b, --brokers <list>', 'host:port,… (env TIDEWATER_BROKERS)')
      .option('--log <dir>', 'an embedded log in a directory')
      .option('--stream <file>', 'the log that this stream reads (default: those of streams/)')
  }
}
