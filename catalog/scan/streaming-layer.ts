/**
 * The seam between a scan and the rows that streams have read but not yet committed: `ingest` implements it
 * over the spools of running streams, `sql` reads it beside the files of a snapshot.
 *
 * The order is the contract (docs/spec/live.md, L2): pin first, load the table after. Rows
 * that the pin shows and the table's snapshot already has are cut off by offset, so no row counts twice; rows
 * that the snapshot lacks are still held by the pin, so none is missing.
 */
import type { Table } from '../catalog.ts'

export interface StreamingLayer {
  /** Holds every streaming row of this moment until `release`. */
  pin(): StreamingPin
  /** How old the newest row is, for each table that a stream of this process fills. */
  freshness?(): readonly TableFreshness[]
}

export interface TableFreshness {
  /** `namespace.table`. */
  readonly table: string
  /** By the record's timestamp, committed or not. */
  readonly newestRowAgeMs: number
  /** The same for committed rows; undefined until this process has committed any. */
  readonly newestCommittedAgeMs: number | undefined
}

export interface StreamingPin {
  /**
   * The rows that follow the table's current snapshot, which must have been loaded after the pin.
   * Undefined for a table that no stream has ever filled.
   */
  rowsAfter(table: Table): Promise<StreamingScan | undefined>
  /** The files may be deleted after this. */
  release(): Promise<void>
}

export interface StreamingScan {
  readonly files: readonly StreamingFile[]
  readonly state: StreamingState
}

/** A local Parquet file with the table's field ids and the columns of `streamingCoordinateColumns`. */
export interface StreamingFile {
  readonly path: string
  readonly recordCount: bigint
  /** Only these rows count; absent: all of them. */
  readonly ranges?: readonly StreamingRange[]
  /** Bounds of the whole file by field id, as in a manifest. */
  readonly nullValueCounts: ReadonlyMap<number, bigint>
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
}

/** Offsets `[from, to)` of a partition. */
export interface StreamingRange {
  /** Undefined where the stream reads one topic. */
  readonly topic: string | undefined
  readonly partition: number
  /** Undefined: from the first record of the partition. */
  readonly from: bigint | undefined
  readonly to: bigint
}

/** Up to which offsets an answer goes, and how fresh it is. */
export interface StreamingState {
  /** The next offset of the answer by `topic/partition`: it has every row below and none from there on. */
  readonly offsets?: Readonly<Record<string, bigint>>
  /** By the record's timestamp; undefined where it is not known. */
  readonly newestRowAgeMs?: number
  /** Since the newest row was read from the log. */
  readonly newestArrivalAgeMs?: number
  /** Partitions with a gap between the snapshot and the streaming rows, or between these: the answer ends at the gap. */
  readonly gaps?: readonly string[]
}

/** Names that no column of a stream's table may have, with field ids from the range that Iceberg reserves. */
export const streamingCoordinateColumns = {
  topic: { id: 2_147_480_001, name: '$live_topic', type: 'string' },
  partition: { id: 2_147_480_002, name: '$live_partition', type: 'int' },
  offset: { id: 2_147_480_003, name: '$live_offset', type: 'long' },
} as const
