/**
 * The rows that a table holds of a range of the log: found by their place columns, counted, and taken
 * out of the files that hold them.
 *
 * Files that hold nothing else go as they are; of the others the remaining rows are written anew
 * (copy-on-write), so that a reader of the result never meets a delete file and publishing has whole
 * files to exchange.
 */
import {
  type DataFile,
  currentSchema,
  defaultPartitionSpec,
  type Schema,
  formatIdentifier,
} from '../catalog/format/index.ts'
import { ConflictError, type Table, uploadDataFiles } from '../catalog/index.ts'
import { planScan } from '../catalog/scan/index.ts'
import { CorruptDataError } from '../common/index.ts'
import { ReplayRefusedError, type ReplayRange } from './replay-ranges.ts'
import { type QueryStage, quoteLiteral, quoteTable } from '../sql/index.ts'
import type { ReplayTools } from './replay-tools.ts'

/** Which rows, as SQL over the table's columns. */
export interface RowRange {
  readonly condition: string
  /** SQL of the place of a row: topic (or NULL), partition, offset. */
  readonly place: { readonly topic: string; readonly partition: string; readonly offset: string }
}

export interface RangeTools extends ReplayTools {
  readonly stage: QueryStage
  /** New files are written below it, and deleted with it. */
  readonly directory: string
  /** From now on the stage reads this state of the table. */
  readonly pin: (table: Table) => void
}

/** Files of one state of the table that hold rows of the range. */
export interface RangeFiles {
  /** Undefined for a table without snapshots. */
  readonly snapshotId: bigint | undefined
  readonly rowCount: bigint
  /** Nothing but rows of the range, and no deletes. */
  readonly whole: readonly DataFile[]
  readonly partial: readonly DataFile[]
}

/** Throws ReplayRefusedError where the table does not say where its rows came from. */
export function rowRangeOf(table: Table, ranges: readonly ReplayRange[]): RowRange {
  const schema = currentSchema(table.metadata)
  const place = placeOf(schema)
  if (place === undefined) {
    throw new ReplayRefusedError(
      'the table does not say which records its rows came from, so a range cannot be replayed in place; ' +
        'set metadata: struct and fill a new table',
      { facts: { table: formatIdentifier(table.identifier), missing: '_kafka' } },
    )
  }
  return { place, condition: conditionOf(place, ranges) }
}

/** The same of a dead-letter table, for the letters of one stream. */
export function letterRangeOf(stream: string, ranges: readonly ReplayRange[]): RowRange {
  const place = { topic: '"topic"', partition: '"partition"', offset: '"offset"' }
  const condition = `"stream" = ${quoteLiteral(stream)} AND (${conditionOf(place, ranges)})`
  return { place, condition }
}

export function hasTopicColumn({ place }: RowRange): boolean {
  return place.topic !== noTopic
}

/** What `ref` holds of the range in this state of the table. */
export async function findRangeFiles(
  { io, stage, pin }: RangeTools,
  table: Table,
  ref: string,
  { condition }: RowRange,
): Promise<RangeFiles> {
  if (table.metadata.refs[ref] === undefined) {
    return { snapshotId: undefined, rowCount: 0n, whole: [], partial: [] }
  }
  pin(table)
  const select = `SELECT "$path" AS path, count(*) AS found FROM ${tableAt(table, ref)}
    WHERE ${condition} GROUP BY 1`
  await stage.load('range_files', select)
  const found = new Map<string, bigint>()
  for (const [path, count] of await stage.rows('SELECT path, found FROM range_files')) {
    found.set(String(path), BigInt(String(count)))
  }
  const { tasks, snapshot } = await planScan(io, table, { ref })
  const touched = tasks.filter(({ file }) => found.has(file.filePath))
  const isWhole = ({ file, deletes }: (typeof touched)[number]): boolean =>
    deletes.length === 0 && found.get(file.filePath) === file.recordCount
  return {
    snapshotId: snapshot?.snapshotId,
    rowCount: [...found.values()].reduce((sum, count) => sum + count, 0n),
    whole: touched.filter(isWhole).map(({ file }) => file),
    partial: touched.filter((task) => !isWhole(task)).map(({ file }) => file),
  }
}

