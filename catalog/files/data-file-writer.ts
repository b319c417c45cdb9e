/**
 * The seam between ingest, which owns spools of raw JSON rows, and the engine that types them and
 * writes Parquet (`sql` implements it over DuckDB).
 */
import type { PartitionSpec, Schema, Value } from '../spec/types.ts'

/**
 * Rows waiting to be written: one file of newline-delimited JSON, and columns beside it.
 * Row i of the file belongs to entry i of each column.
 */
export interface RowSpool {
  readonly path: string
  readonly rowCount: number
  readonly sizeBytes: number
  /** Bytes of the longest row, so that the reader sizes its buffers. */
  readonly rowBytesMax: number
  /** Values known beside the JSON (log position, key, headers), keyed by `SideColumn.name`. */
  readonly columns: readonly SideColumn[]
}

/** A column that does not come from the JSON text. */
export type SideColumn =
  | { readonly name: string; readonly kind: 'long'; readonly values: BigInt64Array }
  | { readonly name: string; readonly kind: 'int'; readonly values: Int32Array }
  /** The same value for every row. */
  | { readonly name: string; readonly kind: 'constant'; readonly value: string }
  /** Bytes of entry i are data[starts[i], ends[i]); starts[i] < 0 means null. */
  | {
      readonly name: string
      readonly kind: 'binary'
      readonly data: Uint8Array
      readonly starts: Int32Array
      readonly ends: Int32Array
    }

export interface WriteDataFilesRequest {
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly spools: readonly RowSpool[]
  /** Existing local directory that receives the files; the caller deletes it. */
  readonly directory: string
  /**
   * How a column of the schema is filled that is not a key of the JSON rows: SQL is the engine's
   * business, so only a side column, or a struct of side columns, can be named.
   */
  readonly sideFields: readonly SideField[]
  readonly properties: Readonly<Record<string, string>>
}

export interface SideField {
  /** A top-level column of the schema. */
  readonly field: string
  readonly from:
    | { readonly kind: 'column'; readonly column: string }
    | {
        readonly kind: 'struct'
        readonly members: readonly { readonly name: string; readonly column: string }[]
      }
}

/** A Parquet file on this machine, with all that its manifest entry needs. */
export interface WrittenFile {
  readonly localPath: string
  readonly partition: readonly (Value | null)[]
  readonly recordCount: bigint
  readonly fileSizeInBytes: bigint
  readonly columnSizes: ReadonlyMap<number, bigint>
  readonly valueCounts: ReadonlyMap<number, bigint>
  readonly nullValueCounts: ReadonlyMap<number, bigint>
  readonly nanValueCounts: ReadonlyMap<number, bigint>
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
  readonly splitOffsets: readonly bigint[]
}

/** A row that the engine could not turn into the schema's types. */
export interface RefusedRow {
  readonly spool: number
  readonly row: number
  readonly reason: string
}

export interface WriteDataFilesResult {
  readonly files: readonly WrittenFile[]
  /** Rows in = rows of `files` + refused rows; the writer asserts it. */
  readonly refused: readonly RefusedRow[]
}

export interface DataFileWriter {
  write(request: WriteDataFilesRequest): Promise<WriteDataFilesResult>
}
