/**
 * Appends to one partition of an embedded log: group commit, segments, retention.
 *
 * Appends that arrive while an fsync runs share the next one, so many small appends cost few fsyncs. One is
 * acknowledged only while the lock is still ours: a process that was paused for long may have lost it (R14).
 */
import { open, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import {
  type Clock,
  UnavailableError,
  ValidationError,
  errorMessage,
  syncDirectory,
} from '../../../common/index.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { encodeDurableEnd, type DurableEnd } from './durable-end.ts'
import { listSegments, segmentFile } from './log-layout.ts'
import { recoverPartition } from './partition-recovery.ts'
import { SegmentIndex } from './segment-index.ts'
import { leaveFilesToRival, openDurable } from './partition-files.ts'
import { acquireWriterLock, type WriterLock, type WriterLockOptions } from './writer-lock.ts'

export interface PartitionWriterSettings {
  /** A segment that has grown to this is closed. */
  readonly segmentBytesMax: number
  /** Whole old segments are removed when the rest is still at least this large. */
  readonly retentionBytes: number | undefined
  /** Whole segments are removed when their last record is older. */
  readonly retentionMs: number | undefined
  readonly lock?: WriterLockOptions
}

/** Batches encoded for consecutive offsets. */
interface Append {
  readonly batches: readonly Uint8Array[]
  readonly nextOffset: bigint
  /** Set instead of batches to remove the records below this offset. */
  readonly deleteBefore?: bigint
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Bytes waiting for the disk; an append beyond waits for room. */
const queuedBytesMax = 64 << 20

export class PartitionWriter {
  readonly #directory: string
  readonly #partition: TopicPartition
  readonly #settings: PartitionWriterSettings
  readonly #clock: Clock
  readonly #lock: WriterLock
  readonly #durable: FileHandle
  #segment: FileHandle
  #end: DurableEnd
  /** The next offset after everything queued. */
  #queuedOffset: bigint
  #queue: Append[] = []
  #queuedBytes = 0
  #flushing: Promise<void> | undefined
  #closed = false
  #failed = false

  private constructor(fields: {
    readonly directory: string
    readonly partition: TopicPartition
    readonly settings: PartitionWriterSettings
    readonly clock: Clock
    readonly lock: WriterLock
    readonly durable: FileHandle
    readonly segment: FileHandle
    readonly end: DurableEnd
  }) {
    this.#directory = fields.directory
    this.#partition = fields.partition
    this.#settings = fields.settings
    this.#clock = fields.clock
    this.#lock = fields.lock
    this.#durable = fields.durable
    this.#segment = fields.segment
    this.#end = fields.end
    this.#queuedOffset = fields.end.nextOffset
  }

  /** Takes the partition's lock and repairs what a crash left behind. */
  static async open(
    directory: string,
    partition: TopicPartition,
    settings: PartitionWriterSettings,
    clock: Clock,
  ): Promise<PartitionWriter> {
    const lock = await acquireWriterLock(directory, settings.lock)
    try {
      if (lock.mayHaveRival) await leaveFilesToRival(directory)
      const end = await recoverPartition(directory, partition)
      const durable = await openDurable(directory, end, lock.mayHaveRival)
      const segment = await open(segmentFile(directory, end.segmentBase), 'a')
      const fields = { directory, partition, settings, clock, lock, durable, segment, end }
      const writer = new PartitionWriter(fields)
      await writer.#publish(end)
      return writer
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /**
   * Queues the batches that `encode` makes for the offset they will begin at. Resolves with that
   * offset when they are durable.
   */
  async append(
    encode: (baseOffset: bigint) => { batches: readonly Uint8Array[]; nextOffset: bigint },
  ): Promise<bigint> {
    while (this.#queuedBytes > queuedBytesMax) await this.#flushing
    if (!this.isUsable) throw closedError()
    const baseOffset = this.#queuedOffset
    const { batches, nextOffset } = encode(baseOffset)
    this.#queuedOffset = nextOffset
    for (const batch of batches) this.#queuedBytes += batch.length
    await this.#enqueue({ batches, nextOffset })
    return baseOffset
  }

  /** Lets readers no longer see offsets below, and removes segments that lie below as a whole. */
  async deleteRecords(beforeOffset: bigint): Promise<void> {
    if (!this.isUsable) throw closedError()
    await this.#enqueue({
      batches: [],
      nextOffset: this.#queuedOffset,
      deleteBefore: beforeOffset,
    })
  }

  /** False after a failure that only opening the partition again can mend. */
  get isUsable(): boolean {
    return !this.#closed && !this.#failed
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#flushing
    await this.#segment.close()
    await this.#durable.close()
    await this.#lock.release()
  }

  #enqueue(append: Omit<Append, 'resolve' | 'reject'>): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#queue.push({ ...append, resolve, reject })
      this.#flushing ??= this.#flushAll()
    })
  }

  async #flushAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const appends = this.#queue
      this.#queue = []
      this.#queuedBytes = 0
      try {
        await this.#flush(appends)
        for (const { resolve } of appends) resolve()
      } catch (error) {
        await this.#giveUp(appends, error)
      }
    }
    this.#flushing = undefined
  }

  async #flush(appends: readonly Append[]): Promise<void> {
    if (this.#end.segmentBytes >= this.#settings.segmentBytesMax) await this.#roll()
    const buffers = appends.flatMap(({ batches }) => batches)
    const bytes = buffers.reduce((total, { length }) => total + length, 0)
    await writeFully(this.#segment, buffers)
    await this.#segment.datasync()
    const nextOffset = appends.at(-1)?.nextOffset ?? this.#end.nextOffset
    await this.#publish({
      ...this.#end,
      nextOffset,
      segmentBytes: this.#end.segmentBytes + bytes,
    })
    // A process that takes over later finds all of this; one that did before makes this throw.
    await this.#requireHeld()
    for (const { deleteBefore } of appends) {
      if (deleteBefore === undefined || deleteBefore <= this.#end.startOffset) continue
      await this.#dropBefore(deleteBefore < nextOffset ? deleteBefore : nextOffset)
    }
  }

  /** A write failed: nothing queued was acknowledged, so all of it is dropped. */
  async #giveUp(appends: readonly Append[], cause: unknown): Promise<void> {
    const failed = [...appends, ...this.#queue]
    this.#queue = []
    this.#queuedBytes = 0
    this.#queuedOffset = this.#end.nextOffset
    try {
      await this.#segment.truncate(this.#end.segmentBytes)
    } catch {
      // The tail is after the durable end: no reader sees it, and the next open cuts it off.
      this.#failed = true
    }
    const { topic, partition } = this.#partition
    const error = new UnavailableError(
      `append to the embedded log failed: ${errorMessage(cause)}`,
      {
        facts: { topic, partition, directory: this.#directory },
        cause,
      },
    )
    for (const { reject } of failed) reject(error)
  }

  async #requireHeld(): Promise<void> {
    try {
      await this.#lock.requireHeld()
    } catch (error) {
      this.#failed = true
      throw error
    }
  }

  async #publish(end: DurableEnd): Promise<void> {
    await this.#durable.write(encodeDurableEnd(end), 0, undefined, 0)
    // Otherwise a power cut could move the end back below offsets that readers have committed.
    await this.#durable.datasync()
    this.#end = end
  }

  async #roll(): Promise<void> {
    const base = this.#end.nextOffset
    await this.#requireHeld()
    const next = await open(segmentFile(this.#directory, base), 'ax').catch((error: unknown) => {
      // Only a process that had lost the partition can have made it; opening again sorts that out.
      this.#failed = true
      throw error
    })
    await syncDirectory(this.#directory)
    await this.#segment.close()
    this.#segment = next
    await this.#publish({ ...this.#end, segmentBase: base, segmentBytes: 0 })
    await this.#applyRetention()
  }

  async #applyRetention(): Promise<void> {
    const { retentionBytes, retentionMs } = this.#settings
    if (retentionBytes === undefined && retentionMs === undefined) return
    const segments = await listSegments(this.#directory)
    const sizes = await Promise.all(
      segments.map(async (base) => (await stat(segmentFile(this.#directory, base))).size),
    )
    let total = sizes.reduce((sum, size) => sum + size, 0)
    let keepFrom = this.#end.startOffset
    for (const [index, base] of segments.entries()) {
      const next = segments[index + 1]
      const size = sizes[index] ?? 0
      if (next === undefined) break
      const tooMuch = retentionBytes !== undefined && total - size >= retentionBytes
      const tooOld = retentionMs !== undefined && (await this.#isOlder(base, size, retentionMs))
      if (!tooMuch && !tooOld) break
      total -= size
      keepFrom = next
    }
    if (keepFrom > this.#end.startOffset) await this.#dropBefore(keepFrom)
  }

  async #isOlder(base: bigint, bytes: number, ageMs: number): Promise<boolean> {
    const handle = await open(segmentFile(this.#directory, base), 'r')
    try {
      const index = new SegmentIndex(this.#partition, base)
      await index.extend(handle, bytes)
      return index.rangeOfTime(BigInt(Math.floor(this.#clock.now() - ageMs))) === undefined
    } finally {
      await handle.close()
    }
  }

  /** The start moves first, so that a reader that misses a segment sees the reason. */
  async #dropBefore(offset: bigint): Promise<void> {
    await this.#requireHeld()
    await this.#publish({ ...this.#end, startOffset: offset })
    const segments = await listSegments(this.#directory)
    for (const [index, base] of segments.entries()) {
      const next = segments[index + 1]
      if (next === undefined || next > offset) break
      await rm(segmentFile(this.#directory, base))
    }
    await syncDirectory(this.#directory)
  }
}

function closedError(): ValidationError {
  return new ValidationError('the embedded log is closed')
}

async function writeFully(handle: FileHandle, buffers: readonly Uint8Array[]): Promise<void> {
  let rest = [...buffers]
  while (rest.length > 0) {
    // The system takes at most 1024 buffers at once, and may write fewer bytes than it was given.
    const some = rest.slice(0, 1024)
    let { bytesWritten } = await handle.writev(some)
    let whole = 0
    while (whole < some.length && bytesWritten >= (some[whole]?.length ?? 0)) {
      bytesWritten -= some[whole]?.length ?? 0
      whole++
    }
    const [cut, ...others] = rest.slice(whole)
    rest = cut === undefined ? [] : [cut.subarray(bytesWritten), ...others]
  }
}
