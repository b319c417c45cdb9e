/**
 * Rows as columns, in the encoding of a Parquet page (PLAIN), so that the engine that writes the data
 * files copies them instead of parsing text: parsing costs it as much as everything else together
 * (docs/adr/0012-columnar-spool.md).
 */
import type { RecordBatch } from '../source/record-source.ts'
import { ColumnKind, type ColumnDefinition, type ColumnLayout } from './column-layout.ts'
import { SpoolBuffer } from './spool-buffer.ts'
import { exactPowers, latin1, writeLong, writeSafe, writeTimestamp } from '../decode/json/token-values.ts'

const kinds = ColumnKind
const { boolean: BOOLEAN, int: INT, long: LONG, float: FLOAT, double: DOUBLE } = ColumnKind
const { timestamp: TIMESTAMP, timestamptz: TIMESTAMPTZ } = ColumnKind
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The values of one column, those that are not null one after the other. */
export class ColumnBuffer {
  readonly name: string
  readonly kind: number
  readonly bytesPerValue: number
  /** Values that are not null. */
  count = 0
  /** The row that the last value belongs to. */
  lastRow = -1
  /** Where that value begins in `text`. */
  lastStart = 0
  /** By row: 0 where there is none. Ones beyond the last row. */
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

export class ColumnarRows {
  readonly layout: ColumnLayout
  readonly columns: readonly ColumnBuffer[]
  rowCount = 0
  #capacity = 0
  /** Those of the plan, in its order. */
  readonly fields: readonly ColumnBuffer[]
  readonly #topic: ColumnBuffer | undefined
  readonly #partition: ColumnBuffer
  readonly #timestamp: ColumnBuffer
  readonly #offset: ColumnBuffer
  #offsets: BigInt64Array = new BigInt64Array(0)
  #offsetWords: Int32Array = new Int32Array(0)
  #timestampWords: Int32Array = new Int32Array(0)

