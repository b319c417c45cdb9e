/** The rows of one spool as columns, each with its record's coordinates in the log. */
import type { RecordBatch } from '../record-batch/record-batch.ts'
import { appendBytes, ColumnBuffer } from './column-buffer.ts'
import { ColumnKind, type ColumnLayout } from './column-layout.ts'
import { parquetSpool } from './parquet-spool.ts'
import type { RowBuffer } from './row-buffer.ts'

const kinds = ColumnKind
/** The engine's tables and files hold rows in groups of this many. */
const rowsTarget = 122_880
const bytesTarget = 32 << 20

export class ColumnarRows implements RowBuffer {
  readonly columns: readonly string[]
  readonly layout: string
  readonly extension = 'parquet'
  readonly rowBytesMax = 0
  rowCount = 0
  #capacity = 0
  /** The columns of the layout's fields in their order, which the decoder fills. */
  readonly fields: readonly ColumnBuffer[]
  readonly #buffers: readonly ColumnBuffer[]
  readonly #topic: ColumnBuffer | undefined
  readonly #partition: ColumnBuffer
  readonly #timestamp: ColumnBuffer
  readonly #offset: ColumnBuffer
  #offsets: BigInt64Array = new BigInt64Array(0)
  #offsetWords: Int32Array = new Int32Array(0)
  #timestampWords: Int32Array = new Int32Array(0)

  constructor(layout: ColumnLayout) {
    const { coordinates } = layout
    this.fields = layout.fields.map((field) => new ColumnBuffer(field))
    this.#topic =
      coordinates.topic === undefined
        ? undefined
        : new ColumnBuffer({ name: coordinates.topic, kind: kinds.text })
    this.#partition = new ColumnBuffer({ name: coordinates.partition, kind: kinds.int })
    this.#timestamp = new ColumnBuffer({ name: coordinates.timestamp, kind: kinds.long })
    this.#offset = new ColumnBuffer({ name: coordinates.offset, kind: kinds.long })
    const topic = this.#topic === undefined ? [] : [this.#topic]
    this.#buffers = [...this.fields, ...topic, this.#partition, this.#timestamp, this.#offset]
    this.columns = this.#buffers.map((column) => column.name)
    this.layout = this.#buffers.map((column) => column.kind).join(' ')
  }

  get isFull(): boolean {
    if (this.rowCount >= rowsTarget) return true
    return this.#buffers.reduce((sum, column) => sum + column.sizeBytes, 0) >= bytesTarget
  }

  /** Makes room for a row; the decoder then appends its values, and ends or drops the row. */
  beginRow(): void {
    if (this.rowCount === this.#capacity) this.#grow()
  }

  /** The row's values are those of record `index` of `batch`; columns without one are null there. */
  endRow(batch: RecordBatch, index: number): void {
    const row = this.rowCount
    for (const column of this.fields) if (column.lastRow !== row) column.defined[row] = 0
    this.#appendCoordinates(batch, index)
    this.rowCount = row + 1
  }

  /** Removes the values of a row whose record turned out to be bad. */
  dropRow(): void {
    const row = this.rowCount
    for (const column of this.fields) {
      if (column.lastRow !== row) continue
      column.lastRow = -1
      column.count--
      if (column.bytesPerValue === 0) column.text.length = column.lastStart
    }
  }

  content(): readonly Uint8Array[] {
    return parquetSpool(this.rowCount, this.#buffers)
  }

  clear(): void {
    for (const column of this.#buffers) column.clear(this.rowCount)
    this.rowCount = 0
  }

  #grow(): void {
    this.#capacity = Math.max(1024, this.#capacity * 2)
    for (const column of this.#buffers) column.grow(this.#capacity)
  }

  #appendCoordinates(batch: RecordBatch, index: number): void {
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

/** The halves of 64-bit numbers in the machine's order, which Parquet shares: little-endian. */
function wordsOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2)
}
