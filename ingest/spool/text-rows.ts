/** The rows of one spool as lines of JSON, each with its record's coordinates as the first members. */
import type { RecordBatch } from '../record-batch/record-batch.ts'
import type { CoordinateKeys } from './coordinate-keys.ts'
import { CoordinatePrefix } from './coordinate-prefix.ts'
import type { RowBuffer } from './row-buffer.ts'
import { SpoolBuffer } from './spool-buffer.ts'

/** Large enough for a parallel parse, small enough to hold twice. */
const bytesTarget = 32 << 20
/** The engine needs some nine times the text of a nested row while it parses it, so a large one is parsed alone. */
const largeRowBytes = 4 << 20

export class TextRows implements RowBuffer {
  readonly columns = undefined
  readonly layout = undefined
  readonly extension = 'ndjson'
  /** The decoder appends the line here. */
  readonly text = new SpoolBuffer()
  /** The coordinates of the row that was begun last. */
  readonly prefix: CoordinatePrefix
  #batch: RecordBatch | undefined

  constructor(coordinateKeys: CoordinateKeys) {
    this.prefix = new CoordinatePrefix(coordinateKeys)
  }

  get rowCount(): number {
    return this.text.rowCount
  }

  get rowBytesMax(): number {
    return this.text.rowBytesMax
  }

  get isFull(): boolean {
    return this.text.length >= bytesTarget || this.text.rowBytesMax >= largeRowBytes
  }

  /** Puts the coordinates of record `index` into `prefix`; nothing is appended yet. */
  beginRow(batch: RecordBatch, index: number): void {
    if (batch !== this.#batch) {
      this.#batch = batch
      this.prefix.enter(batch.topic, batch.partition)
    }
    this.prefix.write(batch.offsets, batch.timestamps, index)
  }

  content(): readonly Uint8Array[] {
    return [this.text.view()]
  }

  clear(): void {
    this.#batch = undefined
    this.text.clear()
  }
}
