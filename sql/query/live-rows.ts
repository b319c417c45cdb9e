/**
 * Rows of a table that no snapshot has yet, as local Parquet files with a cut: the seam between a scan
 * and a streaming layer. The cut is what keeps a row that a snapshot already has from counting twice.
 */
import type { Table } from '../../catalog/index.ts'

export interface LiveRows {
  readonly files: readonly LiveFile[]
  readonly state: LiveState
  /** The files may go after this. */
  release(): Promise<void>
}

export interface LiveFile {
  readonly path: string
  /** A condition in SQL on the columns of the file and `file_row_number`; absent: all rows. */
  readonly where?: string
  /** Columns that the condition needs and the table does not have. */
  readonly extraColumns?: readonly ExtraColumn[]
}

export interface ExtraColumn {
  readonly fieldId: number
  readonly name: string
  /** DuckDB's name of the type. */
  readonly type: string
}

/** Up to where the live rows go, and how fresh they are. */
export interface LiveState {
  /** First offset not seen, by `topic/partition`. */
  readonly offsets?: Readonly<Record<string, bigint>>
  /** Undefined: there are no live rows. */
  readonly newestRowAgeMs?: number
}

/** Live rows that follow the table's current snapshot; undefined for a table without a stream. */
export type LiveSource = (table: Table) => Promise<LiveRows | undefined>
