/** `tide stream dry-run`: everything up to the first write. */
import type { Command } from 'commander'
import { sampleStream } from '../../../app/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import { LakeError } from '../../../common/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure } from '../../frame/failure.ts'
import type { Row } from '../../frame/output.ts'
import { failForFaults, loadGoodStreams } from '../../frame/stream-files.ts'
import { streamVerb } from './stream-verb.ts'

export function addDryRun(stream: Command, context: CliContext): void {
  streamVerb(stream, 'dry-run')
    .description('connect, read a sample, show what run would do; nothing is committed')
    .action((files: readonly string[]) => dryRunStreams(context, files))
}

async function dryRunStreams(context: CliContext, named: readonly string[]): Promise<void> {
  const files = await context.streamFiles(named)
  const { streams, faults } = await loadGoodStreams(context, files, 'fill')
  const lake = await context.openLake(named)
  const failures: string[] = []
  for (const { file, settings } of streams) {
    const sample = await sampleStream(lake, settings).catch((error: unknown) => {
      // What one stream lacks, a topic or a broker, says nothing of the others.
      if (files.length === 1 || !(error instanceof LakeError)) throw error
      failures.push(`${file}: ${error.message}`)
      return undefined
    })
    if (sample === undefined) continue
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
  for (const failure of failures) context.note(failure)
  failForFaults(context, faults)
  if (failures.length > 0) throw new SilentFailure()
}
