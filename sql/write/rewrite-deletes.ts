/** The rows that position deletes take away from the inputs of a rewrite, as a temporary table. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { DataFile } from '../../catalog/format/index.ts'
import type { LocalFile, RewriteInput } from '../../catalog/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import { deletedRowsSelect, isPositionDeletes } from '../scan/deleted-rows.ts'
import type { ScanFile } from '../scan/scan-sql.ts'

/** Temporary table `(path, pos)` as `scanSelect` takes it. */
export const deletedRows = 'rewrite_deleted_rows'

/** Fills the table when there are delete files; returns how many rows are deleted. */
export async function loadDeletedRows(
  connection: DuckDBConnection,
  inputs: readonly RewriteInput[],
): Promise<bigint> {
  refuseOthers(inputs.flatMap(({ deletes }) => deletes.map(({ file }) => file)))
  const select = deletedRowsSelect(
    inputs.map(({ deletes, ...input }) => ({
      file: scanFile(input),
      recordCount: input.file.recordCount,
      deletes: deletes.map(scanFile),
    })),
  )
  if (select === undefined) return 0n
  await connection.run(`CREATE TEMP TABLE ${deletedRows} AS ${select}`)
  const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${deletedRows}`)
  return BigInt(counted.getRows()[0]?.[0] as bigint)
}

function scanFile({ file, path }: LocalFile): ScanFile {
  return { location: file.filePath, path }
}

function refuseOthers(deletes: readonly DataFile[]): void {
  const other = deletes.find((file) => !isPositionDeletes(file))
  if (other === undefined) return
  throw new UnsupportedError('only position deletes in parquet files can be applied', {
    facts: { file: other.filePath, content: other.content, format: other.fileFormat },
  })
}
