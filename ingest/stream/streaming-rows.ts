/**
 * What a running stream asks of the layer that shows its rows to queries before they are committed
 * (`ingest/live` implements it).
 */
import type { SideField, Table } from '../../catalog/index.ts'
import type { OffsetRange } from '../offsets/offset-range.ts'
import type { CoordinateKeys } from '../spool/coordinate-keys.ts'
import type { PendingSpool } from '../spool/spool-writer.ts'

/** A batch under way, as far as queries look at it. */
export interface SpooledRows {
  readonly newestTimestampMs: number
  readonly ranges: readonly OffsetRange[]
  readonly recordCount: number
  readonly spools: readonly PendingSpool[]
}

/** What the rows are rows of. */
export interface SpooledTable {
  readonly table: Table
  readonly sideFields: readonly SideField[]
  readonly format: { readonly coordinateKeys: CoordinateKeys }
}

export interface StreamingRows {
  /** The run begins; `directory` will hold all its files. */
  begin(directory: string): void
  /** How long until `rows` have to be published; undefined when queries see all of them. */
  dueInMs(rows: SpooledRows | undefined): number | undefined
  /** All that `rows` hold is in spools by now, and nothing waits for a column. */
  publish(rows: SpooledRows, directory: string, table: SpooledTable): void
  /** The table holds everything below the ends of these ranges. */
  committed(rows: Pick<SpooledRows, 'newestTimestampMs' | 'ranges'>): void
  /** The stream rewinds to its table: what is not committed will be read again. */
  drop(): void
  /** Deletes a folder of the run as soon as no query needs it. */
  removeFolder(directory: string): Promise<void>
  /** The run is over. */
  end(): Promise<void>
}
