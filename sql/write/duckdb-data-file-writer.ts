/**
 * DataFileWriter over DuckDB: spools of JSON rows become Parquet files, one per partition tuple.
 *
 * Invariants (docs/spec/data-files.md): rows in equal rows written plus rows refused (W1); every node
 * of the file carries its field id (W2); each row lies in the file of its own partition tuple (W3);
 * bounds contain every value (W4). `ignore_errors` is never used: it turns a bad value into NULL.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import {
  type DataFileWriter,
  RefusedColumnsError,
  type RefusedRow,
  type RowSpool,
  type WriteDataFilesRequest,
  type WriteDataFilesResult,
} from '../../catalog/index.ts'
import { CorruptDataError, errorMessage, ValidationError } from '../../common/index.ts'
import type { Database } from '../session/database.ts'
import { copyPartitions } from './copy-partitions.ts'
import { type PartitionPlan, partitionRows, planPartitions } from './partition-rows.ts'
import { bucketMacros } from './partition-sql.ts'
import { isRowFault, splitRefused } from './refused-rows.ts'
import { typedRows } from './typed-rows.ts'
import { writableSchema } from './writable-schema.ts'

export function createDataFileWriter(database: Database): DataFileWriter {
  return {
    write: (request) =>
      // Records larger than the limit expects need more, and a stream must not stop at them.
      database.withMemory(async (connection) => {
        // Rows carry their offset; order inside a file means nothing and costs a third of the time.
        await connection.run('SET SESSION preserve_insertion_order = false')
        // Spools and footers are read once; the cache would keep them until memory runs out.
        await connection.run('SET GLOBAL enable_external_file_cache = false')
        for (const macro of bucketMacros) await connection.run(macro)
        try {
          return await writeDataFiles(connection, {
            ...request,
            schema: writableSchema(request.schema),
          })
        } catch (error) {
          const hasColumns = request.spools.some((spool) => spool.columns !== undefined)
          throw hasColumns && isRowFault(error) ? new RefusedColumnsError(error) : error
        }
      }),
  }
}

async function writeDataFiles(
  connection: DuckDBConnection,
  request: WriteDataFilesRequest,
): Promise<WriteDataFilesResult> {
  const plan = planPartitions(request.schema, request.spec)
  const { spools, refused } = await loadRows(connection, request, plan)
  const rowCount = spools.reduce((sum, spool) => sum + spool.rowCount, 0)
  if (rowCount === 0) return { files: [], refused }
  await assertRowCount(connection, rowCount)
  const { directory, properties, schema } = request
  const rowBytes = spools.reduce((sum, spool) => sum + spool.sizeBytes, 0) / rowCount
  const copy = { schema, properties, directory, rowBytes }
  const partitioned = await partitionRows(connection, plan, isColumns(spools) ? 'view' : 'table')
  const files = await copyPartitions(connection, partitioned, copy)
  const written = files.reduce((sum, file) => sum + Number(file.recordCount), 0)
  if (written !== rowCount) {
    throw new CorruptDataError('rows written differ from rows read', {
      facts: { rowCount, written },
    })
  }
  return { files, refused }
}

/**
 * Names all rows `batch_rows`: a view over columns, which are read as fast as a table is, or a table of
 * parsed JSON. When the engine refuses a row of JSON, that row is found and left out.
 */
async function loadRows(
  connection: DuckDBConnection,
  request: WriteDataFilesRequest,
  plan: PartitionPlan,
): Promise<{ spools: readonly RowSpool[]; refused: readonly RefusedRow[] }> {
  const query = (spools: readonly RowSpool[]): string =>
    typedRows(spools, request, plan.selectItems)
  if (isColumns(request.spools)) {
    await connection.run(`CREATE OR REPLACE TEMP VIEW batch_rows AS ${query(request.spools)}`)
    return { spools: request.spools, refused: [] }
  }
  const create = (spools: readonly RowSpool[]): string =>
    `CREATE OR REPLACE TEMP TABLE batch_rows AS ${query(spools)}`
  try {
    const [first = [], ...rest] = parsedTogether(request.spools)
    await connection.run(create(first))
    for (const spools of rest) await connection.run(`INSERT INTO batch_rows ${query(spools)}`)
    return { spools: request.spools, refused: [] }
  } catch (cause) {
    if (!isRowFault(cause)) throw cause
    const accepts = async (spool: RowSpool): Promise<string | undefined> => {
      try {
        await connection.run(create([spool]))
        return undefined
      } catch (error) {
        if (!isRowFault(error)) throw error
        return errorMessage(error)
      }
    }
    const split = await splitRefused(request.spools, request.directory, accepts)
    if (split.refused.length === 0) {
      throw new ValidationError('the engine refused the batch but none of its rows', { cause })
    }
    if (split.spools.length > 0) await connection.run(create(split.spools))
    return split
  }
}

/** A row of this many bytes takes some nine times its text while it is parsed, so it is parsed alone. */
const largeRowBytes = 4 << 20

/** Ordinary spools at once, so that they are parsed in parallel, and each with a large row for itself. */
function parsedTogether(spools: readonly RowSpool[]): readonly (readonly RowSpool[])[] {
  const ordinary = spools.filter(({ rowBytesMax }) => rowBytesMax < largeRowBytes)
  const large = spools.filter(({ rowBytesMax }) => rowBytesMax >= largeRowBytes)
  return [...(ordinary.length === 0 ? [] : [ordinary]), ...large.map((spool) => [spool])]
}

/** Spools of columns are read where they lie, JSON once into a table. */
function isColumns(spools: readonly RowSpool[]): boolean {
  return spools.every((spool) => spool.columns !== undefined)
}

async function assertRowCount(connection: DuckDBConnection, rowCount: number): Promise<void> {
  const result = await connection.runAndReadAll('SELECT count(*) FROM batch_rows')
  const rowsRead = Number(result.getRows()[0]?.[0])
  if (rowsRead !== rowCount) {
    throw new CorruptDataError('the engine read another number of rows than were spooled', {
      facts: { spooled: rowCount, read: rowsRead },
    })
  }
}
