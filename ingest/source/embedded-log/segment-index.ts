/**
 * Finds offsets and times in a segment without reading its records: the heads of its batches are
 * walked once, and one entry is kept for about every 32 KiB.
 */
import type { FileHandle } from 'node:fs/promises'
import {
  batchHeaderBytes,
  peekBatchHeader,
  type RecordSetOrigin,
} from '../../record-batch/record-batch-header.ts'

interface Entry {
  readonly baseOffset: bigint
  readonly position: number
  /** The greatest timestamp from the segment's begin up to the end of this entry. */
  maxTimestamp: bigint
}

export interface IndexRange {
  readonly baseOffset: bigint
  readonly start: number
  readonly end: number
}

const entryBytes = 32 << 10
const windowBytes = 64 << 10

export class SegmentIndex {
  readonly #origin: RecordSetOrigin
  readonly #entries: Entry[] = []
  #scanned = 0

  constructor(origin: RecordSetOrigin) {
    this.#origin = origin
  }

  /** Reads the headers of the batches from the end of the index up to `bytes`, which must be a batch's end. */
  async extend(handle: FileHandle, bytes: number): Promise<void> {
    const window = Buffer.allocUnsafe(windowBytes)
    while (this.#scanned < bytes) {
      const from = this.#scanned
      const length = Math.min(windowBytes, bytes - from)
      const { bytesRead } = await handle.read(window, 0, length, from)
      if (bytesRead < batchHeaderBytes) return
      this.#walk(new DataView(window.buffer, window.byteOffset, bytesRead), from)
    }
  }

  /** Where to start reading to reach `offset`. */
  positionOf(offset: bigint): number {
    return this.#entries[this.#lastAtOrBelow(offset)]?.position ?? 0
  }

  /** The bytes that hold the first record at or after `timestamp`, if there are any. */
  rangeOfTime(timestamp: bigint): IndexRange | undefined {
    const index = this.#entries.findIndex(({ maxTimestamp }) => maxTimestamp >= timestamp)
    const entry = this.#entries[index]
    if (entry === undefined) return undefined
    const end = this.#entries[index + 1]?.position ?? this.#scanned
    return { baseOffset: entry.baseOffset, start: entry.position, end }
  }

  #walk(view: DataView, from: number): void {
    for (let at = 0; ; ) {
      const header = peekBatchHeader(view, at, this.#origin)
      if (header === undefined) return
      const position = from + at
      const last = this.#entries.at(-1)
      if (last === undefined || position - last.position >= entryBytes) {
        const maxTimestamp = greater(header.maxTimestamp, last?.maxTimestamp)
        this.#entries.push({ baseOffset: header.baseOffset, position, maxTimestamp })
      } else {
        last.maxTimestamp = greater(header.maxTimestamp, last.maxTimestamp)
      }
      this.#scanned = from + header.end
      at = header.end
    }
  }

  #lastAtOrBelow(offset: bigint): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.#entries[middle]
      if (entry !== undefined && entry.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function greater(left: bigint, right: bigint | undefined): bigint {
  return right === undefined || left > right ? left : right
}
