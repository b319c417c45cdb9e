/** COPY to Parquet files, and what it wrote as files that a manifest can describe. */
import { rm } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Schema, Value } from '../../catalog/format/index.ts'
import type { WrittenFile } from '../../catalog/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { fieldIds } from './column-sql.ts'
import { holdsNegativeZero } from './negative-zeros.ts'
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
  { options = [], properties, schema, select, target }: CopyRequest,
  withDictionaries = true,
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
  const { properties, schema, select, target } = request
  let copied = await copyFiles(connection, request)
  let footers = await readFooters(connection, copied)
  const isDoubtful = [...footers.values()].some(({ mayMixZeros }) => mayMixZeros)
  if (isDoubtful && (await holdsNegativeZero(connection, `(${select})`, schema.fields))) {
    await rm(target, { recursive: true, force: true })
    copied = await copyFiles(connection, request, false)
    footers = await readFooters(connection, copied)
  }
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
      ...fileMetrics(schema, properties, statistics),
      splitOffsets: footers.get(file.filename)?.splitOffsets ?? [],
    }
  })
}

interface Footer {
  /** Where each row group begins, ascending. */
  readonly splitOffsets: bigint[]
  /** A column of floats around zero has a dictionary. */
  mayMixZeros: boolean
}

/** One query for all files. */
async function readFooters(
  connection: DuckDBConnection,
  files: readonly CopiedFile[],
): Promise<ReadonlyMap<string, Footer>> {
  const footers = new Map<string, Footer>()
  if (files.length === 0) return footers
  const paths = files.map(({ filename }) => quoteLiteral(filename))
  const result = await connection.runAndReadAll(
    `SELECT file_name, min(coalesce(dictionary_page_offset, data_page_offset)) AS first,
       bool_or(type IN ('FLOAT', 'DOUBLE') AND encodings LIKE '%DICTIONARY%'
         AND coalesce(TRY_CAST(stats_min_value AS DOUBLE), 0) <= 0
         AND coalesce(TRY_CAST(stats_max_value AS DOUBLE), 0) >= 0)
     FROM parquet_metadata([${paths.join(', ')}])
     GROUP BY file_name, row_group_id ORDER BY first`,
  )
  for (const [path, first, mayMix] of result.getRows() as [string, bigint, boolean][]) {
    const footer = footers.get(path) ?? { splitOffsets: [], mayMixZeros: false }
    footer.splitOffsets.push(first)
    footer.mayMixZeros ||= mayMix
    footers.set(path, footer)
  }
  return footers
}
