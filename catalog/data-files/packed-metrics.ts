/**
 * Column metrics of a written file in a few hundred bytes: a batch may have tens of thousands of files,
 * whose counts and bounds wait for the commit, and maps of bigints and arrays take ten times as much.
 */
import type { ColumnMetrics } from './data-file-writer.ts'

const idBytes = 4
const countBytes = 8
const lengthBytes = 4

/** The same metrics; each use of a map unpacks it again. */
export function packMetrics(metrics: ColumnMetrics): ColumnMetrics {
  return {
    columnSizes: packedCounts(metrics.columnSizes),
    valueCounts: packedCounts(metrics.valueCounts),
    nullValueCounts: packedCounts(metrics.nullValueCounts),
    nanValueCounts: packedCounts(metrics.nanValueCounts),
    lowerBounds: packedBounds(metrics.lowerBounds),
    upperBounds: packedBounds(metrics.upperBounds),
  }
}

/** A map of field ids that is read from bytes when it is asked. */
class PackedMap<V> implements ReadonlyMap<number, V> {
  readonly #bytes: Buffer
  readonly #read: (bytes: Buffer) => Map<number, V>

  constructor(bytes: Buffer, read: (bytes: Buffer) => Map<number, V>) {
    this.#bytes = bytes
    this.#read = read
  }

  get size(): number {
    return this.#all().size
  }

  get(id: number): V | undefined {
    return this.#all().get(id)
  }

  has(id: number): boolean {
    return this.#all().has(id)
  }

  forEach(use: (value: V, id: number, map: ReadonlyMap<number, V>) => void): void {
    for (const [id, value] of this.#all()) use(value, id, this)
  }

  entries(): MapIterator<[number, V]> {
    return this.#all().entries()
  }

  keys(): MapIterator<number> {
    return this.#all().keys()
  }

  values(): MapIterator<V> {
    return this.#all().values()
  }

  [Symbol.iterator](): MapIterator<[number, V]> {
    return this.entries()
  }

  #all(): Map<number, V> {
    return this.#read(this.#bytes)
  }
}

function packedCounts(counts: ReadonlyMap<number, bigint>): ReadonlyMap<number, bigint> {
  const bytes = Buffer.allocUnsafe(counts.size * (idBytes + countBytes))
  let at = 0
  for (const [id, count] of counts) {
    at = bytes.writeInt32LE(id, at)
    at = bytes.writeBigInt64LE(count, at)
  }
  return new PackedMap(bytes, readCounts)
}

function readCounts(bytes: Buffer): Map<number, bigint> {
  const counts = new Map<number, bigint>()
  for (let at = 0; at < bytes.length; at += idBytes + countBytes) {
    counts.set(bytes.readInt32LE(at), bytes.readBigInt64LE(at + idBytes))
  }
  return counts
}

function packedBounds(bounds: ReadonlyMap<number, Uint8Array>): ReadonlyMap<number, Uint8Array> {
  let length = 0
  for (const bound of bounds.values()) length += idBytes + lengthBytes + bound.length
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const [id, bound] of bounds) {
    at = bytes.writeInt32LE(id, at)
    at = bytes.writeInt32LE(bound.length, at)
    bytes.set(bound, at)
    at += bound.length
  }
  return new PackedMap(bytes, readBounds)
}

function readBounds(bytes: Buffer): Map<number, Uint8Array> {
  const bounds = new Map<number, Uint8Array>()
  for (let at = 0; at < bytes.length; ) {
    const id = bytes.readInt32LE(at)
    const start = at + idBytes + lengthBytes
    const end = start + bytes.readInt32LE(at + idBytes)
    bounds.set(id, bytes.subarray(start, end))
    at = end
  }
  return bounds
}
