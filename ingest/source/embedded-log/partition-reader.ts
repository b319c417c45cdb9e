/**
 * Reads one partition of an embedded log, from any process, up to its durable end. Opens nothing for writing, and
 * finds its way to any offset past damaged bytes.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { type Clock, CorruptDataError, hasCode } from '../../../common/index.ts'
import { batchBehindDamage } from '../../record-batch/batch-behind-damage.ts'
import {
  batchHeaderBytes,
  offsetAfter,
  peekBatchHeader,
} from '../../record-batch/record-batch-header.ts'
import { RecordSetSlicer } from '../../record-batch/record-batch-slicer.ts'
import type { RecordCompression } from '../../record-batch/record-compression.ts'
import { OffsetOutOfRangeError } from '../offset-out-of-range-error.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import type { OffsetBounds } from '../record-source.ts'
import type { DurableEnd } from './durable-end.ts'
import { listSegments, segmentFile } from './log-layout.ts'
import { PartitionEnd } from './partition-end.ts'
import { type BatchPlace, SegmentIndex } from './segment-index.ts'

export interface PartitionReaderOptions extends TopicPartition {
  readonly directory: string
  readonly clock: Clock
  readonly compression: RecordCompression
}

/** An open segment with the index of its batches. */
interface OpenSegment {
  readonly base: bigint
  readonly file: string
  readonly handle: FileHandle
  readonly index: SegmentIndex
}

const chunkBytes = 4 << 20

