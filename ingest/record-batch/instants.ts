/** Timestamps of records that a timestamp column can hold; a producer may have sent nanoseconds. */
import { instantMillis } from '../../catalog/format/index.ts'
import type { RecordBatch } from './record-batch.ts'

export function isInstant(millis: bigint): boolean {
  return millis >= instantMillis.min && millis <= instantMillis.max
}

/** The upper halves of 64-bit milliseconds between these are those of instants, whatever the lower halves are. */
const upperHalves = {
  min: Number(instantMillis.min >> 32n) + 1,
  max: Number(instantMillis.max >> 32n) - 1,
}

/** Indexes of the records whose timestamp is no instant; usually none, and without a bigint for each. */
export function recordsWithoutInstant({ timestamps, count }: RecordBatch): readonly number[] {
  const halves = new Int32Array(timestamps.buffer, timestamps.byteOffset, timestamps.length * 2)
  const without: number[] = []
  for (let index = 0; index < count; index++) {
    const upper = halves[2 * index + 1] as number
    if (upper >= upperHalves.min && upper <= upperHalves.max) continue
    if (!isInstant(timestamps[index] ?? 0n)) without.push(index)
  }
  return without
}
