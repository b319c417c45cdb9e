/**
 * Finds the data files with rows of a range of the log and removes those rows.
 *
 * Files without other rows are removed whole; of all others the remaining rows are written to new files
 * (copy-on-write), so that the result has no delete files and publishing replaces whole files.
 */
import {
  currentSchema,
  type DataFile,
  defaultPartitionSpec,
  formatIdentifier,
} from '../catalog/format/index.ts'
import { ConflictError, type Table, uploadDataFiles } from '../catalog/index.ts'
import { planScan } from '../catalog/scan/index.ts'
import { CorruptDataError } from '../common/index.ts'
import type { QueryStage } from '../sql/index.ts'
import type { RangeTools } from './range-tools.ts'
import { type RowRange, selectRange, tableAt } from './row-range.ts'

/** Files of one state of the table that hold rows of the range. */
export interface RangeFiles {
  /** Undefined for a table without snapshots. */
  readonly snapshotId: bigint | undefined
  readonly rowCount: bigint
  /** Files with only rows of the range and no deletes. */
  readonly whole: readonly DataFile[]
  readonly partial: readonly DataFile[]
}

/** The files of `ref` with rows of the range in this state of the table. */
export async function findRangeFiles(
  { io, stage, pin }: RangeTools,
  table: Table,
  ref: string,
  range: RowRange,
): Promise<RangeFiles> {
  if (table.metadata.refs[ref] === undefined) {
    return { snapshotId: undefined, rowCount: 0n, whole: [], partial: [] }
  }
  pin(table)
  const select = selectRange(table, ref, range, '"$path" AS path, count(*) AS row_count')
  await stage.load('range_files', `${select} GROUP BY 1`)
  const counts = new Map<string, bigint>()
  for (const [path, count] of await stage.rows('SELECT path, row_count FROM range_files')) {
    counts.set(String(path), BigInt(String(count)))
  }
  const { tasks, snapshot } = await planScan(io, table, { ref })
  const touched = tasks.filter(({ file }) => counts.has(file.filePath))
  const isWhole = ({ file, deletes }: (typeof touched)[number]): boolean =>
    deletes.length === 0 && counts.get(file.filePath) === file.recordCount
  return {
    snapshotId: snapshot?.snapshotId,
    rowCount: [...counts.values()].reduce((sum, count) => sum + count, 0n),
    whole: touched.filter(isWhole).map(({ file }) => file),
    partial: touched.filter((task) => !isWhole(task)).map(({ file }) => file),
  }
}

/** Writes rows of `files` to new files: those of the range, or all the others. */
export async function rewriteRows(
  tools: RangeTools,
  table: Table,
  ref: string,
  files: readonly DataFile[],
  range: RowRange,
  keep: 'inside' | 'outside',
): Promise<readonly DataFile[]> {
  if (files.length === 0) return []
  const { stage, pin } = tools
  pin(table)
  const paths = new Set(files.map((file) => file.filePath))
  const sql = range(table)
  const isInside = `coalesce(${sql.condition}, false)`
  const where = keep === 'inside' ? isInside : `NOT ${isInside}`
  await stage.load('range_rows', `SELECT * FROM ${tableAt(table, ref, sql)} WHERE ${where}`, {
    keepFile: (_, file) => paths.has(file.filePath),
  })
  await requireColumns(stage, table)
  const written = await writeRows(tools, table, 'SELECT * FROM range_rows')
  await stage.run('DROP TABLE range_rows')
  return written
}

/** Throws ConflictError where rows of the range have come to `ref` after the sequence number `since`. */
export async function requireNoNewRows(
  { io, stage, pin }: RangeTools,
  table: Table,
  ref: string,
  since: bigint,
  range: RowRange,
): Promise<void> {
  const { tasks } = await planScan(io, table, { ref })
  const newer = tasks.filter(({ sequenceNumber }) => sequenceNumber > since)
  if (newer.length === 0) return
  pin(table)
  const paths = new Set(newer.map(({ file }) => file.filePath))
  const { rowCount } = await stage.load('newer_rows', selectRange(table, ref, range, '1 AS one'), {
    keepFile: (_, file) => paths.has(file.filePath),
  })
  if (rowCount === 0) return
  throw new ConflictError('the target got rows of the range after it was read', [...paths], {
    table: formatIdentifier(table.identifier),
    rows: rowCount,
  })
}

/** True when both refs hold the same rows of the range. */
export async function holdSameRows(
  { stage, pin }: RangeTools,
  table: Table,
  refs: readonly [string, string],
  range: RowRange,
): Promise<boolean> {
  pin(table)
  for (const [index, ref] of refs.entries()) {
    await stage.load(`rows_${index}`, selectRange(table, ref, range))
  }
  const [row = []] = await stage.rows(`SELECT count(*) FROM (
      (FROM rows_0 EXCEPT ALL FROM rows_1) UNION ALL (FROM rows_1 EXCEPT ALL FROM rows_0))`)
  return String(row[0]) === '0'
}

/** Writes the rows of the query to new data files of the table, and uploads them. */
export async function writeRows(
  tools: RangeTools,
  table: Table,
  select: string,
): Promise<readonly DataFile[]> {
  const { metadata } = table
  const written = await tools.stage.write({
    select,
    schema: currentSchema(metadata),
    spec: defaultPartitionSpec(metadata),
    directory: tools.directory,
    properties: metadata.properties,
  })
  return uploadDataFiles(tools, metadata, written)
}

/** A missing column would be written as NULL, and its values in the files would be lost. */
async function requireColumns(stage: QueryStage, { identifier, metadata }: Table): Promise<void> {
  const described = await stage.rows('SELECT column_name FROM (DESCRIBE range_rows)')
  const present = new Set(described.map(([name]) => String(name)))
  const missing = currentSchema(metadata).fields.filter(({ name }) => !present.has(name))
  if (missing.length === 0) return
  throw new CorruptDataError('rows to be written again were read without all of their columns', {
    facts: {
      table: formatIdentifier(identifier),
      missing: missing.map(({ name }) => name).join(','),
    },
  })
}
