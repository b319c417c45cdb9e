/**
 * The seam between ingest, which owns spools of raw JSON rows, and the engine that types them and
 * writes Parquet (`sql` implements it over DuckDB).
 */
import type { PartitionSpec, Schema, Value } from '../format/types.ts'

/**
 * Rows waiting to be written: a file of newline-delimited JSON objects, which the engine parses, or a
 * Parquet file of flat columns, which hold their values already.
 */
export interface RowSpool {
  readonly path: string
  readonly rowCount: number
  readonly sizeBytes: number
  /** Bytes of the longest JSON row, so that the reader sizes its buffers. */
  readonly rowBytesMax: number
  /** The columns of a Parquet spool, by name; absent where rows are JSON. */
  readonly columns?: readonly string[]
  /** How its columns hold their values: spools of which this differs are not read together. */
  readonly layout?: string
}

/**
 * Where a column that is not a key of the user's record gets its value: from a key that ingest adds to the
 * row (such as the record's coordinates), or from a constant.
 */
export type SideSource =
  | { readonly kind: 'key'; readonly key: string; readonly type: 'int' | 'long' | 'string' }
  /** Milliseconds since the epoch, for a timestamptz column; NULL outside of years 1 to 9999 (`instantMillis`). */
  | { readonly kind: 'millis'; readonly key: string }
  | { readonly kind: 'constant'; readonly value: string }

/** A top-level column of the schema that is filled from side sources. */
export interface SideField {
  readonly field: string
  readonly from:
    | SideSource
    | {
        readonly kind: 'struct'
        readonly members: readonly { readonly name: string; readonly from: SideSource }[]
      }
}

export interface WriteDataFilesRequest {
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly spools: readonly RowSpool[]
  /** Existing local directory that receives the files; the caller deletes it. */
  readonly directory: string
  readonly sideFields: readonly SideField[]
  /** Table properties, of which `write.parquet.*` apply. */
  readonly properties: Readonly<Record<string, string>>
}

/** Counts, sizes and bounds of a file's columns, by field id. */
export interface ColumnMetrics {
  readonly columnSizes: ReadonlyMap<number, bigint>
  readonly valueCounts: ReadonlyMap<number, bigint>
  readonly nullValueCounts: ReadonlyMap<number, bigint>
  readonly nanValueCounts: ReadonlyMap<number, bigint>
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
}

/** A Parquet file on this machine, with everything that its manifest entry needs. */
export interface WrittenFile extends ColumnMetrics {
  readonly localPath: string
  readonly partition: readonly (Value | null)[]
  readonly recordCount: bigint
  readonly fileSizeInBytes: bigint
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
