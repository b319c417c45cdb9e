/**
 * Memory for decompressed records that is used again by the next poll.
 *
 * A fresh buffer for each batch is a gigabyte of allocations per million records; V8 answers memory
 * outside its heap with mark-compact collections, which cost as much as slicing itself.
 */

export class ByteArena {
  length = 0
  #bytes: Buffer

  constructor(capacityBytes = 0) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes)
  }

  /** The whole memory, with the appended bytes at its start. The same buffer until `append` grows it. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Copies `source` to the end. Growing leaves earlier views on the old memory intact. */
  append(source: Uint8Array): void {
    const needed = this.length + source.length
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2, 1 << 16))
      this.#bytes.copy(grown, 0, 0, this.length)
      this.#bytes = grown
    }
    this.#bytes.set(source, this.length)
    this.length = needed
  }

  /** Invalidates everything that was handed out before. */
  reset(): void {
    this.length = 0
  }
}
