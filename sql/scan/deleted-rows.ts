/**
 * The rows that position delete files take away (spec, "Position Delete Files"), as a query: read by
 * field id, matched by exact location, each row once even if several files name it.
 */
import type { DataFile } from '../../catalog/format/index.ts'
import { deletePathFieldId, deletePosFieldId } from '../../catalog/index.ts'
import type { FileScanTask } from '../../catalog/scan/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { escapeGlob, type ScanFile } from './scan-sql.ts'

/** A data file and the delete files that apply to it, each as DuckDB can open it. */
export interface FileWithDeletes {
  readonly file: ScanFile
  readonly recordCount: bigint
  readonly deletes: readonly ScanFile[]
}

/** `opened` holds every file of the tasks, deletes too. */
export function withDeletes(
  tasks: readonly FileScanTask[],
  opened: readonly ScanFile[],
): readonly FileWithDeletes[] {
  const byLocation = new Map(opened.map((file) => [file.location, file]))
  const openedAs = ({ filePath }: DataFile): ScanFile =>
    byLocation.get(filePath) ?? { location: filePath, path: filePath }
  return tasks.map(({ file, deletes }) => ({
    file: openedAs(file),
    recordCount: file.recordCount,
    deletes: deletes.map(openedAs),
  }))
}

/** The only deletes that can be applied here. */
export function isPositionDeletes({ content, fileFormat }: DataFile): boolean {
  return content === 'position-deletes' && fileFormat.toUpperCase() === 'PARQUET'
}

/** A SELECT of `(path, pos)` as `scanSelect` takes it; undefined where nothing is deleted. */
export function deletedRowsSelect(files: readonly FileWithDeletes[]): string | undefined {
  const pairs = files.flatMap(({ deletes, file, recordCount }) =>
    deletes.map((remove) => {
      const texts = [remove.path, file.location, file.path].map(quoteLiteral)
      return `(${texts.join(', ')}, ${recordCount})`
    }),
  )
  if (pairs.length === 0) return undefined
  const paths = new Set(files.flatMap(({ deletes }) => deletes.map(({ path }) => path)))
  const list = [...paths].map((path) => quoteLiteral(escapeGlob(path))).join(', ')
  const columns = `MAP {
    ${deletePathFieldId}: {name: 'file_path', type: 'VARCHAR', default_value: NULL},
    ${deletePosFieldId}: {name: 'pos', type: 'BIGINT', default_value: NULL}}`
  // Without field ids every value would read as NULL, and deleted rows would come back.
  const checked = (column: string): string =>
    `CASE WHEN ${column} IS NULL THEN error('a position delete file has rows without a file or a position: ' || "$file") ELSE ${column} END AS ${column}`
  return `SELECT DISTINCT i.path, d.pos FROM (
      SELECT "$file", ${checked('file_path')}, ${checked('pos')}
      FROM read_parquet([${list}], schema = ${columns}, filename = '$file')
    ) AS d JOIN (VALUES ${pairs.join(', ')}) AS i(delete_path, location, path, rows)
    ON d."$file" = i.delete_path AND d.file_path = i.location WHERE d.pos < i.rows`
}
