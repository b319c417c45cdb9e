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
  /** False for rows that a dictionary would alter (`holdsNegativeZero`). */
  readonly withDictionaries?: boolean
  /** Beside those that every file of a table has. */
  readonly options?: readonly string[]
}

/** A row of COPY with RETURN_STATS. */
export interface CopiedFile {
  readonly filename: string
  readonly count: string
  readonly file_size_bytes: string
  readonly column_statistics: readonly {
    readonly key: string
    readonly value: readonly { readonly key: string; readonly value: string }[]
  }[]
  /** What PARTITION_BY divided the files by; null without it. */
  readonly partition_keys: readonly { readonly key: string; readonly value: string }[] | null
}

/** The files, without empty ones: beginning another file leaves one where the rows ended just then. */
export async function copyFiles(
  connection: DuckDBConnection,
  { options = [], properties, schema, select, target, withDictionaries = true }: CopyRequest,
): Promise<readonly CopiedFile[]> {
  const all = [
    'FORMAT parquet',
    ...copyOptions(properties, withDictionaries),
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

/** The same with metrics and row groups. */
export async function copyDataFiles(
  connection: DuckDBConnection,
  request: CopyRequest,
  partitionOf: (file: CopiedFile) => readonly (Value | null)[],
): Promise<readonly WrittenFile[]> {
  const copied = await copyFiles(connection, request)
  const paths = copied.map(({ filename }) => filename)
  const offsets = await rowGroupOffsets(connection, paths)
  return copied.map((file) => {
    const statistics = new Map(
      file.column_statistics.map(({ key, value }) => [
        key,
        new Map(value.map((entry) => [entry.key, entry.value])),
      ]),
    )
    return {
      localPath: file.filename,
      partition: partitionOf(file),
      recordCount: BigInt(file.count),
      fileSizeInBytes: BigInt(file.file_size_bytes),
      ...fileMetrics(request.schema, request.properties, statistics),
      splitOffsets: offsets.get(file.filename) ?? [],
    }
  })
}

/** Where each row group of each file begins, ascending: one query for all footers. */
async function rowGroupOffsets(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly bigint[]>> {
  const offsets = new Map<string, bigint[]>()
  if (paths.length === 0) return offsets
  const result = await connection.runAndReadAll(
    `SELECT file_name, min(coalesce(dictionary_page_offset, data_page_offset)) AS first
     FROM parquet_metadata([${paths.map(quoteLiteral).join(', ')}])
     GROUP BY file_name, row_group_id ORDER BY first`,
  )
  for (const [path, first] of result.getRows() as [string, bigint][]) {
    const known = offsets.get(path)
    if (known === undefined) offsets.set(path, [first])
    else known.push(first)
  }
  return offsets
}
