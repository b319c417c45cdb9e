/** The rows of one spool while it is being filled: as JSON text, or as columns where all are flat. */
import type { ColumnLayout } from './column-layout.ts'
import type { CoordinateKeys } from './coordinate-keys.ts'

/** Decided by the decoder and the table's schema. */
export interface RowFormat {
  readonly coordinateKeys: CoordinateKeys
  /** Undefined for JSON text. */
  readonly layout: ColumnLayout | undefined
}

export interface RowBuffer {
  readonly rowCount: number
  readonly rowBytesMax: number
  /** Names of the columns, unless rows are JSON text. */
  readonly columns: readonly string[] | undefined
  /** How the columns hold their values, unless rows are JSON text. */
  readonly layout: string | undefined
  readonly extension: string
  /** Large enough for a spool of its own. */
  readonly isFull: boolean
  /** The file's content; valid until more rows are appended or `clear`. */
  content(): readonly Uint8Array[]
  clear(): void
}