  constructor(layout: ColumnLayout) {
    this.layout = layout
    const { place } = layout
    this.fields = layout.fields.map((field) => new ColumnBuffer(field))
    this.#topic =
      place.topic === undefined
        ? undefined
        : new ColumnBuffer({ name: place.topic, kind: kinds.text })
    this.#partition = new ColumnBuffer({ name: place.partition, kind: kinds.int })
    this.#timestamp = new ColumnBuffer({ name: place.timestamp, kind: kinds.long })
    this.#offset = new ColumnBuffer({ name: place.offset, kind: kinds.long })
    const topic = this.#topic === undefined ? [] : [this.#topic]
    this.columns = [...this.fields, ...topic, this.#partition, this.#timestamp, this.#offset]
  }

  get sizeBytes(): number {
    return this.columns.reduce((sum, column) => sum + column.sizeBytes, 0)
  }

  /** Makes room for a row; the scanner then appends its values. */
  beginRow(): void {
    if (this.rowCount === this.#capacity) this.#grow()
  }

  /** The row's values are those of record `index` of `batch`; columns without one are null there. */
  endRow(batch: RecordBatch, index: number): void {
    const row = this.rowCount
    for (const column of this.fields) if (column.lastRow !== row) column.defined[row] = 0
    this.#appendPlace(batch, index)
    this.rowCount = row + 1
  }

  /** Takes back the values of a row that was found faulty half-way. */
  dropRow(): void {
    const row = this.rowCount
    for (const column of this.fields) {
      if (column.lastRow !== row) continue
      column.lastRow = -1
      column.count--
      if (column.bytesPerValue === 0) column.text.length = column.lastStart
    }
  }

  clear(): void {
    for (const column of this.columns) column.clear(this.rowCount)
    this.rowCount = 0
  }

  #grow(): void {
    this.#capacity = Math.max(1024, this.#capacity * 2)
    for (const column of this.columns) column.grow(this.#capacity)
  }

  #appendPlace(batch: RecordBatch, index: number): void {
    if (batch.offsets !== this.#offsets) {
      this.#offsets = batch.offsets
      this.#offsetWords = wordsOf(batch.offsets)
      this.#timestampWords = wordsOf(batch.timestamps)
    }
    if (this.#topic !== undefined) {
      appendBytes(this.#topic.text, Buffer.from(batch.topic, 'utf8'))
      this.#topic.count++
    }
    this.#partition.words[this.#partition.count++] = batch.partition
    copyLong(this.#timestamp, this.#timestampWords, index)
    copyLong(this.#offset, this.#offsetWords, index)
  }
}

function copyLong(column: ColumnBuffer, words: Int32Array, index: number): void {
  const at = 2 * column.count++
  column.words[at] = words[2 * index] as number
  column.words[at + 1] = words[2 * index + 1] as number
}

/** `value` without its point, which stands `decimals` digits from the end. Both are exact as doubles. */
export function appendNumber(column: ColumnBuffer, value: number, decimals: number): void {
  const at = column.count++
  switch (column.kind) {
    case LONG:
      writeSafe(column.words, 2 * at, value)
      return
    case INT:
      column.words[at] = value
      return
    case DOUBLE:
      column.doubles[at] = decimals === 0 ? value : value / (exactPowers[decimals] as number)
      return
    case FLOAT:
      column.floats[at] = decimals === 0 ? value : value / (exactPowers[decimals] as number)
      return
    default:
      throw new Error(`assertion failed: no number column ${column.name}`)
  }
}

/** data[start, end) is the content of a string without escapes. */
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

/** data[start, end) is a whole JSON token, checked and not null. */
export function appendToken(
  column: ColumnBuffer,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  const at = column.count++
  switch (column.kind) {
    case LONG:
      writeLong(column.words, 2 * at, data, start, end)
      return
    case INT:
      column.words[at] = Number(latin1(data, start, end))
      return
    case DOUBLE:
      column.doubles[at] = Number(latin1(data, start, end))
      return
    case FLOAT:
      column.floats[at] = Number(latin1(data, start, end))
      return
    case TIMESTAMP:
    case TIMESTAMPTZ:
      writeTimestamp(column.words, 2 * at, data, start + 1, end - 1)
      return
    case BOOLEAN:
      column.bytes[at] = data[start] === 0x74 ? 1 : 0
      return
    default:
      column.lastStart = column.text.length
      appendCharacters(column.text, data, start, end)
  }
}

/** A number as it stands, a string without its quotes and escapes. */
function appendCharacters(text: SpoolBuffer, data: Uint8Array, start: number, end: number): void {
  if (data[start] !== QUOTE) appendRange(text, data, start, end)
  else if (hasEscape(data, start, end)) appendBytes(text, unescaped(data, start, end))
  else appendRange(text, data, start + 1, end - 1)
}

/** PLAIN byte arrays begin with their length. */
function appendRange(text: SpoolBuffer, data: Uint8Array, start: number, end: number): void {
  text.reserve(end - start + 4)
  text.word(end - start)
  text.text(data, start, end)
}

/** For the rare ones, whose source must not displace the record's in the buffer's view. */
function appendBytes(text: SpoolBuffer, source: Uint8Array): void {
  text.reserve(source.length + 4)
  text.word(source.length)
  for (const byte of source) text.byte(byte)
}

function hasEscape(data: Uint8Array, start: number, end: number): boolean {
  for (let pos = start; pos < end; pos++) if (data[pos] === BACKSLASH) return true
  return false
}

function unescaped(data: Uint8Array, start: number, end: number): Uint8Array {
  const text = Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('utf8')
  return Buffer.from(JSON.parse(text) as string, 'utf8')
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
      return 0
    default:
      return 8
  }
}

/** The halves of 64-bit numbers in the machine's order, which Parquet shares: little-endian. */
function wordsOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2)
}
