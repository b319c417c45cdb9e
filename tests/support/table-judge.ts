/**
 * Independent witnesses of a table: PyIceberg, and DuckDB's iceberg extension, each through a REST
 * catalog or straight from a metadata file. Both answer the same questions in the same words as the
 * judge of topics (`kafka-judge.ts`), so that a test compares all three.
 */
import { fileURLToPath } from 'node:url'
import { duckdbExtensions, pythonEnvironment } from './services/index.ts'

const scripts = {
  pyiceberg: fileURLToPath(new URL('../interop/read_table.py', import.meta.url)),
  duckdb: fileURLToPath(new URL('../interop/read_table_duckdb.py', import.meta.url)),
} as const

export type TableReader = keyof typeof scripts

export const tableReaders: readonly TableReader[] = ['pyiceberg', 'duckdb']

export interface S3Access {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region?: string
}

/** Where the table is: behind a REST catalog, or in a metadata file. */
export type TablePlace =
  | {
      readonly uri: string
      readonly table: string
      readonly warehouse?: string
      readonly token?: string
    }
  | { readonly metadataLocation: string }

export interface TableQuestion {
  readonly s3?: S3Access
  /** Columns to sum exactly (doubles: correctly rounded). */
  readonly sums?: readonly string[]
  /** A timestamp or date column to count rows per UTC day. */
  readonly day?: string
  /** Columns or struct paths, such as `_kafka.partition` and `_kafka.offset`. */
  readonly partitionColumn?: string
  readonly offsetColumn?: string
  /** Not for DuckDB on a metadata file. */
  readonly snapshotId?: string
  /** A row filter in the reader's own words. */
  readonly filter?: string
}

export interface TableSummary {
  readonly count: number
  readonly sums: Readonly<Record<string, string>>
  readonly days: Readonly<Record<string, number>>
  readonly perPartition: Readonly<Record<string, number>>
  /** Comparable with `offsetsDigest` and with `topicSummary`. */
  readonly offsetsDigest: string
  readonly columns: readonly string[]
  /** PyIceberg only. */
  readonly snapshotId: string | null
  /** Data files in the plan; PyIceberg only. */
  readonly files: number | null
}

export async function tableSummary(
  reader: TableReader,
  place: TablePlace,
  question: TableQuestion = {},
): Promise<TableSummary> {
  return (await ask(reader, { do: 'summary', ...place, ...question })) as TableSummary
}

/** `[namespace, name]` of every table the reader finds in the catalog, sorted. */
export async function listTables(
  reader: TableReader,
  place: { readonly uri: string; readonly warehouse?: string; readonly token?: string },
  s3?: S3Access,
): Promise<readonly (readonly [string, string])[]> {
  const request = { do: 'tables', ...place, ...(s3 === undefined ? {} : { s3 }) }
  return (await ask(reader, request)) as readonly (readonly [string, string])[]
}

async function ask(
  reader: TableReader,
  request: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const python = await pythonEnvironment()
  const extensions = reader === 'duckdb' ? { extensions: await duckdbExtensions() } : {}
  const input = JSON.stringify({ ...request, ...extensions })
  return JSON.parse(await python.run(scripts[reader], [], input))
}
