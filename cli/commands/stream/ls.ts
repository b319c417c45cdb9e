/** `tide stream ls`: which streams a project has. */
import type { Command } from 'commander'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { failForFaults, loadGoodStreams } from '../../frame/stream-files.ts'
import { streamVerb } from './stream-verb.ts'

export function addStreamLs(stream: Command, context: CliContext): void {
  streamVerb(stream, 'ls')
    .alias('list')
    .description('list the streams of the project')
    .action((files: readonly string[]) => listStreams(context, files))
}

async function listStreams(context: CliContext, named: readonly string[]): Promise<void> {
  const files = await context.streamFiles(named)
  const { streams, faults } = await loadGoodStreams(context, files)
  await context.print({
    columns: ['name', 'input', 'topics', 'table', 'schema', 'partition_by', 'file'],
    wide: ['schema', 'partition_by'],
    rows: streams.map(({ file, settings }) => ({
      name: settings.name,
      input: settings.input.kind,
      topics: settings.input.topics.join(','),
      table: formatIdentifier(settings.output.table),
      schema: settings.schema.mode,
      partition_by: settings.output.partitionBy.map(({ text }) => text).join(', '),
      file,
    })),
  })
  failForFaults(context, faults)
}