export class PartitionReader {
  readonly #options: PartitionReaderOptions
  readonly #end: PartitionEnd
  #segment: OpenSegment | undefined
  /** Of the segments, when one was last looked for. */
  #bases: readonly bigint[] = []
  /** Where the next chunk begins, when reading on from the last one. */
  #sequential: BatchPlace | undefined

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.#end = new PartitionEnd(options)
  }

  async bounds(): Promise<OffsetBounds> {
    const end = await this.#end.read()
    return { earliest: end.startOffset, latest: end.nextOffset }
  }

  /**
   * A slicer over whole batches from `nextOffset` on, or undefined at the end of the log. Throws
   * OffsetOutOfRangeError when retention has taken the offset or the log never reached it.
   */
  async read(nextOffset: bigint): Promise<RecordSetSlicer | undefined> {
    const end = await this.#end.read()
    if (nextOffset < end.startOffset || nextOffset > end.nextOffset) {
      throw this.#outOfRange(nextOffset, end)
    }
    if (nextOffset === end.nextOffset) return undefined
    try {
      return await this.#readFrom(nextOffset, end)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) {
        await this.#end.requireSameTopic()
        // Retention removed the segment after the end was read.
        throw this.#outOfRange(nextOffset, await this.#end.read())
      }
      if (!(error instanceof CorruptDataError) || !(await this.#isSegmentReplaced())) throw error
      // A repair, or a writer that took over, has put another file in place of the one we have open.
      await this.#closeSegment()
      return this.#readFrom(nextOffset, await this.#end.read())
    }
  }

  /** The first offset whose timestamp is at or after the time; that of the damage where it is right behind one. */
  async offsetForTime(timestampMs: bigint): Promise<bigint | undefined> {
    const end = await this.#end.read()
    for (const base of await listSegments(this.#options.directory)) {
      if (base > end.segmentBase) return undefined
      const segment = await this.#openSegment(base)
      await segment.index.extend(segment.handle, await readableBytes(segment, end))
      const range = segment.index.rangeOfTime(timestampMs)
      if (range === undefined) continue
      const bytes = await readUpTo(segment, range.start, range.end)
      const place = { baseOffset: range.baseOffset, position: range.start }
      const first = this.#firstAtOrAfter(bytes, place, segment, timestampMs)
      if (first === undefined) continue
      const offset = first === range.baseOffset ? (range.damagedFrom ?? first) : first
      return offset < end.startOffset ? end.startOffset : offset
    }
    return undefined
  }

  #firstAtOrAfter(
    bytes: Uint8Array,
    place: BatchPlace,
    segment: OpenSegment,
    timestampMs: bigint,
  ): bigint | undefined {
    const slicer = this.#slicer(bytes, place.baseOffset, segment, place)
    try {
      for (;;) {
        const batch = slicer.next(chunkBytes)
        if (batch === undefined) return undefined
        const row = batch.timestamps.findIndex((timestamp) => timestamp >= timestampMs)
        if (row >= 0) return batch.offsets[row]
      }
    } catch (error) {
      if (!(error instanceof CorruptDataError)) throw error
      const damagedFrom = slicer.position
      const damagedAt = slicer.consumedBytes
      const sound = batchBehindDamage(bytes, damagedAt, damagedFrom, this.#options)
      if (sound === undefined) return undefined
      const { baseOffset, start } = sound
      const behind = { baseOffset, position: place.position + start }
      const rest = bytes.subarray(start)
      const first = this.#firstAtOrAfter(rest, behind, segment, timestampMs)
      return first === baseOffset ? damagedFrom : first
    }
  }

  async close(): Promise<void> {
    await this.#closeSegment()
    await this.#end.close()
  }

  async #readFrom(nextOffset: bigint, end: DurableEnd): Promise<RecordSetSlicer> {
    const segment = await this.#segmentOf(nextOffset, end)
    const readable = await readableBytes(segment, end)
    const place = await this.#placeOf(segment, nextOffset, readable)
    if (place.position >= readable) throw await this.#missing(nextOffset, end, segment)
    const bytes = await this.#readBatches(segment, place, readable, end)
    this.#sequential = this.#following(bytes, place)
    const isToEnd = place.position + bytes.length >= readable
    const next = isToEnd ? this.#behind(segment, end) : undefined
    return this.#slicer(bytes, nextOffset, segment, place, next)
  }

  /** The offset that follows a segment. */
  #behind({ base }: OpenSegment, end: DurableEnd): bigint | undefined {
    if (base === end.segmentBase) return end.nextOffset
    return this.#bases.find((candidate) => candidate > base)
  }

  async #isSegmentReplaced(): Promise<boolean> {
    return (await this.#segment?.handle.stat())?.nlink === 0
  }

  async #closeSegment(): Promise<void> {
    const segment = this.#segment
    this.#segment = undefined
    this.#sequential = undefined
    await segment?.handle.close()
  }

  #slicer(
    bytes: Uint8Array,
    position: bigint,
    { file }: OpenSegment,
    place: BatchPlace,
    next?: bigint,
  ): RecordSetSlicer {
    const { topic, partition, compression } = this.#options
    return new RecordSetSlicer(bytes, {
      topic,
      partition,
      compression,
      position,
      contiguousFrom: place.baseOffset,
      nextOffset: next,
      place: { file, position: place.position },
      remedy: (next) => this.#remedy(next),
    })
  }

  async #segmentOf(offset: bigint, end: DurableEnd): Promise<OpenSegment> {
    // Reading on within the open segment is the common case; its end shows when a chunk ends there.
    const { directory } = this.#options
    if (this.#segment !== undefined && this.#sequential?.baseOffset === offset) {
      const readable = (await this.#segment.handle.stat()).size
      if (this.#sequential.position < readable) return this.#segment
    }
    this.#bases = await listSegments(directory)
    const base = this.#bases.findLast((candidate) => candidate <= offset)
    if (base === undefined) throw await this.#missing(offset, end, undefined)
    return this.#openSegment(base)
  }

  async #openSegment(base: bigint): Promise<OpenSegment> {
    if (this.#segment?.base === base) return this.#segment
    await this.#closeSegment()
    const file = segmentFile(this.#options.directory, base)
    const handle = await open(file, 'r')
    try {
      await this.#end.requireSameTopic()
    } catch (error) {
      await handle.close()
      throw error
    }
    this.#segment = { base, file, handle, index: new SegmentIndex(this.#options, base) }
    return this.#segment
  }

  async #placeOf(segment: OpenSegment, offset: bigint, readable: number): Promise<BatchPlace> {
    if (this.#sequential?.baseOffset === offset) return this.#sequential
    if (offset === segment.base) return { baseOffset: offset, position: 0 }
    await segment.index.extend(segment.handle, readable)
    return segment.index.placeOf(segment.handle, offset)
  }

  /** About a chunk, but at least one whole batch however large it is. */
  async #readBatches(
    segment: OpenSegment,
    { position, baseOffset }: BatchPlace,
    readable: number,
    end: DurableEnd,
  ): Promise<Uint8Array> {
    const bytes = await readUpTo(segment, position, Math.min(readable, position + chunkBytes))
    const isCut = bytes.length < batchHeaderBytes
    const batchEnd = isCut ? batchHeaderBytes : endOfFirst(bytes, this.#options)
    if (batchEnd === undefined || batchEnd <= bytes.length) return bytes
    const whole = await readUpTo(segment, position, Math.min(readable, position + batchEnd))
    if (whole.length < batchEnd) {
      // The batch, or the length in its head, reaches beyond the segment.
      const next = batchBehindDamage(whole, 0, baseOffset + 1n, this.#options)?.baseOffset
      throw await this.#missing(baseOffset, end, segment, { position, next })
    }
    return whole
  }

  /** Where the whole, undamaged heads of a chunk end. */
  #following(bytes: Uint8Array, place: BatchPlace): BatchPlace | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let following: BatchPlace | undefined
    try {
      for (let at = 0; ; ) {
        const header = peekBatchHeader(view, at, this.#options)
        if (header === undefined || header.end > bytes.length) return following
        at = header.end
        following = { baseOffset: offsetAfter(header), position: place.position + at }
      }
    } catch {
      return following
    }
  }

  #outOfRange(nextOffset: bigint, end: DurableEnd): OffsetOutOfRangeError {
    const { topic, partition } = this.#options
    const bounds = { earliest: end.startOffset, latest: end.nextOffset }
    return new OffsetOutOfRangeError({ topic, partition }, nextOffset, bounds)
  }

  /** Bytes that must be there are not: a segment was cut, or removed. */
  async #missing(
    offset: bigint,
    end: DurableEnd,
    segment: OpenSegment | undefined,
    damage: { readonly position?: number; readonly next?: bigint | undefined } = {},
  ): Promise<CorruptDataError> {
    const { topic, partition, directory } = this.#options
    const later = (await listSegments(directory)).find((base) => base > offset)
    const next = damage.next ?? later ?? end.nextOffset
    return new CorruptDataError(`records of the embedded log are missing; ${this.#remedy(next)}`, {
      facts: {
        topic,
        partition,
        offset,
        soundFrom: next,
        file: segment?.file ?? directory,
        position: damage.position ?? (await segment?.handle.stat())?.size,
      },
    })
  }

  #remedy(next: bigint | undefined): string {
    const { topic, partition } = this.#options
    const from = next === undefined ? 'behind the damage' : `at offset ${String(next)}`
    return `what precedes them was read; tide topic repair ${topic} -p ${partition} shows what is lost, and with --execute readers go on ${from}`
  }
}

/** The last segment may have bytes behind the durable end; all others are durable as a whole. */
async function readableBytes(segment: OpenSegment, end: DurableEnd): Promise<number> {
  const { size } = await segment.handle.stat()
  return segment.base === end.segmentBase ? Math.min(size, end.segmentBytes) : size
}

/** Fewer bytes where the file ends before. */
async function readUpTo(segment: OpenSegment, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  let filled = 0
  while (filled < bytes.length) {
    const left = bytes.length - filled
    const { bytesRead } = await segment.handle.read(bytes, filled, left, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

/** Undefined when the head is damaged: the slicer says how. */
function endOfFirst(bytes: Buffer, partition: TopicPartition): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    return peekBatchHeader(view, 0, partition)?.end
  } catch {
    return undefined
  }
}
