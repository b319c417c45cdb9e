/** `tide stream schema`: the columns of a stream as fields to declare in its file. */
import type { Command } from 'commander'
import { streamSchema, type StreamSchema } from '../../../app/index.ts'
import { formatType } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { findStream } from './find-stream.ts'

interface SchemaFlags {
  readonly suggest?: boolean
  readonly list?: boolean
}

const origins: Readonly<Record<StreamSchema['from'], string>> = {
  table: 'the columns of the table',
  settings: 'the fields that the file declares',
  sample: 'chosen from a sample of the topic',
}

export function addSchema(stream: Command, context: CliContext): void {
  stream
    .command('schema')
    .description('print the columns as schema.fields, to be put into the file of the stream')
    .argument('<name>', 'the stream, by name or by file')
    .option('--suggest', 'look at the first records of the topic too, with remarks as comments')
    .option('--list', 'as a list of {name, type} instead of a map')
    .action((name: string, flags: SchemaFlags) => printSchema(context, name, flags))
}

async function printSchema(
  context: CliContext,
  name: string,
  { suggest = false, list = false }: SchemaFlags,
): Promise<void> {
  const { file, settings } = await findStream(context, name)
  const lake = await context.openLake([file])
  const schema = await streamSchema(lake, settings, { suggests: suggest })
  if (context.globals.output.length > 0) await printFields(context, schema)
  else {
    const { formatFields } = await import('../../../ingest/settings/index.ts')
    context.write(formatFields(schema, list ? 'list' : 'short'))
  }
  const { recordsRead, recordsSampled } = schema
  const sampled = suggest ? `, with ${recordsRead} of ${recordsSampled} sampled records` : ''
  context.note(`${origins[schema.from]}${sampled}`)
  for (const note of schema.notes) context.note(note)
}

async function printFields(context: CliContext, schema: StreamSchema): Promise<void> {
  const remarkOf = (name: string): string | null => {
    const texts = schema.remarks
      .filter(({ path }) => path[0] === name)
      .map(({ path, text }) => (path.length === 1 ? text : `${path.join('.')}: ${text}`))
    return texts.length === 0 ? null : texts.join('\n')
  }
  await context.print({
    columns: ['name', 'type', 'required', 'remarks'],
    rows: schema.fields.map(({ name, type, required }) => ({
      name,
      type: formatType(type),
      required,
      remarks: remarkOf(name),
    })),
  })
}
