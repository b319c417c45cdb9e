/** `tide stream dry-run`: everything up to the first write. */
import type { Command } from 'commander'
import { sampleStream } from '../../../app/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import type { Row } from '../../frame/output.ts'
import { streamVerb } from './stream-verb.ts'

export function addDryRun(stream: Command, context: CliContext): void {
  streamVerb(stream, 'dry-run')
    .description('connect, read a sample, show what run would do; nothing is committed')
    .action((files: readonly string[]) => dryRunStreams(context, files))
}

async function dryRunStreams(context: CliContext, named: readonly string[]): Promise<void> {
  const streams = await context.loadStreams(await context.streamFiles(named), 'fill')
  const lake = await context.openLake(named)
  for (const { settings } of streams) {
    const sample = await sampleStream(lake, settings)
    const bounds = sample.topics.flatMap(({ partitions }) => partitions)
    const record: Row = {
      stream: settings.name,
      topics: sample.topics
        .map(({ topic, partitions }) => `${topic} (${partitions.length} partitions)`)
        .join(', '),
      offsets_held: bounds.reduce((sum, { earliest, latest }) => sum + latest - earliest, 0n),
      table: formatIdentifier(settings.output.table),
      records_sampled: sample.recordsSampled,
      records_readable: sample.recordsReadable,
      columns_from: sample.columnsFrom,
      columns: sample.columns.map(({ name, type }) => `${name}: ${type}`).join('\n'),
      notes: sample.notes.length === 0 ? null : sample.notes.join('\n'),
    }
    await context.printRecord(record)
  }
  context.note('dry run: nothing was written')
}
