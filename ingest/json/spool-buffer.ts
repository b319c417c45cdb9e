/**
 * The growing bytes of one spool: newline-delimited rows, kept in memory until they are written to a
 * file in one go (the file is a cache that a crash may lose; the log still has the records).
 */

export class SpoolBuffer {
  length = 0
  rowCount = 0
  rowBytesMax = 0
  #bytes: Buffer
  #rowStart = 0

  constructor(capacityBytes = 1 << 20) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes)
  }

  /** Makes room for `count` more bytes. Must precede `byte` and `bytes`. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.length)
    this.#bytes = grown
  }

  byte(value: number): void {
    this.#bytes[this.length++] = value
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    if (end - start > 64) {
      // A native copy costs a view object, about as much as a loop over 64 bytes.
      this.#bytes.set(source.subarray(start, end), this.length)
      this.length += end - start
      return
    }
    const target = this.#bytes
    let length = this.length
    for (let pos = start; pos < end; pos++) target[length++] = source[pos] as number
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
