/**
 * The growing bytes of one spool: newline-delimited rows, kept in memory until they are written to a
 * file in one go (the file is a cache that a crash may lose; the log still has the records).
 */

/** From this size on a native copy is faster despite the view object that it needs. */
const nativeCopyMin = 512

export class SpoolBuffer {
  length = 0
  rowCount = 0
  rowBytesMax = 0
  #bytes: Buffer
  #view: DataView
  #source: Uint8Array = new Uint8Array(0)
  #sourceView: DataView = new DataView(new ArrayBuffer(0))
  #headSource: Uint8Array = new Uint8Array(0)
  #headView: DataView = new DataView(new ArrayBuffer(0))
  #rowStart = 0

  constructor(capacityBytes = 1 << 20) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes)
    this.#view = viewOf(this.#bytes)
  }

  /** Makes room for `count` more bytes. Must precede `byte`, `word`, `text`, `binary` and `head`. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.length)
    this.#bytes = grown
    this.#view = viewOf(grown)
  }

  byte(value: number): void {
    this.#bytes[this.length++] = value
  }

  /** 32 bits, little-endian. */
  word(value: number): void {
    this.#view.setInt32(this.length, value, true)
    this.length += 4
  }

  /**
   * Appends source[start, end), which must be valid UTF-8. Eight bytes at a time as doubles: as fast
   * as the native copy and without a view object for each record. Read little-endian, valid UTF-8
   * never has the bits of a NaN (0x7f or 0xff after a byte from 0xf0 up), so no bit can be changed.
   */
  text(source: Uint8Array, start: number, end: number): void {
    if (source !== this.#source) {
      this.#source = source
      this.#sourceView = viewOf(source)
    }
    this.#copy(source, this.#sourceView, start, end)
  }

  /** Appends source[start, end), any bytes: as integers, because a NaN double may lose bits. */
  binary(source: Uint8Array, start: number, end: number): void {
    if (end - start > nativeCopyMin) {
      this.#bytes.set(source.subarray(start, end), this.length)
      this.length += end - start
      return
    }
    if (source !== this.#source) {
      this.#source = source
      this.#sourceView = viewOf(source)
    }
    const from = this.#sourceView
    const to = this.#view
    let length = this.length
    let pos = start
    for (; pos + 4 <= end; pos += 4, length += 4) to.setInt32(length, from.getInt32(pos))
    const target = this.#bytes
    for (; pos < end; pos++) target[length++] = source[pos] as number
    this.length = length
  }

  /** As `text`, for the few bytes in front of each row, whose buffer never changes. */
  head(source: Uint8Array, end: number): void {
    if (source !== this.#headSource) {
      this.#headSource = source
      this.#headView = viewOf(source)
    }
    this.#copy(source, this.#headView, 0, end)
  }

  #copy(source: Uint8Array, from: DataView, start: number, end: number): void {
    const to = this.#view
    let length = this.length
    let pos = start
    for (; pos + 8 <= end; pos += 8, length += 8) {
      to.setFloat64(length, from.getFloat64(pos, true), true)
    }
    const target = this.#bytes
    for (; pos < end; pos++) target[length++] = source[pos] as number
    this.length = length
  }

  overwrite(at: number, value: number): void {
    this.#bytes[at] = value
  }

  endRow(): void {
    const rowBytes = this.length - this.#rowStart
    if (rowBytes > this.rowBytesMax) this.rowBytesMax = rowBytes
    this.#rowStart = this.length
    this.rowCount++
  }

  /** The rows so far; valid until the next write or `clear`. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
    this.rowCount = 0
    this.rowBytesMax = 0
    this.#rowStart = 0
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
