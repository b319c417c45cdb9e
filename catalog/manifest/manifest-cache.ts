/**
 * Parsed manifests by path, because a manifest never changes once it is written: planning again then
 * costs no request (failures.md, speed trick 7). Bounded in bytes; the least recently used are dropped first.
 */
import type { ReadManifest } from './read-manifest.ts'

const defaultBytesMax = 64 * 1024 * 1024

export class ManifestCache {
  readonly #bytesMax: number
  readonly #entries = new Map<string, ReadManifest>()
  #bytes = 0

  constructor(bytesMax = defaultBytesMax) {
    this.#bytesMax = bytesMax
  }

  get sizeBytes(): number {
    return this.#bytes
  }

  get(key: string): ReadManifest | undefined {
    const manifest = this.#entries.get(key)
    if (manifest === undefined) return undefined
    // A map keeps the order of insertion, so inserting again marks the most recent use.
    this.#entries.delete(key)
    this.#entries.set(key, manifest)
    return manifest
  }

  set(key: string, manifest: ReadManifest): void {
    this.#remove(key)
    if (manifest.sizeBytes > this.#bytesMax) return
    this.#entries.set(key, manifest)
    this.#bytes += manifest.sizeBytes
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.#remove(oldest)
    }
  }

  #remove(key: string): void {
    this.#bytes -= this.#entries.get(key)?.sizeBytes ?? 0
    this.#entries.delete(key)
  }
}
