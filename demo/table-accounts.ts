/**
 * The demo's accounts, counted independently: DuckDB reads the Parquet files that the Iceberg manifests name,
 * and its counts are compared with the log's own offsets and with the source file. Neither our sink nor our
 * query engine takes part.
 */
import { fileURLToPath } from 'node:url'
import { currentSnapshot } from '../catalog/format/index.ts'
import { readManifestEntries, readSnapshotManifests, type Table } from '../catalog/index.ts'
import { ValidationError } from '../common/index.ts'
import type { FileIO } from '../io/index.ts'
import { type Database, quoteLiteral } from '../sql/index.ts'
import { flightColumns, flightRows } from './flights.ts'

/** Offsets [first, next) of one partition of the log. */
export interface LogRange {
  readonly partition: number
  readonly first: bigint
  readonly next: bigint
}

/** The rows in the files of one partition of the log. */
export interface PartitionCount {
  readonly partition: number
  readonly rows: bigint
  /** Rows whose offset the log has. */
  readonly inLog: bigint
  /** Different offsets among them. */
  readonly distinct: bigint
  readonly first: bigint
  readonly last: bigint
}

/** Equal for equal rows in any order; the hash covers every column of every row. */
export interface Content {
  readonly rows: bigint
  readonly delaySum: string
  readonly distanceSum: string
  readonly hashSum: string
}

export interface DataFiles {
  readonly paths: readonly string[]
  /** Files of position deletes, which delete rows of the data files. */
  readonly deletePaths: readonly string[]
  readonly sizeBytes: bigint
}

/** The number of rows of a query, and how many rows each of two queries lacks, counting duplicates. */
export interface RowDifference {
  readonly rows: bigint
  readonly missing: bigint
  readonly unexpected: bigint
}

export async function differenceOf(
  database: Database,
  actual: string,
  expected: string,
): Promise<RowDifference> {
  const [row = []] = await queryRows(
    database,
    `WITH actual AS MATERIALIZED (${actual}), expected AS MATERIALIZED (${expected})
     SELECT (SELECT count(*) FROM actual),
       (SELECT count(*) FROM (FROM expected EXCEPT ALL FROM actual)),
       (SELECT count(*) FROM (FROM actual EXCEPT ALL FROM expected))`,
  )
  const [rows = 0n, missing = 0n, unexpected = 0n] = row.map((cell) => BigInt(cell ?? 0))
  return { rows, missing, unexpected }
}

/** The data files of the newest snapshot, as its manifests list them. */
export async function listDataFiles(io: FileIO, { metadata }: Table): Promise<DataFiles> {
  const snapshot = currentSnapshot(metadata)
  const paths: string[] = []
  const deletePaths: string[] = []
  let sizeBytes = 0n
  const manifests = snapshot === undefined ? [] : await readSnapshotManifests({ io }, snapshot)
  for (const manifest of manifests) {
    for (const { status, dataFile } of await readManifestEntries({ io }, metadata, manifest)) {
      if (status === 'deleted') continue
      if (dataFile.content === 'equality-deletes') {
        throw new ValidationError(
          'Tidewater writes no equality deletes, yet there is a file of them',
          {
            facts: { file: dataFile.filePath },
          },
        )
      }
      const { filePath } = dataFile
      const list = dataFile.content === 'data' ? paths : deletePaths
      list.push(filePath.startsWith('file:') ? fileURLToPath(filePath) : filePath)
      sizeBytes += dataFile.fileSizeInBytes
    }
  }
  return { paths, deletePaths, sizeBytes }
}

export async function countPartitions(
  database: Database,
  files: DataFiles,
  log: readonly LogRange[],
): Promise<readonly PartitionCount[]> {
  if (files.paths.length === 0) return []
  const ranges = log.map(({ partition, first, next }) => `(${partition}, ${first}, ${next})`)
  const rows = await queryRows(
    database,
    `WITH coordinates AS (
       SELECT _kafka.partition AS p, _kafka."offset" AS o FROM ${parquet(files)}
     ), log(partition, first, next) AS (VALUES ${ranges.join(', ')}),
     compared AS (
       SELECT p, o, (o >= first AND o < next) IS TRUE AS in_log
       FROM coordinates LEFT JOIN log ON p = partition
     )
     SELECT p, count(*), count(*) FILTER (in_log), count(DISTINCT o) FILTER (in_log), min(o), max(o)
     FROM compared GROUP BY p ORDER BY p`,
  )
  return rows.map(([partition, count, inLog, distinct, first, last]) => ({
    partition: Number(partition),
    rows: BigInt(count ?? 0),
    inLog: BigInt(inLog ?? 0),
    distinct: BigInt(distinct ?? 0),
    first: BigInt(first ?? -1),
    last: BigInt(last ?? -1),
  }))
}

export async function tableContent(database: Database, files: DataFiles): Promise<Content> {
  if (files.paths.length === 0) return { rows: 0n, delaySum: '0', distanceSum: '0', hashSum: '0' }
  return content(database, `SELECT ${flightColumns.join(', ')} FROM ${parquet(files)}`)
}

export function sourceContent(database: Database, file: string, count: number): Promise<Content> {
  return content(database, flightRows(file, count))
}

export function isSameContent(left: Content, right: Content): boolean {
  return (
    left.rows === right.rows &&
    left.delaySum === right.delaySum &&
    left.distanceSum === right.distanceSum &&
    left.hashSum === right.hashSum
  )
}

async function content(database: Database, rows: string): Promise<Content> {
  const [row = []] = await queryRows(
    database,
    `SELECT count(*), coalesce(sum(delay), 0), coalesce(sum(distance), 0),
       coalesce(sum(hash(ts::TIMESTAMP, delay::BIGINT, distance::BIGINT, origin, destination)), 0)
     FROM (${rows})`,
  )
  const [count, delaySum, distanceSum, hashSum] = row.map(String)
  return {
    rows: BigInt(count ?? 0),
    delaySum: delaySum ?? '',
    distanceSum: distanceSum ?? '',
    hashSum: hashSum ?? '',
  }
}

/** The rows of the files that no delete file deletes. */
export function parquet({ deletePaths, paths }: DataFiles): string {
  const all = `read_parquet([${paths.map(quoteLiteral).join(', ')}], union_by_name = true`
  if (deletePaths.length === 0) return `${all})`
  const deleted = `SELECT replace(file_path, 'file://', '') AS filename, pos AS file_row_number
    FROM read_parquet([${deletePaths.map(quoteLiteral).join(', ')}])`
  return `(SELECT * EXCLUDE (filename, file_row_number)
    FROM ${all}, filename = true, file_row_number = true)
    ANTI JOIN (${deleted}) USING (filename, file_row_number))`
}

export type Cell = string | number | bigint | null

export async function queryRows(
  database: Database,
  sql: string,
): Promise<readonly (readonly Cell[])[]> {
  return database.withConnection(async (connection) => {
    const reader = await connection.runAndReadAll(sql)
    return reader.getRowsJson() as readonly (readonly Cell[])[]
  })
}
