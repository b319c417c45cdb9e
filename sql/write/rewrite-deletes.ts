/**
 * The rows that position delete files take away from the inputs of a rewrite (spec, "Position Delete
 * Files"): read by field id, matched by exact location, each row once however often it is named.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { deletePathFieldId, deletePosFieldId, type RewriteInput } from '../../catalog/index.ts'
import { CorruptDataError, UnsupportedError } from '../../common/index.ts'
import { escapeGlob } from '../query/scan-sql.ts'
import { quoteLiteral } from '../sql-text.ts'

/** Temporary table `(path, pos)` as `scanSelect` wants it. */
export const deletedRows = 'rewrite_deleted_rows'

/** Fills the table, when there are delete files; answers how many rows are deleted. */
export async function loadDeletedRows(
  connection: DuckDBConnection,
  inputs: readonly RewriteInput[],
): Promise<bigint> {
  const deletePaths = deletePathsOf(inputs)
  if (deletePaths.size === 0) return 0n
  const paths = [...deletePaths].map((path) => quoteLiteral(escapeGlob(path)))
  const columns = `MAP {
    ${deletePathFieldId}: {name: 'file_path', type: 'VARCHAR', default_value: NULL},
    ${deletePosFieldId}: {name: 'pos', type: 'BIGINT', default_value: NULL}}`
  const reading = `read_parquet([${paths.join(', ')}], schema = ${columns}, filename = '$file')`
  await connection.run(
    `CREATE TEMP TABLE rewrite_inputs (delete_path VARCHAR, location VARCHAR, path VARCHAR, rows BIGINT)`,
  )
  await appendInputs(connection, inputs)
  await connection.run(
    `CREATE TEMP TABLE ${deletedRows} AS
     SELECT DISTINCT i.path, d.pos FROM ${reading} AS d
     JOIN rewrite_inputs AS i ON d."$file" = i.delete_path AND d.file_path = i.location
     WHERE d.pos < i.rows`,
  )
  await refuseNulls(connection, reading)
  const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${deletedRows}`)
  return BigInt(counted.getRows()[0]?.[0] as bigint)
}

async function appendInputs(
  connection: DuckDBConnection,
  inputs: readonly RewriteInput[],
): Promise<void> {
  const appender = await connection.createAppender('rewrite_inputs')
  for (const { file, path, deletes } of inputs) {
    for (const remove of deletes) {
      appender.appendVarchar(remove.path)
      appender.appendVarchar(file.filePath)
      appender.appendVarchar(path)
      appender.appendBigInt(file.recordCount)
      appender.endRow()
    }
  }
  appender.closeSync()
}

/** Without field ids every value would read as NULL, and deleted rows would come back. */
async function refuseNulls(connection: DuckDBConnection, reading: string): Promise<void> {
  const result = await connection.runAndReadAll(
    `SELECT "$file" FROM ${reading} WHERE file_path IS NULL OR pos IS NULL LIMIT 1`,
  )
  const path = result.getRows()[0]?.[0]
  if (path === undefined) return
  throw new CorruptDataError('a position delete file has rows without a file or a position', {
    facts: { path: path as string },
  })
}

function deletePathsOf(inputs: readonly RewriteInput[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const { file, path } of inputs.flatMap(({ deletes }) => deletes)) {
    const isPositions = file.content === 'position-deletes'
    if (!isPositions || file.fileFormat.toUpperCase() !== 'PARQUET') {
      throw new UnsupportedError('only position deletes in parquet files can be applied', {
        facts: { file: file.filePath, content: file.content, format: file.fileFormat },
      })
    }
    found.add(path)
  }
  return found
}
