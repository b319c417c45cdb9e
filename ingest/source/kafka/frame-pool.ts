/**
 * Reused memory for large answers. A new buffer of 16 MB for each Fetch costs page faults and collections of
 * the whole heap, which V8 starts because of memory outside it.
 */

/** Smaller buffers are cheap to allocate. */
const pooledBytesMin = 1 << 20
/** Answers differ a little in size: sizes are rounded up so that one buffer fits them all. */
const roundedBytes = 1 << 20
const keptMax = 3

export class FramePool {
  readonly #free: ArrayBuffer[] = []
  #isUsed = false

  /** `byteCount` bytes of undefined content. */
  take(byteCount: number): Buffer {
    if (byteCount < pooledBytesMin) return Buffer.allocUnsafeSlow(byteCount)
    this.#isUsed = true
    const index = this.#free.findIndex(({ byteLength }) => byteLength >= byteCount)
    const [pooled] = index < 0 ? [] : this.#free.splice(index, 1)
    if (pooled !== undefined) return Buffer.from(pooled, 0, byteCount)
    const rounded = Math.ceil(byteCount / roundedBytes) * roundedBytes
    return Buffer.allocUnsafeSlow(rounded).subarray(0, byteCount)
  }

  /** The memory must no longer be read by its user. */
  give(memory: ArrayBuffer): void {
    // Connections that do not read into pooled memory (TLS) would fill the pool without ever taking from it.
    if (!this.#isUsed || memory.byteLength < pooledBytesMin) return
    this.#free.unshift(memory)
    // Drops the least recently used one.
    if (this.#free.length > keptMax) this.#free.pop()
  }
}
