/**
 * What the readers of a partition may see: everything that has been fsynced, and nothing else.
 *
 * A record that a reader saw before a power cut removed it would be in the table but not in the log. So the
 * writer publishes the end only after the fsync. It writes it to a small file with a checksum, because readers
 * in other processes may read it half-written.
 */
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import type { Clock } from '../../../common/index.ts'

export interface DurableEnd {
  /** The first offset that retention has left. */
  readonly startOffset: bigint
  readonly nextOffset: bigint
  /** The last segment and how many of its bytes are durable. */
  readonly segmentBase: bigint
  readonly segmentBytes: number
}

export const emptyDurableEnd: DurableEnd = {
  startOffset: 0n,
  nextOffset: 0n,
  segmentBase: 0n,
  segmentBytes: 0,
}

const payloadBytes = 32
const fileBytes = payloadBytes + 4
/** A write of 36 bytes takes microseconds, so a reader that meets half of it reads the whole a moment later. */
const readAttemptsMax = 50

export function durableFile(directory: string): string {
  return join(directory, 'durable')
}

export function encodeDurableEnd(end: DurableEnd): Buffer {
  const bytes = Buffer.alloc(fileBytes)
  bytes.writeBigInt64BE(end.startOffset, 0)
  bytes.writeBigInt64BE(end.nextOffset, 8)
  bytes.writeBigInt64BE(end.segmentBase, 16)
  bytes.writeBigInt64BE(BigInt(end.segmentBytes), 24)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, payloadBytes)), payloadBytes)
  return bytes
}

/** Undefined when the bytes are torn. */
export function decodeDurableEnd(bytes: Buffer): DurableEnd | undefined {
  if (bytes.length !== fileBytes) return undefined
  if (bytes.readUInt32BE(payloadBytes) !== crc32c(bytes.subarray(0, payloadBytes))) return undefined
  return {
    startOffset: bytes.readBigInt64BE(0),
    nextOffset: bytes.readBigInt64BE(8),
    segmentBase: bytes.readBigInt64BE(16),
    segmentBytes: Number(bytes.readBigInt64BE(24)),
  }
}

/** Undefined when the file is torn, as after a power cut. */
export async function tryReadDurableEnd(handle: FileHandle): Promise<DurableEnd | undefined> {
  const bytes = Buffer.alloc(fileBytes)
  const { bytesRead } = await handle.read(bytes, 0, fileBytes, 0)
  return decodeDurableEnd(bytes.subarray(0, bytesRead))
}

/** Through an open file. Undefined when it stays torn: then no writer is there to make it whole. */
export async function readDurableEnd(
  handle: FileHandle,
  clock: Clock,
): Promise<DurableEnd | undefined> {
  for (let attempt = 0; attempt < readAttemptsMax; attempt++) {
    const end = await tryReadDurableEnd(handle)
    if (end !== undefined) return end
    await clock.sleep(2)
  }
  return undefined
}
