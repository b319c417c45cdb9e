/**
 * Data files of partitioned rows: a large tuple has a COPY of its own, small ones are copied many at a
 * time, so that the cost is that of the rows and files and not that of a statement for each tuple.
 *
 * What is held in memory is bounded, however many tuples there are: each COPY takes as many as fit.
 */
import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { indexFields, isPrimitive, type Schema } from '../../catalog/format/index.ts'
import type { WrittenFile } from '../../catalog/index.ts'
import { CorruptDataError } from '../../common/index.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import { copyDataFiles, type CopyRequest } from './copy-files.ts'
import { columnList, type PartitionedRows, type PartitionTuple } from './partition-rows.ts'

export interface PartitionsRequest {
  readonly schema: Schema
  /** The table's. */
  readonly properties: Readonly<Record<string, string>>
  /** Existing local directory that receives the files. */
  readonly directory: string
  /** Of a row on average, to bound what is in memory. */
  readonly rowBytes: number
  /** Size at which another file of a tuple is begun; absent: a tuple has one file. */
  readonly fileBytesTarget?: number
}

/** As many files as DuckDB keeps open in one COPY; beyond that a tuple would get several. */
const tuplesAtOnce = 100
/** Each open file holds pages of each of its columns: some 25 kB. */
const openColumnsMax = 2_000
const rowsAtOnce = 122_880
const bytesAtOnce = 64 << 20
/** A tuple with this many rows gains nothing from company. */
const aloneRows = 30_000
const aloneBytes = 8 << 20

/** Throws CorruptDataError when a tuple has other than its rows. */
export async function copyPartitions(
  connection: DuckDBConnection,
  rows: PartitionedRows,
  request: PartitionsRequest,
): Promise<readonly WrittenFile[]> {
  const files: WrittenFile[] = []
  if (rowsOf(rows.tuples) === 0n) return files
  for (const wave of planWaves(rows.tuples, request)) {
    const written = await copyWave(connection, rows, request, wave)
    const [rowCount, recordCount] = [
      rowsOf(rows.tuples.slice(wave.from, wave.to)),
      recordsOf(written),
    ]
    if (rowCount !== recordCount) {
      throw new CorruptDataError('data files hold another number of rows than their partitions', {
        facts: { expected: rowCount, written: recordCount },
      })
    }
    files.push(...written)
  }
  return files
}

/** Tuples of one COPY, by their numbers: from, until before to. */
interface Wave {
  readonly from: number
  readonly to: number
}

function planWaves(
  tuples: readonly PartitionTuple[],
  { fileBytesTarget = Infinity, rowBytes, schema }: PartitionsRequest,
): readonly Wave[] {
  const tuplesMax = Math.max(1, Math.min(tuplesAtOnce, Math.floor(openColumnsMax / leaves(schema))))
  const rowsMax = Math.min(rowsAtOnce, bytesAtOnce / rowBytes)
  const rowsAlone = Math.min(aloneRows, Math.min(aloneBytes, fileBytesTarget) / rowBytes)
  const waves: Wave[] = []
  let from = 0
  let rowCount = 0
  for (const [number, tuple] of tuples.entries()) {
    const isAlone = tuple.rowCount >= rowsAlone
    const isFull = number - from >= tuplesMax || rowCount + tuple.rowCount > rowsMax
    if (number > from && (isAlone || isFull)) {
      waves.push({ from, to: number })
      from = number
      rowCount = 0
    }
    rowCount += tuple.rowCount
    if (!isAlone) continue
    waves.push({ from, to: number + 1 })
    from = number + 1
    rowCount = 0
  }
  if (from < tuples.length) waves.push({ from, to: tuples.length })
  return waves
}

async function copyWave(
  connection: DuckDBConnection,
  rows: PartitionedRows,
  request: PartitionsRequest,
  { from, to }: Wave,
): Promise<readonly WrittenFile[]> {
  const { numberColumn, table, tuples } = rows
  const { properties, schema } = request
  const columns = columnList(schema)
  const number = quoteIdentifier(numberColumn)
  if (to - from === 1) {
    const condition = tuples.length === 1 ? '' : ` WHERE ${number} = ${from}`
    const select = `SELECT ${columns} FROM ${table}${condition}`
    const copy = { select, schema, properties, ...(await targetOf(request)) }
    return copyDataFiles(connection, copy, () => tuples[from]?.partition ?? [])
  }
  const copy = {
    select: `SELECT ${columns}, ${number} FROM ${table} WHERE ${number} >= ${from} AND ${number} < ${to}`,
    target: join(request.directory, randomUUID()),
    schema,
    properties,
    options: [`PARTITION_BY (${number})`, 'WRITE_PARTITION_COLUMNS false'],
  }
  return copyDataFiles(connection, copy, ({ partition_keys: keys }) => {
    const tuple = tuples[Number(keys?.[0]?.value)]
    if (tuple !== undefined) return tuple.partition
    throw new CorruptDataError('the engine wrote a file of no partition')
  })
}

/** One file, or a folder of files that the engine begins where one has grown large. */
async function targetOf({
  directory,
  fileBytesTarget,
}: PartitionsRequest): Promise<Pick<CopyRequest, 'target' | 'options'>> {
  if (fileBytesTarget === undefined) return { target: join(directory, `${randomUUID()}.parquet`) }
  const target = join(directory, randomUUID())
  await mkdir(target)
  return { target, options: [`FILE_SIZE_BYTES ${fileBytesTarget}`] }
}

function leaves(schema: Schema): number {
  let count = 0
  for (const { field } of indexFields(schema).values()) if (isPrimitive(field.type)) count++
  return count
}

function rowsOf(tuples: readonly PartitionTuple[]): bigint {
  return BigInt(tuples.reduce((sum, { rowCount }) => sum + rowCount, 0))
}

function recordsOf(files: readonly WrittenFile[]): bigint {
  return files.reduce((sum, { recordCount }) => sum + recordCount, 0n)
}
