/**
 * How rows are removed from a table: with their whole file, by writing the file again without them
 * (copy-on-write), or by a position delete file (merge-on-read), whichever is cheaper for each file
 * (docs/spec/batch-jobs.md, B12; docs/adr/0013-row-changes.md).
 *
 * We write at most one delete file per data file: a later one contains all earlier positions and replaces
 * it, so that readers never open more than one of them with a data file.
 */
import { currentSchema, type DataFile } from '../../catalog/format/index.ts'
import type { LocalPositionDeletes, Table } from '../../catalog/index.ts'
import { statedProperty, tableProperties } from '../../catalog/table/index.ts'
import { type FileScanTask, onlyReferencedFile } from '../../catalog/scan/index.ts'
import { quoteLiteral } from '../../sql/index.ts'
import type { ModelRun } from './model-run.ts'

export interface RowRemoval {
  /** Data files to remove, including those that are written again. */
  readonly removed: readonly DataFile[]
  /** Paths of the removed files whose other rows have to be written again. */
  readonly rewritten: ReadonlySet<string>
  readonly deletes: readonly LocalPositionDeletes[]
  readonly replacedDeletes: readonly DataFile[]
}

/** `update` for rows that get new values, `delete` for rows that are removed (as in the table properties of Iceberg). */
export type ChangeKind = 'update' | 'delete'

/**
 * Temporary table `(path, pos, is_removed)`: all visible rows of every file that may lose rows.
 */
export const positionedRows = 'positioned_rows'
/** Temporary table `(path)`: the files that are written again. */
export const rewrittenFiles = 'rewritten_files'

/** Above this share of deleted rows a file is written again: readers pay for deletes on every read. */
export const deletedShareMax = 0.05
/** Below it a delete file costs as many requests as it saves, and hardly saves bytes. */
export const fileBytesMin = 1n << 20n

/** SQL of a row's position in its file. A table with a column of the engine's own name for it has no positions. */
export function positionSql(table: Table | undefined): string {
  return hasPositions(table) ? '"$pos"' : '0::BIGINT'
}

/** Decides for each file of `positioned_rows`, writes the delete files and creates `rewritten_files`. */
export async function removeRows(
  { stage, table, directory }: ModelRun,
  tasks: readonly FileScanTask[],
  kind: ChangeKind,
): Promise<RowRemoval> {
  const counted = await stage.rows(
    `SELECT path, count(*), count(*) FILTER (is_removed) FROM ${positionedRows} GROUP BY path HAVING bool_or(is_removed)`,
  )
  const losses = new Map(
    counted.map(([path, rows, removedRows]) => [
      String(path),
      { rows: BigInt(Number(rows)), removedRows: BigInt(Number(removedRows)) },
    ]),
  )
  const mode = removalMode(table, kind)
  const removed: DataFile[] = []
  const rewritten = new Set<string>()
  const mergeOnRead: FileScanTask[] = []
  for (const task of tasks) {
    const loss = losses.get(task.file.filePath)
    if (loss === undefined) continue
    const isWhole = loss.removedRows === loss.rows
    if (
      !isWhole &&
      isMergeOnRead(mode, task.file, task.file.recordCount - loss.rows + loss.removedRows)
    ) {
      mergeOnRead.push(task)
      continue
    }
    removed.push(task.file)
    if (!isWhole) rewritten.add(task.file.filePath)
  }
  await stage.run(
    pathTable(
      rewrittenFiles,
      [...rewritten].map((path) => [path]),
    ),
  )
  if (mergeOnRead.length === 0) return { removed, rewritten, deletes: [], replacedDeletes: [] }
  await stage.run(
    pathTable('merge_on_read_files', mergeOnRead.map(mergeOnReadRow), ', records, has_deletes'),
  )
  const deletes = await stage.deletes.write({
    rows: allRemovedPositions,
    targets: mergeOnRead.map(({ file }) => file),
    directory,
    properties: table?.metadata.properties ?? {},
  })
  return { removed, rewritten, deletes, replacedDeletes: mergeOnRead.flatMap(ownDeletes) }
}

/** The positions to remove now and those that earlier delete files removed, which no visible row has. */
const allRemovedPositions = `SELECT path AS file_path, pos FROM ${positionedRows}
    WHERE is_removed AND path IN (SELECT path FROM merge_on_read_files)
  UNION ALL
  SELECT positions.path, positions.pos FROM (
    SELECT path, unnest(range(records)) AS pos FROM merge_on_read_files WHERE has_deletes) AS positions
  ANTI JOIN ${positionedRows} AS visible ON positions.path = visible.path AND positions.pos = visible.pos`

type Mode = 'copy-on-write' | 'merge-on-read' | 'automatic'

function removalMode(table: Table | undefined, kind: ChangeKind): Mode {
  if (table === undefined || !hasPositions(table)) return 'copy-on-write'
  const property = kind === 'update' ? tableProperties.updateMode : tableProperties.deleteMode
  return statedProperty(table.metadata.properties, property) ?? 'automatic'
}

/** `deleted` counts the rows of the file that are deleted after this run, earlier ones included. */
function isMergeOnRead(mode: Mode, file: DataFile, deleted: bigint): boolean {
  if (mode !== 'automatic') return mode === 'merge-on-read'
  const isSmallShare = Number(deleted) <= Number(file.recordCount) * deletedShareMax
  return isSmallShare && file.fileSizeInBytes >= fileBytesMin
}

function hasPositions(table: Table | undefined): boolean {
  if (table === undefined) return false
  const { fields } = currentSchema(table.metadata)
  return fields.every(({ name }) => name.toLowerCase() !== 'file_row_number')
}

/** Delete files for several data files stay, because they are still valid for the others. */
function ownDeletes({ file, deletes }: FileScanTask): readonly DataFile[] {
  return deletes.filter(
    (each) => each.content === 'position-deletes' && onlyReferencedFile(each) === file.filePath,
  )
}

function mergeOnReadRow({ file, deletes }: FileScanTask): readonly [string, bigint, boolean] {
  return [file.filePath, file.recordCount, deletes.length > 0]
}

function pathTable(
  name: string,
  rows: readonly (readonly [string, ...unknown[]])[],
  more = '',
): string {
  const values = rows.map(([path, ...others]) => {
    return `(${[quoteLiteral(path), ...others.map(String)].join(', ')})`
  })
  const nothing = `SELECT NULL::VARCHAR AS path WHERE false`
  const select =
    rows.length === 0 ? nothing : `SELECT * FROM (VALUES ${values.join(', ')}) AS t(path${more})`
  return `CREATE OR REPLACE TEMP TABLE ${name} AS ${select}`
}
