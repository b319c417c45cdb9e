/**
 * Repairs a partition when a process begins to append to it.
 *
 * Acknowledged records end at the durable end. After it there may be whole batches that were
 * never acknowledged, which stay, because keeping them is as correct as dropping them, and a torn one, which
 * is cut off. Where the durable end is lost, the cut bytes are kept in a file of their own, because they may be
 * acknowledged records that are damaged.
 */
import { open, rm, stat, writeFile } from 'node:fs/promises'
import { CorruptDataError, hasCode, syncDirectory } from '../../../common/index.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { type DurableEnd, durableFile, tryReadDurableEnd } from './durable-end.ts'
import { damagedFile, listSegments, segmentFile } from './log-layout.ts'
import { scanSegment } from './segment-scan.ts'

interface End {
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
  let end: End = {
    nextOffset: published?.nextOffset ?? base,
    bytes: published?.segmentBytes ?? 0,
  }
  await requireBytes(segmentFile(directory, base), end.bytes, partition)
  if (segments.includes(base)) {
    end = await cutTornTail(directory, base, end, partition, published !== undefined)
  }
  for (const later of segments.filter((segment) => segment > base)) {
    if (later === end.nextOffset) {
      base = later
      end = await cutTornTail(directory, base, { nextOffset: later, bytes: 0 }, partition, true)
    } else {
      await rm(segmentFile(directory, later))
    }
  }
  await syncDirectory(directory)
  return {
    startOffset: published?.startOffset ?? segments[0] ?? 0n,
    nextOffset: end.nextOffset,
    segmentBase: base,
    segmentBytes: end.bytes,
  }
}

/** Reads sound batches from `from` on and cuts the segment after the last of them. */
async function cutTornTail(
  directory: string,
  base: bigint,
  from: End,
  partition: TopicPartition,
  hasDurableEnd: boolean,
): Promise<End> {
  const handle = await open(segmentFile(directory, base), 'r+')
  try {
    const { size } = await handle.stat()
    const scan = await scanSegment(handle, {
      ...partition,
      from,
      size,
      endsAtDamage: hasDurableEnd,
    })
    if (scan.bytes < size) {
      if (!hasDurableEnd) {
        const cut = Buffer.alloc(size - scan.bytes)
        await handle.read(cut, 0, cut.length, scan.bytes)
        await writeFile(damagedFile(directory, base, scan.bytes), cut, { flush: true })
      }
      await handle.truncate(scan.bytes)
    }
    await handle.sync()
    return { nextOffset: scan.nextOffset, bytes: scan.bytes }
  } finally {
    await handle.close()
  }
}

async function requireBytes(
  file: string,
  bytes: number,
  { topic, partition }: TopicPartition,
): Promise<void> {
  const size = await sizeOf(file)
  if (size >= bytes) return
  throw new CorruptDataError(
    `a segment of the embedded log has lost acknowledged records; tide topic repair ${topic} -p ${partition} shows which, and with --execute the partition is appended to again`,
    { facts: { topic, partition, file, bytes: size, expected: bytes } },
  )
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0
    throw error
  }
}

/** Undefined when the file is missing or torn. */
export async function readPublished(directory: string): Promise<DurableEnd | undefined> {
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
