/**
 * Walks the batches of a segment with their checksums, and over damaged bytes to where sound batches go on: what is
 * damaged costs only itself, and a torn tail is told apart from damage, because nothing sound follows it.
 */
import type { FileHandle } from 'node:fs/promises'
import { batchBehindDamage, soundBatchAt } from '../../record-batch/batch-behind-damage.ts'
import { offsetAfter, type RecordBatchHeader } from '../../record-batch/record-batch-header.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'

/** Bytes [start, end) of a segment, which held the offsets [offset, nextOffset). */
export interface SegmentDamage {
  readonly start: number
  readonly end: number
  readonly offset: bigint
  readonly nextOffset: bigint
}

export interface SegmentScan {
  /** Behind the last sound batch. */
  readonly nextOffset: bigint
  /** Where the last sound batch ends; what follows, if anything, is a torn tail. */
  readonly bytes: number
  /** Before the last sound batch. */
  readonly damages: readonly SegmentDamage[]
}

export interface ScanOptions extends TopicPartition {
  readonly from: { readonly nextOffset: bigint; readonly bytes: number }
  readonly size: number
  /** Behind the durable end bytes may have reached the disk in any order: the first that are not sound end the scan. */
  readonly endsAtDamage?: boolean
  /** Called for each sound batch with its position in the segment. */
  readonly onBatch?: (header: RecordBatchHeader, position: number) => void
  readonly onDamage?: (damage: SegmentDamage) => void
}

const windowBytesDefault = 8 << 20

export async function scanSegment(handle: FileHandle, options: ScanOptions): Promise<SegmentScan> {
  const { from, onDamage, size } = options
  const damages: SegmentDamage[] = []
  let { bytes, nextOffset } = from
  let windowBytes = windowBytesDefault
  while (bytes < size) {
    const window = Buffer.allocUnsafe(Math.min(windowBytes, size - bytes))
    const { bytesRead } = await handle.read(window, 0, window.length, bytes)
    const held = window.subarray(0, bytesRead)
    const isWhole = bytes + held.length >= size || bytesRead < window.length
    const sound = walk(held, bytes, nextOffset, options)
    if (sound.bytes > 0) {
      bytes += sound.bytes
      nextOffset = sound.nextOffset
      windowBytes = windowBytesDefault
      continue
    }
    const follower =
      options.endsAtDamage === true ? undefined : batchBehindDamage(held, 0, nextOffset, options)
    // A batch may be larger than the window, and damage too.
    if (follower === undefined && !isWhole) {
      windowBytes *= 2
      continue
    }
    if (follower === undefined) break
    const end = bytes + follower.start
    const damage = { start: bytes, end, offset: nextOffset, nextOffset: follower.baseOffset }
    damages.push(damage)
    onDamage?.(damage)
    bytes = end
    nextOffset = follower.baseOffset
  }
  return { nextOffset, bytes, damages }
}

function walk(
  bytes: Buffer,
  position: number,
  from: bigint,
  options: ScanOptions,
): { readonly nextOffset: bigint; readonly bytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let nextOffset = from
  let at = 0
  for (;;) {
    const header = soundBatchAt(bytes, view, at, options)
    // The batches of an embedded log follow each other without gaps.
    if (header === undefined || header.baseOffset !== nextOffset) return { nextOffset, bytes: at }
    options.onBatch?.(header, position + at)
    at = header.end
    nextOffset = offsetAfter(header)
  }
}
