/** COPY to Parquet files, and what it wrote as files that a manifest can describe. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Schema, Value } from '../../catalog/format/index.ts'
import type { WrittenFile } from '../../catalog/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { fieldIds } from './column-sql.ts'
import { copyOptions } from './parquet-options.ts'
import { fileMetrics } from './parquet-statistics.ts'

export interface CopyRequest {
  readonly select: string
  /** A local file; a folder where `options` have a FILE_SIZE_BYTES. */
  readonly target: string
  readonly schema: Schema
  /** The table's. */
  readonly properties: Readonly<Record<string, string>>
  /** Beside those that every file of a table has. */
  readonly options?: readonly string[]
}

/** A row of COPY with RETURN_STATS. */
interface CopiedFile {
  readonly filename: string
  readonly count: string
  readonly file_size_bytes: string
  readonly column_statistics: readonly {
    readonly key: string
    readonly value: readonly { readonly key: string; readonly value: string }[]
  }[]
}

/** The files, without empty ones: beginning another file leaves one where the rows ended just then. */
export async function copyFiles(
  connection: DuckDBConnection,
  { options = [], properties, schema, select, target }: CopyRequest,
): Promise<readonly CopiedFile[]> {
  const all = [
    'FORMAT parquet',
    ...copyOptions(properties),
    `FIELD_IDS ${fieldIds(schema.fields)}`,
    'RETURN_STATS',
    ...options,
  ]
  const result = await connection.runAndReadAll(
    `COPY (${select}) TO ${quoteLiteral(target)} (${all.join(', ')})`,
  )
  const files = result.getRowObjectsJson() as unknown as readonly CopiedFile[]
  return files.filter(({ count }) => count !== '0')
}

/** The same with metrics and row groups, all files in one partition. */
export async function copyDataFiles(
  connection: DuckDBConnection,
  request: CopyRequest,
  partition: readonly (Value | null)[],
): Promise<readonly WrittenFile[]> {
  const files: WrittenFile[] = []
  for (const file of await copyFiles(connection, request)) {
    const statistics = new Map(
      file.column_statistics.map(({ key, value }) => [
        key,
        new Map(value.map((entry) => [entry.key, entry.value])),
      ]),
    )
    files.push({
      localPath: file.filename,
      partition,
      recordCount: BigInt(file.count),
      fileSizeInBytes: BigInt(file.file_size_bytes),
      ...fileMetrics(request.schema, request.properties, statistics),
      splitOffsets: await rowGroupOffsets(connection, file.filename),
    })
  }
  return files
}

/** Where each row group begins, ascending. */
async function rowGroupOffsets(
  connection: DuckDBConnection,
  path: string,
): Promise<readonly bigint[]> {
  const result = await connection.runAndReadAll(
    `SELECT min(coalesce(dictionary_page_offset, data_page_offset))
     FROM parquet_metadata(${quoteLiteral(path)}) GROUP BY row_group_id ORDER BY 1`,
  )
  return result.getRows().map((row) => BigInt(row[0] as bigint))
}
