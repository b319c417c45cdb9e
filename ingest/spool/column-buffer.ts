/**
 * Rows as columns, in the encoding of a Parquet page (PLAIN), so that the engine that writes the data
 * files copies them instead of parsing text, which would take it as long as everything else together
 * (docs/adr/0012-columnar-spool.md).
 */
import { ColumnKind, type ColumnDefinition } from './column-layout.ts'
import { SpoolBuffer } from './spool-buffer.ts'

const kinds = ColumnKind

/** The values of one column that are not null, one after the other. */
export class ColumnBuffer {
  readonly name: string
  readonly kind: number
  readonly bytesPerValue: number
  /** Values that are not null. */
  count = 0
  /** The row that the last value belongs to. */
  lastRow = -1
  /** Where the last value begins in `text`. */
  lastStart = 0
  /** For each row 1 when it has a value and 0 when it is null; 1 beyond the last row. */
  defined = new Uint8Array(0)
  readonly text = new SpoolBuffer(0)
  bytes = new Uint8Array(0)
  words = new Int32Array(0)
  doubles = new Float64Array(0)
  floats = new Float32Array(0)

  constructor({ name, kind }: ColumnDefinition) {
    this.name = name
    this.kind = kind
    this.bytesPerValue = widthOf(kind)
  }

  get sizeBytes(): number {
    return this.count * this.bytesPerValue + this.text.length
  }

  /** Room for `rows` rows. */
  grow(rows: number): void {
    const defined = new Uint8Array(rows).fill(1)
    defined.set(this.defined)
    this.defined = defined
    if (this.bytesPerValue === 0) return
    const bytes = new Uint8Array(rows * this.bytesPerValue)
    bytes.set(this.bytes)
    this.bytes = bytes
    this.words = new Int32Array(bytes.buffer, 0, bytes.length >> 2)
    this.doubles = new Float64Array(bytes.buffer, 0, bytes.length >> 3)
    this.floats = new Float32Array(bytes.buffer, 0, bytes.length >> 2)
  }

  clear(rows: number): void {
    if (this.count < rows) this.defined.fill(1)
    this.count = 0
    this.lastRow = -1
    this.text.clear()
  }
}

/** data[start, end) is text. */
export function appendText(
  column: ColumnBuffer,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  column.count++
  column.lastStart = column.text.length
  appendRange(column.text, data, start, end)
}

/** data[start, end) are any bytes. */
export function appendBinary(
  column: ColumnBuffer,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  const { text } = column
  column.count++
  column.lastStart = text.length
  text.reserve(end - start + 4)
  text.word(end - start)
  text.binary(data, start, end)
}

/** PLAIN byte arrays begin with their length. */
export function appendRange(text: SpoolBuffer, data: Uint8Array, start: number, end: number): void {
  text.reserve(end - start + 4)
  text.word(end - start)
  text.text(data, start, end)
}

/** For rare values: byte by byte, so that the buffer's view of the record's bytes is kept. */
export function appendBytes(text: SpoolBuffer, source: Uint8Array): void {
  text.reserve(source.length + 4)
  text.word(source.length)
  for (const byte of source) text.byte(byte)
}

function widthOf(kind: number): number {
  switch (kind) {
    case kinds.boolean:
      return 1
    case kinds.int:
    case kinds.float:
      return 4
    case kinds.text:
    case kinds.token:
    case kinds.binary:
      return 0
    default:
      return 8
  }
}
