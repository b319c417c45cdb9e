/** `tide topic …`: a look into the log, with the habits of kcat and rpk. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import { addConsume } from './consume.ts'
import { addCreate } from './create.ts'
import { addDescribe } from './describe.ts'
import { addTopicLs } from './ls.ts'
import { addProduce } from './produce.ts'
import { addRepair } from './repair.ts'

const verbs = [addTopicLs, addDescribe, addCreate, addConsume, addProduce, addRepair]

export function defineTopic(topic: Command, context: CliContext): void {
  topic.description('topics: ls, describe, create, consume, produce, repair')
  for (const add of verbs) add(topic, context)
  for (const verb of topic.commands) {
    verb
      .option('-b, --brokers <list>', 'host:port,… (env TIDEWATER_BROKERS)')
      .option('--log <dir>', 'an embedded log in a directory')
      .option('--stream <file>', 'the log that this stream reads (default: those of streams/)')
  }
}
