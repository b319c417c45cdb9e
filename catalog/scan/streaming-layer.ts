/**
 * The seam between a scan and whoever reads a log ahead of the table's snapshots: `ingest` implements
 * it over the spools of running streams, `sql` reads it beside the files of a snapshot.
 *
 * The order is the contract (docs/spec/live.md, L2): pin first, load the table after. What the pin
 * shows and the table's snapshot has already is cut off by offset, so no row counts twice; what the
 * snapshot lacks the pin still holds, so none is missing.
 */
import type { Table } from '../catalog.ts'

export interface StreamingLayer {
  /** Holds every live row that there is at this moment until `release`. */
  pin(): StreamingPin
  /** How old the newest row is, for each table that a stream of this process fills. */
  freshness?(): readonly TableFreshness[]
}

export interface TableFreshness {
  /** `namespace.table`. */
  readonly table: string
  /** By the record's timestamp, committed or not. */
  readonly newestRowAgeMs: number
  /** The same of the rows that a snapshot has; undefined until this process has committed any. */
  readonly newestCommittedAgeMs: number | undefined
}

export interface StreamingPin {
  /**
   * The rows that follow the table's current snapshot, which must have been loaded after the pin.
   * Undefined for a table that no stream has ever filled.
   */
  rowsAfter(table: Table): Promise<LiveRows | undefined>
  /** The files may go after this. */
  release(): Promise<void>
}

export interface LiveRows {
  readonly files: readonly LiveFile[]
  readonly state: LiveState
}

/** A local Parquet file with the table's field ids and the columns of `livePlaceColumns`. */
export interface LiveFile {
  readonly path: string
  readonly recordCount: bigint
  /** Only these rows count; absent: all of them. */
  readonly ranges?: readonly LiveRange[]
  /** Bounds of the whole file by field id, as in a manifest. */
  readonly nullValueCounts: ReadonlyMap<number, bigint>
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
}

/** Offsets `[from, to)` of a partition. */
export interface LiveRange {
  /** Undefined where the stream reads one topic. */
  readonly topic: string | undefined
  readonly partition: number
  /** Undefined: from the first that there is. */
  readonly from: bigint | undefined
  readonly to: bigint
}

/** Up to where an answer goes, and how fresh it is. */
export interface LiveState {
  /** The next offset of the answer by `topic/partition`: it has every row below and none from there on. */
  readonly offsets?: Readonly<Record<string, bigint>>
  /** By the record's timestamp; undefined where it is not known. */
  readonly newestRowAgeMs?: number
  /** Since the newest row was read from the log. */
  readonly newestArrivalAgeMs?: number
  /** Partitions whose live rows do not reach the snapshot, or not each other: they end there. */
  readonly gaps?: readonly string[]
}

/** Names that no column of a stream's table has, and ids from the range that Iceberg keeps free. */
export const livePlaceColumns = {
  topic: { id: 2_147_480_001, name: '$live_topic', type: 'string' },
  partition: { id: 2_147_480_002, name: '$live_partition', type: 'int' },
  offset: { id: 2_147_480_003, name: '$live_offset', type: 'long' },
} as const
