/** Reads some of a stream's records without a trace: no group is joined, nothing is written. */
import {
  currentSchema,
  formatIdentifier,
  formatType,
  type NestedField,
} from '../catalog/format/index.ts'
import { type Table, loadTableIfExists } from '../catalog/index.ts'
import { NotFoundError } from '../common/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import type { RecordSample, RecordSource } from '../ingest/index.ts'
import type { Lake } from './lake.ts'
import { type TopicBounds, logBounds } from './log-bounds.ts'
import { openSource } from './open-source.ts'

export interface StreamSample {
  readonly topics: readonly TopicBounds[]
  readonly recordsSampled: number
  /** Sampled records that have the form which the schema mode asks for: of JSON, objects. */
  readonly recordsReadable: number
  /** Columns that inference would choose now, or that the table or the settings have. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly columnsFrom: 'table' | 'settings' | 'sample'
  /** What inference had to decide. */
  readonly notes: readonly string[]
}

const pollBytesMax = 4_000_000
const waitMs = 500

export async function sampleStream(lake: Lake, settings: StreamSettings): Promise<StreamSample> {
  const { declaredDifferences, openRecordFormat } = await import('../ingest/index.ts')
  const table = await loadTableIfExists(lake.catalog, settings.output.table)
  // Throws where the file says what cannot be, before anything is read.
  const changes = table === undefined ? [] : declaredDifferences(settings, table, lake.clock)
  const { sample, topics } = await readSample(lake, settings)
  const sampled = sample.columns()
  const { columns } = openRecordFormat(settings.schema)
  const stated = statedColumns(table, settings, columns)
  const unreadable = sampled.unreadable === undefined ? [] : [`not readable: ${sampled.unreadable}`]
  return {
    topics,
    recordsSampled: sampled.sampledCount,
    recordsReadable: sampled.readableCount,
    columns: stated?.columns ?? namesAndTypes(sampled.fields),
    columnsFrom: stated?.from ?? 'sample',
    notes: [
      ...changes.map((change) => `the run changes the table: ${change}`),
      ...(stated === undefined ? sampled.notes : []),
      ...unreadable,
    ],
  }
}

/** The first records of the topics, as the schema mode reads them. */
export async function readSample(
  lake: Lake,
  settings: StreamSettings,
): Promise<{ readonly sample: RecordSample; readonly topics: readonly TopicBounds[] }> {
  const { keyRulesOf, openRecordFormat } = await import('../ingest/index.ts')
  const { clock, logger, random } = lake
  const source = await openSource(withoutGroup(settings.input), { clock, logger, random })
  try {
    await source.start()
    const topics = await logBounds(source)
    const { sampleRecordsMax } = settings.schema
    const sample = openRecordFormat(settings.schema).openSample(
      sampleRecordsMax,
      keyRulesOf(settings),
    )
    await readSome(source, topics, sampleRecordsMax, sample)
    return { sample, topics }
  } finally {
    await source.stop()
  }
}

async function readSome(
  source: RecordSource,
  topics: readonly TopicBounds[],
  recordsMax: number,
  sample: RecordSample,
): Promise<void> {
  const { sampleBytesMax } = await import('../ingest/index.ts')
  let count = 0
  let bytes = 0
  // Two polls without records: nothing is there to sample.
  for (let idle = 0; idle < 2 && count < recordsMax && bytes < sampleBytesMax; ) {
    const result = await source.poll(pollBytesMax, waitMs)
    if (result.kind === 'assigned') {
      for (const partition of result.partitions) {
        const bounds = topics.find(({ topic }) => topic === partition.topic)
        source.seek(partition, bounds?.partitions[partition.partition]?.earliest ?? 0n)
      }
      continue
    }
    idle = result.batches.length === 0 ? idle + 1 : 0
    for (const batch of result.batches) {
      sample.add(batch)
      count += batch.count
      bytes += batch.data.length
    }
  }
}

function statedColumns(
  table: Table | undefined,
  settings: StreamSettings,
  declared: readonly NestedField[] | undefined,
): { readonly columns: StreamSample['columns']; readonly from: 'table' | 'settings' } | undefined {
  if (table !== undefined) {
    return { columns: namesAndTypes(currentSchema(table.metadata).fields), from: 'table' }
  }
  if (!settings.output.autoCreate) {
    throw new NotFoundError(
      `table ${formatIdentifier(settings.output.table)} does not exist and auto_create is false`,
    )
  }
  return declared === undefined ? undefined : { columns: namesAndTypes(declared), from: 'settings' }
}

function namesAndTypes(fields: readonly NestedField[]): StreamSample['columns'] {
  return fields.map(({ name, type }) => ({ name, type: formatType(type) }))
}
