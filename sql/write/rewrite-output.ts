/** What COPY wrote, as files that a manifest can describe. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Schema, Value } from '../../catalog/format/index.ts'
import type { WrittenFile } from '../../catalog/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { fileMetrics } from './parquet-statistics.ts'

/** What all files of one rewrite have in common. */
export interface OutputDescription {
  readonly schema: Schema
  readonly properties: Readonly<Record<string, string>>
  readonly partition: readonly (Value | null)[]
}

/** Runs a COPY with RETURN_STATS: one row for each file. */
export async function copyToFiles(
  connection: DuckDBConnection,
  copySql: string,
  output: OutputDescription,
): Promise<readonly WrittenFile[]> {
  const result = await connection.runAndReadAll(copySql)
  const rows = result.getRowObjectsJson() as unknown as readonly CopiedFile[]
  const files: WrittenFile[] = []
  // Beginning another file leaves an empty one where the rows ended just then.
  for (const row of rows.filter(({ count }) => count !== '0')) {
    const statistics = new Map(
      row.column_statistics.map(({ key, value }) => [
        key,
        new Map(value.map((entry) => [entry.key, entry.value])),
      ]),
    )
    files.push({
      localPath: row.filename,
      partition: output.partition,
      recordCount: BigInt(row.count),
      fileSizeInBytes: BigInt(row.file_size_bytes),
      ...fileMetrics(output.schema, output.properties, statistics),
      splitOffsets: await rowGroupOffsets(connection, row.filename),
    })
  }
  return files
}

interface CopiedFile {
  readonly filename: string
  readonly count: string
  readonly file_size_bytes: string
  readonly column_statistics: readonly {
    readonly key: string
    readonly value: readonly { readonly key: string; readonly value: string }[]
  }[]
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
