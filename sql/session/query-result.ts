/** What a query gives back: columns at once, rows as they come, and what it cost. */
import type { StreamingState } from '../../catalog/scan/index.ts'
import type { Namespace } from '../../catalog/format/index.ts'
import type { SqlValue } from './values.ts'

export interface ResultColumn {
  readonly name: string
  /** DuckDB's name of the type. */
  readonly type: string
}

export type ResultRow = readonly SqlValue[]

/** One table of the query: which state of it was read, and how much of it. */
export interface TableSummary {
  readonly name: string
  /** Undefined: the table has no snapshot yet. */
  readonly snapshotId: bigint | undefined
  readonly filesRead: number
  readonly filesTotal: number
  readonly bytesRead: bigint
  /** Set when streaming rows are part of the answer, even if there are none at the moment: up to which offsets. */
  readonly live?: StreamingState
}

export interface QuerySummary {
  readonly tables: readonly TableSummary[]
  readonly rowCount: number
  /** Bytes that were not in the local cache yet. */
  readonly bytesFetched: number
  readonly planningMs: number
  readonly totalMs: number
}

export interface QueryResult {
  readonly columns: readonly ResultColumn[]
  /** The rows in batches, to be read once. Reading to the end, or `close`, frees the query. */
  readonly batches: AsyncIterable<readonly ResultRow[]>
  /** Complete when the rows have been read. */
  summary(): QuerySummary
  /** Set by USE: unqualified names of later statements mean this namespace. */
  readonly usedNamespace?: Namespace
  /** Set by CALL: remarks about what was done, beside the rows. */
  readonly notes?: readonly string[]
  close(): Promise<void>
}

/** Reads a result to its end. For results that are known to be small. */
export async function allRows(result: QueryResult): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  for await (const batch of result.batches) rows.push(...batch)
  return rows
}

/** A result that is already in memory. */
export function literalResult(
  columns: readonly ResultColumn[],
  rows: readonly ResultRow[],
  totalMs: number,
  more: Pick<QueryResult, 'usedNamespace' | 'notes'> = {},
): QueryResult {
  return {
    columns,
    batches: (async function* () {
      if (rows.length > 0) yield rows
    })(),
    summary: () => ({
      tables: [],
      rowCount: rows.length,
      bytesFetched: 0,
      planningMs: totalMs,
      totalMs,
    }),
    ...more,
    close: () => Promise.resolve(),
  }
}
