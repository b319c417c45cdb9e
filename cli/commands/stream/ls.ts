/** `tide stream ls`: which streams a project has. */
import { formatIdentifier } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'

export async function listStreams(context: CliContext, named: readonly string[]): Promise<void> {
  const streams = await context.loadStreams(await context.streamFiles(named))
  await context.print({
    columns: [
      { key: 'name' },
      { key: 'input' },
      { key: 'topics' },
      { key: 'table' },
      { key: 'schema', wide: true },
      { key: 'partition_by', wide: true },
      { key: 'file' },
    ],
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
}
