/**
 * Reads one partition of an embedded log, from any process, up to its durable end.
 */
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { type Clock, CorruptDataError, NotFoundError, hasCode } from '../../../common/index.ts'
import { peekBatchHeader } from '../../record-batch/record-batch-header.ts'
import { RecordSetSlicer } from '../../record-batch/record-batch-slicer.ts'
import type { RecordCompression } from '../../record-batch/record-compression.ts'
import { OffsetOutOfRangeError } from '../offset-out-of-range-error.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import type { OffsetBounds } from '../record-source.ts'
import { durableFile, readDurableEnd, type DurableEnd } from './durable-end.ts'
import { listSegments, segmentFile } from './log-layout.ts'
import { SegmentIndex } from './segment-index.ts'

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
  #durable: FileHandle | undefined
  #segment: OpenSegment | undefined
  /** The offset at which the next chunk begins, when reading on from the last one. */
  #sequential: { readonly offset: bigint; readonly position: number } | undefined

  constructor(options: PartitionReaderOptions) {
    this.#options = options
  }

  async bounds(): Promise<OffsetBounds> {
    const end = await this.#durableEnd()
    return { earliest: end.startOffset, latest: end.nextOffset }
  }

  /**
   * A slicer over whole batches from `nextOffset` on, or undefined at the end of the log. Throws
   * OffsetOutOfRangeError when retention has taken the offset or the log never reached it.
   */
  async read(nextOffset: bigint): Promise<RecordSetSlicer | undefined> {
    const end = await this.#durableEnd()
    if (nextOffset < end.startOffset || nextOffset > end.nextOffset) {
      throw this.#outOfRange(nextOffset, end)
    }
    if (nextOffset === end.nextOffset) return undefined
    try {
      const segment = await this.#segmentOf(nextOffset)
      const readable = await readableBytes(segment, end)
      const position = await this.#positionOf(segment, nextOffset, readable)
      if (position >= readable) throw this.#tooShort(segment, nextOffset, readable)
      const bytes = await this.#readBatches(segment, position, readable)
      this.#sequential = this.#following(bytes, position)
      return this.#slicer(bytes, nextOffset)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      await this.#requireSameTopic()
      // Retention removed the segment after the end was read.
      throw this.#outOfRange(nextOffset, await this.#durableEnd())
    }
  }

  /** The first offset whose timestamp is at or after the time. */
  async offsetForTime(timestampMs: bigint): Promise<bigint | undefined> {
    const end = await this.#durableEnd()
    for (const base of await listSegments(this.#options.directory)) {
      if (base > end.segmentBase) return undefined
      const segment = await this.#openSegment(base)
      const readable = await readableBytes(segment, end)
      await segment.index.extend(segment.handle, readable)
      const range = segment.index.rangeOfTime(timestampMs)
      if (range === undefined) continue
      const bytes = await readExactly(segment, range.start, range.end)
      const slicer = this.#slicer(bytes, range.baseOffset)
      for (let batch = slicer.next(bytes.length); batch; batch = slicer.next(bytes.length)) {
        const row = batch.timestamps.findIndex((timestamp) => timestamp >= timestampMs)
        if (row < 0) continue
        const offset = batch.offsets[row] as bigint
        return offset < end.startOffset ? end.startOffset : offset
      }
    }
    return undefined
  }

  async close(): Promise<void> {
    const durable = this.#durable
    this.#durable = undefined
    await this.#closeSegment()
    await durable?.close()
  }

  async #closeSegment(): Promise<void> {
    const segment = this.#segment
    this.#segment = undefined
    this.#sequential = undefined
    await segment?.handle.close()
  }

  async #durableEnd(): Promise<DurableEnd> {
    const { directory, clock } = this.#options
    try {
      this.#durable ??= await open(durableFile(directory), 'r')
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      throw this.#missingError(error)
    }
    return readDurableEnd(this.#durable, directory, clock)
  }

  /**
   * The end is read through a file that stays open, but segments are opened by name: when the topic was created
   * again in between, the two belong to different topics.
   */
  async #requireSameTopic(): Promise<void> {
    const mine = await this.#durable?.stat()
    const named = await stat(durableFile(this.#options.directory)).catch(() => undefined)
    if (named === undefined || named.ino !== mine?.ino) throw this.#missingError(undefined)
  }

  #missingError(cause: unknown): NotFoundError {
    const { topic, partition, directory } = this.#options
    return new NotFoundError('the embedded log has no such topic or partition (any more)', {
      facts: { topic, partition, directory },
      cause,
    })
  }

  #slicer(bytes: Uint8Array, position: bigint): RecordSetSlicer {
    const { topic, partition, compression } = this.#options
    return new RecordSetSlicer(bytes, { topic, partition, compression, position })
  }

  async #segmentOf(offset: bigint): Promise<OpenSegment> {
    // Reading on within the open segment is the common case; its end shows when a chunk ends there.
    const { directory } = this.#options
    if (this.#segment !== undefined && this.#sequential?.offset === offset) {
      const readable = (await this.#segment.handle.stat()).size
      if (this.#sequential.position < readable) return this.#segment
    }
    const bases = await listSegments(directory)
    const base = bases.findLast((candidate) => candidate <= offset)
    if (base === undefined) {
      throw new CorruptDataError(
        'the embedded log has no segment for an offset within its bounds',
        {
          facts: { directory, offset },
        },
      )
    }
    return this.#openSegment(base)
  }

  async #openSegment(base: bigint): Promise<OpenSegment> {
    if (this.#segment?.base === base) return this.#segment
    await this.#closeSegment()
    const file = segmentFile(this.#options.directory, base)
    const handle = await open(file, 'r')
    try {
      await this.#requireSameTopic()
    } catch (error) {
      await handle.close()
      throw error
    }
    this.#segment = { base, file, handle, index: new SegmentIndex(this.#options) }
    return this.#segment
  }

  async #positionOf(segment: OpenSegment, offset: bigint, readable: number): Promise<number> {
    if (this.#sequential?.offset === offset) return this.#sequential.position
    if (offset === segment.base) return 0
    await segment.index.extend(segment.handle, readable)
    return segment.index.positionOf(offset)
  }

  /** About a chunk, but at least one whole batch however large it is. */
  async #readBatches(
    segment: OpenSegment,
    position: number,
    readable: number,
  ): Promise<Uint8Array> {
    const bytes = await readExactly(segment, position, Math.min(readable, position + chunkBytes))
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const first = peekBatchHeader(view, 0, this.#options)
    if (first === undefined || first.end <= bytes.length) return bytes
    if (position + first.end > readable) throw this.#tooShort(segment, first.baseOffset, readable)
    return readExactly(segment, position, position + first.end)
  }

  #following(
    bytes: Uint8Array,
    position: number,
  ): { readonly offset: bigint; readonly position: number } | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let following: { offset: bigint; position: number } | undefined
    for (let at = 0; ; ) {
      const header = peekBatchHeader(view, at, this.#options)
      if (header === undefined || header.end > bytes.length) return following
      at = header.end
      const offset = header.baseOffset + BigInt(header.lastOffsetDelta) + 1n
      following = { offset, position: position + at }
    }
  }

  #outOfRange(nextOffset: bigint, end: DurableEnd): OffsetOutOfRangeError {
    const { topic, partition } = this.#options
    const bounds = { earliest: end.startOffset, latest: end.nextOffset }
    return new OffsetOutOfRangeError({ topic, partition }, nextOffset, bounds)
  }

  #tooShort(segment: OpenSegment, offset: bigint, readable: number): CorruptDataError {
    return new CorruptDataError('a segment of the embedded log ends before its durable end', {
      facts: { file: segment.file, offset, bytes: readable },
    })
  }
}

/** The last segment may have bytes behind the durable end; all others are durable as a whole. */
async function readableBytes(segment: OpenSegment, end: DurableEnd): Promise<number> {
  if (segment.base === end.segmentBase) return end.segmentBytes
  return (await segment.handle.stat()).size
}

async function readExactly(segment: OpenSegment, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await segment.handle.read(
      bytes,
      filled,
      bytes.length - filled,
      start + filled,
    )
    if (bytesRead === 0) {
      throw new CorruptDataError('a segment of the embedded log ends before its durable end', {
        facts: { file: segment.file, position: start + filled },
      })
    }
    filled += bytesRead
  }
  return bytes
}
