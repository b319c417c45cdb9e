/** `tide topic repair`: what of an embedded topic is damaged, and the way past it. */
import type { Command } from 'commander'
import { repairTopic } from '../../../app/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure, UsageError } from '../../frame/failure.ts'
import { type LogFlags, topicInput } from './input.ts'
import { partitionList } from './partition-list.ts'
import { topicVerb } from './topic-verb.ts'

interface RepairFlags extends LogFlags {
  readonly partitions?: string
  readonly dryRun?: boolean
  readonly execute?: boolean
}

export function addRepair(topic: Command, context: CliContext): void {
  topicVerb(topic, 'repair')
    .description('find damaged records of an embedded topic; exit 1 when there are any')
    .option('-p, --partitions <list>', 'only these partitions: 0,2')
    .option('--dry-run', 'only show them (the default)')
    .option(
      '--execute',
      'put holes in their place, so that readers go on; the damaged files are kept',
    )
    .action((name: string, flags: RepairFlags) => repair(context, name, flags))
}

async function repair(context: CliContext, topic: string, flags: RepairFlags): Promise<void> {
  const execute = flags.execute === true
  if (execute && flags.dryRun === true) throw new UsageError('--dry-run or --execute, not both')
  const input = await topicInput(context, flags, [topic])
  const partitions = partitionList(flags.partitions)
  const inspections = await repairTopic(input, topic, {
    execute,
    clock: context.clock,
    ...(partitions === undefined ? {} : { partitions }),
  })
  const rows = inspections.flatMap(({ partition, damages }) =>
    damages.map(({ offset, nextOffset, file, start, end }) => ({
      partition,
      offset,
      next_offset: nextOffset,
      offsets_lost: nextOffset - offset,
      file,
      position: start,
      bytes: end - start,
    })),
  )
  await context.print({
    columns: ['partition', 'offset', 'next_offset', 'offsets_lost', 'position', 'bytes', 'file'],
    rows,
    empty: 'no damage',
  })
  if (rows.length === 0) return
  if (execute) {
    context.note('holes are in their place; the damaged segments lie beside, as *.damaged')
    return
  }
  context.note('dry run: nothing was written; --execute puts holes in their place')
  throw new SilentFailure()
}
