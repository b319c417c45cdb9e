/** The rows of one spool while it is being filled: as JSON text, or as columns where all are flat. */
import type { PlaceKeys } from './place-keys.ts'
import type { RecordBatch } from '../source/record-source.ts'
import { ColumnarRows } from './column-buffer.ts'
import type { ColumnLayout } from './column-layout.ts'
import { parquetSpool } from './parquet-spool.ts'
import { PlacePrefix } from './place-prefix.ts'
import { recordMember } from './record-member.ts'
import { type RowScanner, ScanResult } from '../decode/json/row-scanner.ts'
import { SpoolBuffer } from './spool-buffer.ts'

/** Decided by the table's schema and the stream's coercion. */
export interface RowFormat {
  readonly placeKeys: PlaceKeys
  /** Undefined: JSON text. */
  readonly layout: ColumnLayout | undefined
}

export interface RowBuffer {
  readonly rowCount: number
  readonly rowBytesMax: number
  /** Names of the columns, unless rows are JSON text. */
  readonly columns: readonly string[] | undefined
  readonly extension: string
  /** Large enough for a spool of its own. */
  readonly isFull: boolean
  /** Scans record `index` of `batch` and appends it when it is good. Returns a `ScanResult`. */
  take(scanner: RowScanner, batch: RecordBatch, index: number): number
  /** The file's content; valid until the next `take` or `clear`. */
  content(): readonly Uint8Array[]
  clear(): void
}

/** Large enough for a parallel parse, small enough to hold twice. */
const jsonBytesTarget = 32 << 20
/** The engine's tables and files hold rows in groups of this many. */
const columnRowsTarget = 122_880
const columnBytesTarget = 32 << 20

export function openRowBuffer({ layout, placeKeys }: RowFormat): RowBuffer {
  return layout === undefined ? new JsonRows(placeKeys) : new ColumnRows(layout)
}

class JsonRows implements RowBuffer {
  readonly columns = undefined
  readonly extension = 'ndjson'
  readonly #out = new SpoolBuffer()
  readonly #prefix: PlacePrefix
  readonly #recordKey: string
  #batch: RecordBatch | undefined

  constructor(placeKeys: PlaceKeys) {
    this.#recordKey = placeKeys.record
    this.#prefix = new PlacePrefix(placeKeys)
  }

  get rowCount(): number {
    return this.#out.rowCount
  }

  get rowBytesMax(): number {
    return this.#out.rowBytesMax
  }

  get isFull(): boolean {
    return this.#out.length >= jsonBytesTarget
  }

  take(scanner: RowScanner, batch: RecordBatch, index: number): number {
    const { data, valueStarts, valueEnds } = batch
    const result = scanner.scan(data, valueStarts[index] as number, valueEnds[index] as number)
    if (result !== ScanResult.good) return result
    const prefix = this.#prefix
    if (batch !== this.#batch) {
      this.#batch = batch
      prefix.enter(batch.topic, batch.partition)
    }
    prefix.write(batch.offsets, batch.timestamps, index)
    const member = recordMember(this.#recordKey, batch, index, scanner.isTextChanged)
    scanner.copyTo(this.#out, prefix.bytes, prefix.length, member)
    return result
  }

  content(): readonly Uint8Array[] {
    return [this.#out.view()]
  }

  clear(): void {
    this.#batch = undefined
    this.#out.clear()
  }
}

class ColumnRows implements RowBuffer {
  readonly columns: readonly string[]
  readonly extension = 'parquet'
  readonly rowBytesMax = 0
  readonly #rows: ColumnarRows

  constructor(layout: ColumnLayout) {
    this.#rows = new ColumnarRows(layout)
    this.columns = this.#rows.columns.map((column) => column.name)
  }

  get rowCount(): number {
    return this.#rows.rowCount
  }

  get isFull(): boolean {
    return this.rowCount >= columnRowsTarget || this.#rows.sizeBytes >= columnBytesTarget
  }

  take(scanner: RowScanner, batch: RecordBatch, index: number): number {
    const rows = this.#rows
    const { data, valueStarts, valueEnds } = batch
    rows.beginRow()
    const start = valueStarts[index] as number
    const result = scanner.scan(data, start, valueEnds[index] as number, rows)
    if (result === ScanResult.good) rows.endRow(batch, index)
    else rows.dropRow()
    return result
  }

  content(): readonly Uint8Array[] {
    return parquetSpool(this.#rows)
  }

  clear(): void {
    this.#rows.clear()
  }
}
