/**
 * Finds offsets and times in a segment without reading its records: the heads of its batches are
 * walked once, and one entry is kept for about every 32 KiB. Where a head is not what must follow the one before, the
 * rest is walked with its checksums, so that what lies behind damage can be reached.
 */
import type { FileHandle } from 'node:fs/promises'
import {
  batchHeaderBytes,
  offsetAfter,
  peekBatchHeader,
  type RecordBatchHeader,
} from '../../record-batch/record-batch-header.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { scanSegment, type SegmentDamage } from './segment-scan.ts'

interface Entry {
  readonly baseOffset: bigint
  readonly position: number
  readonly isDamage: boolean
  /** The greatest timestamp from the segment's begin up to the end of this entry. */
  maxTimestamp: bigint
}

export interface IndexRange {
  readonly baseOffset: bigint
  readonly start: number
  readonly end: number
  /** Of the damage right before these bytes. */
  readonly damagedFrom: bigint | undefined
}

/** Where a batch begins, and the offset that it must begin with. */
export interface BatchPlace {
  readonly baseOffset: bigint
  readonly position: number
}

const entryBytes = 32 << 10
const windowBytes = 64 << 10

export class SegmentIndex {
  readonly #partition: TopicPartition
  readonly #entries: Entry[] = []
  #scanned = 0
  #nextOffset: bigint
  /** The last batch: when its head was damaged, that shows at the next one. */
  #last: BatchPlace

  /** `base` is the first offset of the segment. */
  constructor({ topic, partition }: TopicPartition, base: bigint) {
    this.#partition = { topic, partition }
    this.#nextOffset = base
    this.#last = { baseOffset: base, position: 0 }
  }

  /** Reads the heads of the batches from the end of the index up to `bytes`. */
  async extend(handle: FileHandle, bytes: number): Promise<void> {
    const window = Buffer.allocUnsafe(windowBytes)
    while (this.#scanned < bytes) {
      const from = this.#scanned
      const length = Math.min(windowBytes, bytes - from)
      const { bytesRead } = await handle.read(window, 0, length, from)
      if (bytesRead === 0) return
      this.#walk(new DataView(window.buffer, window.byteOffset, bytesRead), from, bytes)
      if (this.#scanned === from) await this.#walkOverDamage(handle, bytes)
    }
  }

  /** The batch that holds `offset`, or the damaged stretch that did. */
  async placeOf(handle: FileHandle, offset: bigint): Promise<BatchPlace> {
    const index = this.#lastAtOrBelow(offset)
    const entry = this.#entries[index]
    if (entry === undefined) return { baseOffset: this.#nextOffset, position: this.#scanned }
    if (entry.isDamage) return entry
    const end = this.#entries[index + 1]?.position ?? this.#scanned
    const window = Buffer.allocUnsafe(windowBytes)
    let place: BatchPlace = entry
    while (place.position < end) {
      const { position } = place
      const { bytesRead } = await handle.read(window, 0, windowBytes, position)
      const view = new DataView(window.buffer, window.byteOffset, bytesRead)
      for (let at = 0; position + at < end; ) {
        const header = peekBatchHeader(view, at, this.#partition)
        if (header === undefined) break
        if (offset < offsetAfter(header)) return place
        at = header.end
        place = { baseOffset: offsetAfter(header), position: position + at }
      }
      if (place.position === position) break
    }
    return place
  }

  /** The bytes that hold the first record at or after `timestamp`, if there are any. */
  rangeOfTime(timestamp: bigint): IndexRange | undefined {
    const index = this.#entries.findIndex(
      ({ isDamage, maxTimestamp }) => !isDamage && maxTimestamp >= timestamp,
    )
    const entry = this.#entries[index]
    if (entry === undefined) return undefined
    const end = this.#entries[index + 1]?.position ?? this.#scanned
    const before = this.#entries[index - 1]
    const damagedFrom = before?.isDamage === true ? before.baseOffset : undefined
    return { baseOffset: entry.baseOffset, start: entry.position, end, damagedFrom }
  }

  #walk(view: DataView, from: number, bytes: number): void {
    for (let at = 0; ; ) {
      const header = this.#headAt(view, at)
      if (header === undefined || from + header.end > bytes) return
      this.#note(header, from + at)
      at = header.end
    }
  }

  /** Undefined at the end of the bytes, and for a head that does not follow the batch before it. */
  #headAt(view: DataView, at: number): RecordBatchHeader | undefined {
    if (at + batchHeaderBytes > view.byteLength) return undefined
    try {
      const header = peekBatchHeader(view, at, this.#partition)
      return header?.baseOffset === this.#nextOffset ? header : undefined
    } catch {
      return undefined
    }
  }

  async #walkOverDamage(handle: FileHandle, bytes: number): Promise<void> {
    const { baseOffset, position } = this.#last
    const scan = await scanSegment(handle, {
      ...this.#partition,
      from: { nextOffset: baseOffset, bytes: position },
      size: bytes,
      onBatch: (header, at) => this.#note(header, at),
      onDamage: (damage) => this.#noteDamage(damage),
    })
    if (scan.bytes < bytes) {
      const { nextOffset } = scan
      this.#noteDamage({ start: scan.bytes, end: bytes, offset: nextOffset, nextOffset })
    }
    this.#scanned = bytes
  }

  #note(header: RecordBatchHeader, position: number): void {
    const { baseOffset } = header
    const last = this.#entries.at(-1)
    this.#scanned = position + (header.end - header.start)
    this.#nextOffset = offsetAfter(header)
    this.#last = { baseOffset, position }
    if (last === undefined || last.isDamage || position - last.position >= entryBytes) {
      const maxTimestamp = greater(header.maxTimestamp, last?.maxTimestamp)
      this.#entries.push({ baseOffset, position, isDamage: false, maxTimestamp })
    } else {
      last.maxTimestamp = greater(header.maxTimestamp, last.maxTimestamp)
    }
  }

  #noteDamage({ start, offset, nextOffset }: SegmentDamage): void {
    this.#nextOffset = nextOffset
    // The batch before was taken for sound by its head alone.
    while ((this.#entries.at(-1)?.position ?? -1) >= start) this.#entries.pop()
    const maxTimestamp = this.#entries.at(-1)?.maxTimestamp ?? 0n
    this.#entries.push({ baseOffset: offset, position: start, isDamage: true, maxTimestamp })
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