/** Writes rows of `files` anew: those of the range, or all the others. */
export async function rewriteRows(
  tools: RangeTools,
  table: Table,
  ref: string,
  files: readonly DataFile[],
  range: RowRange,
  keep: 'inside' | 'outside',
): Promise<readonly DataFile[]> {
  if (files.length === 0) return []
  const { stage, directory, pin } = tools
  pin(table)
  const paths = new Set(files.map((file) => file.filePath))
  const isInside = `coalesce(${range.condition}, false)`
  const where = keep === 'inside' ? isInside : `NOT ${isInside}`
  await stage.load('range_rows', `SELECT * FROM ${tableAt(table, ref)} WHERE ${where}`, {
    keepFile: (_, file) => paths.has(file.filePath),
  })
  await requireColumns(stage, table)
  const written = await stage.write({
    select: 'SELECT * FROM range_rows',
    schema: currentSchema(table.metadata),
    spec: defaultPartitionSpec(table.metadata),
    directory,
    properties: table.metadata.properties,
  })
  await stage.run('DROP TABLE range_rows')
  return uploadDataFiles(tools, table.metadata, written)
}

/** Throws ConflictError where rows of the range have come to `ref` after the sequence number `since`. */
export async function requireNoNewRows(
  { io, stage, pin }: RangeTools,
  table: Table,
  ref: string,
  since: bigint,
  { condition }: RowRange,
): Promise<void> {
  const { tasks } = await planScan(io, table, { ref })
  const newer = tasks.filter(({ sequenceNumber }) => sequenceNumber > since)
  if (newer.length === 0) return
  pin(table)
  const paths = new Set(newer.map(({ file }) => file.filePath))
  const select = `SELECT 1 AS found FROM ${tableAt(table, ref)} WHERE ${condition}`
  const { rowCount } = await stage.load('newer_rows', select, {
    keepFile: (_, file) => paths.has(file.filePath),
  })
  if (rowCount === 0) return
  throw new ConflictError('rows of the range came to the target meanwhile', [...paths], {
    table: formatIdentifier(table.identifier),
    rows: rowCount,
  })
}

/** True when both refs hold the same rows of the range. */
export async function holdSameRows(
  { stage, pin }: RangeTools,
  table: Table,
  refs: readonly [string, string],
  { condition }: RowRange,
): Promise<boolean> {
  pin(table)
  for (const [index, ref] of refs.entries()) {
    await stage.load(`rows_${index}`, `SELECT * FROM ${tableAt(table, ref)} WHERE ${condition}`)
  }
  const [row = []] = await stage.rows(`SELECT count(*) FROM (
      (FROM rows_0 EXCEPT ALL FROM rows_1) UNION ALL (FROM rows_1 EXCEPT ALL FROM rows_0))`)
  return String(row[0]) === '0'
}

/** The table in a query, as `ref` has it, with the table's current columns. */
export function tableAt({ identifier }: Table, ref: string): string {
  return `${quoteTable(identifier)} AT (VERSION => ${quoteLiteral(ref)})`
}

const noTopic = 'NULL'

function placeOf(schema: Schema): RowRange['place'] | undefined {
  const struct = schema.fields.find((field) => field.name === '_kafka')?.type
  if (struct?.type === 'struct') {
    const names = new Set(struct.fields.map((field) => field.name))
    if (!names.has('partition') || !names.has('offset')) return undefined
    const member = (name: string): string => `"_kafka"."${name}"`
    return {
      topic: names.has('topic') ? member('topic') : noTopic,
      partition: member('partition'),
      offset: member('offset'),
    }
  }
  const names = new Set(schema.fields.map((field) => field.name))
  if (!names.has('_kafka_partition') || !names.has('_kafka_offset')) return undefined
  return {
    topic: names.has('_kafka_topic') ? '"_kafka_topic"' : noTopic,
    partition: '"_kafka_partition"',
    offset: '"_kafka_offset"',
  }
}

function conditionOf(place: RowRange['place'], ranges: readonly ReplayRange[]): string {
  const terms = ranges.map(({ topic, partition, from, to }) => {
    const ofTopic = place.topic === noTopic ? '' : `${place.topic} = ${quoteLiteral(topic)} AND `
    return `(${ofTopic}${place.partition} = ${partition} AND ${place.offset} >= ${from} AND ${place.offset} < ${to})`
  })
  return `(${terms.join(' OR ')})`
}

/** A column that is missing would be written as NULL, and what the files held of it be lost. */
async function requireColumns(stage: QueryStage, { identifier, metadata }: Table): Promise<void> {
  const described = await stage.rows('SELECT column_name FROM (DESCRIBE range_rows)')
  const found = new Set(described.map(([name]) => String(name)))
  const missing = currentSchema(metadata).fields.filter(({ name }) => !found.has(name))
  if (missing.length === 0) return
  throw new CorruptDataError('rows to be written anew were read without all of their columns', {
    facts: {
      table: formatIdentifier(identifier),
      missing: missing.map(({ name }) => name).join(','),
    },
  })
}
