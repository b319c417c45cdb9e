/**
 * How rows leave a table: with their whole file, by writing the file again without them (copy-on-write),
 * or by a position delete file (merge-on-read), whichever is cheaper for each file
 * (docs/spec/batch-jobs.md, B12; docs/adr/0013-row-changes.md).
 *
 * A data file has at most one delete file of ours: a later one says all that is gone and replaces it, so
 * that readers never open more than one beside a data file.
 */
import { currentSchema, type DataFile } from '../../catalog/format/index.ts'
import type { LocalPositionDeletes, Table } from '../../catalog/index.ts'
import { statedProperty, tableProperties } from '../../catalog/table/index.ts'
import { type FileScanTask, onlyReferencedFile } from '../../catalog/scan/index.ts'
import { quoteLiteral } from '../../sql/index.ts'
import type { Attempt } from './materialize.ts'

export interface RowRemoval {
  /** Data files that go, those that are written again among them. */
  readonly removed: readonly DataFile[]
  /** The paths of those whose other rows have to be written again. */
  readonly rewritten: ReadonlySet<string>
  readonly deletes: readonly LocalPositionDeletes[]
  readonly replacedDeletes: readonly DataFile[]
}

/** `update`: rows that are given again with other values; `delete`: rows that go (Iceberg's properties). */
export type ChangeKind = 'update' | 'delete'

/**
 * Temporary table `(path, pos, is_gone)`: the visible rows of the files that may lose some, each file
 * whole.
 */
export const placedRows = 'placed_rows'
/** Temporary table `(path)`: the files that are written again. */
export const rewrittenFiles = 'rewritten_files'

/** Above this share of deleted rows a file is written again: readers pay for deletes on every read. */
export const deletedShareMax = 0.05
/** Below it a delete file costs as many requests as it saves, and hardly saves bytes. */
export const fileBytesMin = 1n << 20n

/** The hidden column of a row's place; without one (a column has the engine's name for it) nothing can be deleted by place. */
export function placeSql(table: Table | undefined): string {
  return hasPlaces(table) ? '"$pos"' : '0::BIGINT'
}

/** Decides over `placed_rows`, writes the delete files and leaves `rewritten_files` behind. */
export async function removeRows(
  { stage, table, directory }: Attempt,
  tasks: readonly FileScanTask[],
  kind: ChangeKind,
): Promise<RowRemoval> {
  const counted = await stage.rows(
    `SELECT path, count(*), count(*) FILTER (is_gone) FROM ${placedRows} GROUP BY path HAVING bool_or(is_gone)`,
  )
  const losses = new Map(
    counted.map(([path, rows, gone]) => [
      String(path),
      { rows: BigInt(Number(rows)), gone: BigInt(Number(gone)) },
    ]),
  )
  const mode = modeOf(table, kind)
  const removed: DataFile[] = []
  const rewritten = new Set<string>()
  const thinned: FileScanTask[] = []
  for (const task of tasks) {
    const loss = losses.get(task.file.filePath)
    if (loss === undefined) continue
    const isWhole = loss.gone === loss.rows
    if (!isWhole && isThinned(mode, task.file, task.file.recordCount - loss.rows + loss.gone)) {
      thinned.push(task)
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
  if (thinned.length === 0) return { removed, rewritten, deletes: [], replacedDeletes: [] }
  await stage.run(pathTable('thinned_files', thinned.map(thinnedRow), ', records, has_deletes'))
  const deletes = await stage.deletes.write({
    rows: goneEver,
    targets: thinned.map(({ file }) => file),
    directory,
    properties: table?.metadata.properties ?? {},
  })
  return { removed, rewritten, deletes, replacedDeletes: thinned.flatMap(ownDeletes) }
}

/** What goes now, and what is invisible already: every place of the file that no visible row has. */
const goneEver = `SELECT path AS file_path, pos FROM ${placedRows}
    WHERE is_gone AND path IN (SELECT path FROM thinned_files)
  UNION ALL
  SELECT places.path, places.pos FROM (
    SELECT path, unnest(range(records)) AS pos FROM thinned_files WHERE has_deletes) AS places
  ANTI JOIN ${placedRows} AS visible ON places.path = visible.path AND places.pos = visible.pos`

type Mode = 'copy-on-write' | 'merge-on-read' | 'automatic'

function modeOf(table: Table | undefined, kind: ChangeKind): Mode {
  if (table === undefined || !hasPlaces(table)) return 'copy-on-write'
  const property = kind === 'update' ? tableProperties.updateMode : tableProperties.deleteMode
  return statedProperty(table.metadata.properties, property) ?? 'automatic'
}

/** `deleted`: rows of the file that will be gone, those that are gone already among them. */
function isThinned(mode: Mode, file: DataFile, deleted: bigint): boolean {
  if (mode !== 'automatic') return mode === 'merge-on-read'
  const isSmallShare = Number(deleted) <= Number(file.recordCount) * deletedShareMax
  return isSmallShare && file.fileSizeInBytes >= fileBytesMin
}

function hasPlaces(table: Table | undefined): boolean {
  if (table === undefined) return false
  const { fields } = currentSchema(table.metadata)
  return fields.every(({ name }) => name.toLowerCase() !== 'file_row_number')
}

/** Deletes that name several files stay: they hold for the others. */
function ownDeletes({ file, deletes }: FileScanTask): readonly DataFile[] {
  return deletes.filter(
    (each) => each.content === 'position-deletes' && onlyReferencedFile(each) === file.filePath,
  )
}

function thinnedRow({ file, deletes }: FileScanTask): readonly [string, bigint, boolean] {
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
