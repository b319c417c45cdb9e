/**
 * Repairs a partition when a process begins to append to it.
 *
 * Acknowledged records end at the durable end. After it there may be whole batches that were
 * never acknowledged, which stay, because keeping them is as correct as dropping them, and a torn one, which
 * is cut off.
 */
import { open, rm, stat, truncate } from 'node:fs/promises'
import { CorruptDataError, hasCode, syncDirectory } from '../../../common/index.ts'
import {
  isControlBatch,
  offsetAfter,
  readBatchHeader,
  verifyBatchChecksum,
} from '../../record-batch/record-batch-header.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { type DurableEnd, durableFile, tryReadDurableEnd } from './durable-end.ts'
import { listSegments, segmentFile } from './log-layout.ts'

const readBytes = 8 << 20

interface Scan {
  readonly nextOffset: bigint
  readonly bytes: number
}

/** Where to append; everything after it has been removed. */
export async function recoverPartition(
  directory: string,
  partition: TopicPartition,
): Promise<DurableEnd> {
  const segments = await listSegments(directory)
  const published = await readPublished(directory)
  let base = published?.segmentBase ?? segments.at(-1) ?? 0n
  let scan: Scan = {
    nextOffset: published?.nextOffset ?? base,
    bytes: published?.segmentBytes ?? 0,
  }
  if (segments.length > 0) {
    await requireBytes(segmentFile(directory, base), scan.bytes)
    scan = await scanSegment(segmentFile(directory, base), scan, partition)
  }
  for (const later of segments.filter((segment) => segment > base)) {
    const file = segmentFile(directory, later)
    if (later === scan.nextOffset) {
      base = later
      scan = await scanSegment(file, { nextOffset: later, bytes: 0 }, partition)
    } else {
      await rm(file)
    }
  }
  await syncDirectory(directory)
  return {
    startOffset: published?.startOffset ?? segments[0] ?? 0n,
    nextOffset: scan.nextOffset,
    segmentBase: base,
    segmentBytes: scan.bytes,
  }
}

/** Reads whole, valid batches from `from` on and cuts the file after the last of them. */
async function scanSegment(file: string, from: Scan, partition: TopicPartition): Promise<Scan> {
  const handle = await open(file, 'r+')
  try {
    const { size } = await handle.stat()
    let { nextOffset, bytes } = from
    for (let windowBytes = readBytes; bytes < size; ) {
      const window = Buffer.allocUnsafe(Math.min(windowBytes, size - bytes))
      const { bytesRead } = await handle.read(window, 0, window.length, bytes)
      const sound = walk(window.subarray(0, bytesRead), nextOffset, partition)
      if (sound.bytes > 0) {
        bytes += sound.bytes
        nextOffset = sound.nextOffset
      } else if (window.length < size - bytes) {
        // The batch may be larger than the window.
        windowBytes *= 2
      } else {
        break
      }
    }
    if (bytes < size) await truncate(file, bytes)
    await handle.sync()
    return { nextOffset, bytes }
  } finally {
    await handle.close()
  }
}

function walk(bytes: Buffer, from: bigint, partition: TopicPartition): Scan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let nextOffset = from
  let at = 0
  try {
    for (;;) {
      const header = readBatchHeader(view, at, partition)
      if (header === undefined || header.baseOffset !== nextOffset || isControlBatch(header)) break
      verifyBatchChecksum(bytes, view, header, partition)
      at = header.end
      nextOffset = offsetAfter(header)
    }
  } catch {
    // Damage behind the durable end is a torn write: the batch before it is the last.
  }
  return { nextOffset, bytes: at }
}

async function requireBytes(file: string, bytes: number): Promise<void> {
  const { size } = await stat(file)
  if (size >= bytes) return
  throw new CorruptDataError('a segment of the embedded log has lost acknowledged records', {
    facts: { file, bytes: size, expected: bytes },
  })
}

async function readPublished(directory: string): Promise<DurableEnd | undefined> {
  try {
    const handle = await open(durableFile(directory), 'r')
    try {
      return await tryReadDurableEnd(handle)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
