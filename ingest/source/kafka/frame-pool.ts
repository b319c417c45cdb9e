/**
 * Memory for large answers, used again. A fresh 16 MB for each Fetch costs its pages, and collections
 * of the whole heap, which V8 starts by the memory outside of it.
 */

/** Smaller ones are cheap. */
const pooledBytesMin = 1 << 20
/** Answers differ a little in size; one piece of memory shall fit them all. */
const roundedBytes = 1 << 20
const keptMax = 3

export class FramePool {
  readonly #free: ArrayBuffer[] = []
  #isUsed = false

  /** `byteCount` bytes of whatever content. */
  take(byteCount: number): Buffer {
    if (byteCount < pooledBytesMin) return Buffer.allocUnsafeSlow(byteCount)
    this.#isUsed = true
    const index = this.#free.findIndex(({ byteLength }) => byteLength >= byteCount)
    const [known] = index < 0 ? [] : this.#free.splice(index, 1)
    if (known !== undefined) return Buffer.from(known, 0, byteCount)
    const rounded = Math.ceil(byteCount / roundedBytes) * roundedBytes
    return Buffer.allocUnsafeSlow(rounded).subarray(0, byteCount)
  }

  /** Nobody may look at it any more. */
  give(memory: ArrayBuffer): void {
    // Connections that do not read into it (TLS) would fill it for nobody.
    if (!this.#isUsed || memory.byteLength < pooledBytesMin) return
    this.#free.unshift(memory)
    // The one that was needed least lately.
    if (this.#free.length > keptMax) this.#free.pop()
  }
}
