/** `tide topic …`: a look into the log, with the habits of kcat and rpk. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { ConsumeOptions } from './consume.ts'
import type { LogOptions } from './input.ts'
import type { ProduceOptions } from './produce.ts'

export function addTopic(program: Command, context: CliContext): void {
  const topic = program
    .command('topic')
    .description('topics: ls, describe, create, consume, produce')
  addAdmin(topic, context)
  addConsume(topic, context)
  addProduce(topic, context)
  for (const command of topic.commands) {
    command
      .option('-b, --brokers <list>', 'host:port,… (env TIDEWATER_BROKERS)')
      .option('--log <dir>', 'an embedded log in a directory')
      .option('--stream <file>', 'the log that this stream reads (default: those of streams/)')
  }
}

function addAdmin(topic: Command, context: CliContext): void {
  topic
    .command('ls')
    .alias('list')
    .description('list topics')
    .action(async (options: LogOptions) => {
      const { listTopics } = await import('./admin.ts')
      await listTopics(context, options)
    })
  topic
    .command('describe')
    .description('partitions with their first and last offsets')
    .argument('<topic>')
    .action(async (name: string, options: LogOptions) => {
      const { describeTopic } = await import('./admin.ts')
      await describeTopic(context, name, options)
    })
  topic
    .command('create')
    .description('create a topic')
    .argument('<topic>')
    .option('-p, --partitions <count>', 'number of partitions', '1')
    .action(async (name: string, options: LogOptions & { readonly partitions: string }) => {
      const { createTopic } = await import('./admin.ts')
      await createTopic(context, name, options, options.partitions)
    })
}

function addConsume(topic: Command, context: CliContext): void {
  topic
    .command('consume')
    .description('print records; -o takes an offset (start, end, 100:200, -5, @time) or json')
    .argument('<topic>')
    .option('-p, --partitions <list>', 'only these partitions: 0,2')
    .option('-n, --num <count>', 'stop after so many records')
    .option('-c, --count <count>', 'the same, as kcat spells it')
    .option('-e, --exit', 'stop at the end of the log')
    .option('-f, --format <format>', "for example '%p %o %k %s\\n'; default '%s\\n'")
    .option('-J, --json', 'one JSON object per record (also -o json)')
    .action(async (name: string, options: ConsumeOptions) => {
      const { consumeTopic } = await import('./consume.ts')
      await consumeTopic(context, name, options)
    })
}

function addProduce(topic: Command, context: CliContext): void {
  topic
    .command('produce')
    .description('a record per line of stdin')
    .argument('<topic>')
    .option('-k, --key <key>', 'key of every record')
    .option('-K, --key-delimiter <text>', 'key and value of a line are separated by this')
    .option('-p, --partition <number>', 'partition of every record')
    .option('-H, --header <name=value>', 'header of every record; repeatable', collect, [])
    .option('-Z, --tombstone', 'an empty value is null')
    .option('--create', 'create the topic when it is missing')
    .option('--partitions <count>', 'of a topic that is created', '1')
    .action(async (name: string, options: ProduceOptions) => {
      const { produceTopic } = await import('./produce.ts')
      await produceTopic(context, name, options)
    })
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value]
}
