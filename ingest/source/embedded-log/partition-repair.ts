/**
 * Puts batches without records in place of what is damaged or missing, as compaction leaves them in Kafka: every
 * reader passes them as a hole of the same offsets, and no other record gets another offset. The damaged segment is
 * kept beside the new one, and repairs.jsonl says what was done.
 */
import { appendFile, link, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type Clock, hasCode, stringifyJson, syncDirectory } from '../../../common/index.ts'
import { RecordBatchEncoder } from '../../record-batch/record-batch-encoder.ts'
import type { RecordCompression } from '../../record-batch/record-compression.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { durableFile, encodeDurableEnd, type DurableEnd } from './durable-end.ts'
import { damagedFile, replaceFile } from './log-layout.ts'
import { leaveFilesToRival } from './partition-files.ts'
import {
  inspectPartition,
  type PartitionDamage,
  type PartitionInspection,
} from './partition-inspection.ts'
import { acquireWriterLock, type WriterLockOptions } from './writer-lock.ts'

export interface RepairTools {
  readonly clock: Clock
  readonly compression: RecordCompression
  readonly lock: WriterLockOptions | undefined
}

const lastOffsetDeltaMax = 2n ** 31n - 1n
const copyBytes = 4 << 20

/** Throws UnavailableError while another process appends. */
export async function repairPartition(
  directory: string,
  partition: TopicPartition,
  { clock, compression, lock: lockOptions }: RepairTools,
): Promise<PartitionInspection> {
  const lock = await acquireWriterLock(directory, lockOptions)
  try {
    if (lock.mayHaveRival) await leaveFilesToRival(directory)
    const inspection = await inspectPartition(directory, partition, clock)
    let { end } = inspection
    for (const damages of bySegment(inspection.damages)) {
      end = await rewriteSegment(directory, damages, end, compression)
    }
    await lock.requireHeld()
    await replaceFile(durableFile(directory), encodeDurableEnd(end))
    if (inspection.damages.length > 0) {
      const line = stringifyJson({ at: new Date(clock.now()).toISOString(), ...inspection })
      await appendFile(join(directory, 'repairs.jsonl'), `${line}\n`, { flush: true })
    }
    return inspection
  } finally {
    await lock.release()
  }
}

function bySegment(damages: readonly PartitionDamage[]): readonly (readonly PartitionDamage[])[] {
  const segments = new Map<bigint, PartitionDamage[]>()
  for (const damage of damages) {
    segments.set(damage.segmentBase, [...(segments.get(damage.segmentBase) ?? []), damage])
  }
  return [...segments.values()]
}

/** Returns the durable end afterwards; it is not published yet. */
async function rewriteSegment(
  directory: string,
  damages: readonly PartitionDamage[],
  end: DurableEnd,
  compression: RecordCompression,
): Promise<DurableEnd> {
  const [first] = damages
  if (first === undefined) return end
  const { file, segmentBase } = first
  const isLast = segmentBase >= end.segmentBase
  const temporary = `${file}.${randomUUID()}.tmp`
  const target = await open(temporary, 'wx')
  let bytes: number
  try {
    bytes = await writeSound(
      target,
      file,
      damages,
      isLast ? end.segmentBytes : undefined,
      compression,
    )
    await target.sync()
  } finally {
    await target.close()
  }
  await link(file, damagedFile(directory, segmentBase, first.start)).catch(unlessMissing)
  // Its length is no longer that of the last segment: after a crash here the end is found again from the batches.
  if (isLast) await rm(durableFile(directory), { force: true })
  await rename(temporary, file)
  await syncDirectory(directory)
  return isLast ? { ...end, segmentBase, segmentBytes: bytes } : end
}

/** The sound bytes of `file` and a hole for each damage; returns how many bytes that is. */
async function writeSound(
  target: FileHandle,
  file: string,
  damages: readonly PartitionDamage[],
  sizeMax: number | undefined,
  compression: RecordCompression,
): Promise<number> {
  const source = await open(file, 'r').catch(unlessMissing)
  try {
    const size = (await source?.stat())?.size ?? 0
    let written = 0
    let at = 0
    for (const { start, end, offset, nextOffset } of damages) {
      written += await copyRange(source, target, at, start)
      for (const hole of holes(offset, nextOffset, compression)) {
        await target.appendFile(hole)
        written += hole.length
      }
      at = end
    }
    return written + (await copyRange(source, target, at, Math.min(size, sizeMax ?? size)))
  } finally {
    await source?.close()
  }
}

function* holes(
  offset: bigint,
  nextOffset: bigint,
  compression: RecordCompression,
): Generator<Uint8Array> {
  for (let from = offset; from < nextOffset; ) {
    const left = nextOffset - from - 1n
    const lastOffsetDelta = left < lastOffsetDeltaMax ? left : lastOffsetDeltaMax
    const fields = { baseOffset: from, lastOffsetDelta: Number(lastOffsetDelta) }
    yield new RecordBatchEncoder(compression, 64).finish(fields)
    from += lastOffsetDelta + 1n
  }
}

async function copyRange(
  source: FileHandle | undefined,
  target: FileHandle,
  start: number,
  end: number,
): Promise<number> {
  let at = start
  if (source === undefined) return 0
  while (at < end) {
    const chunk = Buffer.allocUnsafe(Math.min(copyBytes, end - at))
    const { bytesRead } = await source.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) break
    await target.appendFile(chunk.subarray(0, bytesRead))
    at += bytesRead
  }
  return at - start
}

function unlessMissing(error: unknown): undefined {
  if (hasCode(error, 'ENOENT', 'EEXIST')) return undefined
  throw error
}
