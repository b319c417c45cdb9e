/** Finds what of a partition is damaged or missing, by every checksum up to its durable end. Writes nothing. */
import { open } from 'node:fs/promises'
import { type Clock, hasCode } from '../../../common/index.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import type { DurableEnd } from './durable-end.ts'
import { listSegments, segmentFile } from './log-layout.ts'
import { PartitionEnd } from './partition-end.ts'
import { scanSegment, type SegmentDamage } from './segment-scan.ts'

/** `start` and `end` are the same where bytes are missing. */
export interface PartitionDamage extends SegmentDamage {
  readonly file: string
  /** Of the segment. */
  readonly segmentBase: bigint
}

export interface PartitionInspection extends TopicPartition {
  readonly end: DurableEnd
  readonly damages: readonly PartitionDamage[]
}

export async function inspectPartition(
  directory: string,
  { topic, partition }: TopicPartition,
  clock: Clock,
): Promise<PartitionInspection> {
  const partitionEnd = new PartitionEnd({ topic, partition, directory, clock })
  const end = await partitionEnd.read()
  await partitionEnd.close()
  const bases = (await listSegments(directory)).filter((base) => base <= end.segmentBase)
  const damages: PartitionDamage[] = []
  const note = (segmentBase: bigint, damage: SegmentDamage): void => {
    if (damage.nextOffset <= end.startOffset) return
    damages.push({ ...damage, segmentBase, file: segmentFile(directory, segmentBase) })
  }
  const first = bases[0] ?? end.nextOffset
  if (first > end.startOffset) {
    note(end.startOffset, { start: 0, end: 0, offset: end.startOffset, nextOffset: first })
  }
  for (const [index, base] of bases.entries()) {
    const endOffset = bases[index + 1] ?? end.nextOffset
    const sizeMax = base === end.segmentBase ? end.segmentBytes : Number.POSITIVE_INFINITY
    for (const damage of await damagesOf(directory, base, endOffset, sizeMax, {
      topic,
      partition,
    })) {
      note(base, damage)
    }
  }
  return { topic, partition, end, damages }
}

async function damagesOf(
  directory: string,
  base: bigint,
  /** Where the segment must end. */
  endOffset: bigint,
  sizeMax: number,
  partition: TopicPartition,
): Promise<readonly SegmentDamage[]> {
  try {
    const handle = await open(segmentFile(directory, base), 'r')
    try {
      const size = Math.min((await handle.stat()).size, sizeMax)
      const from = { nextOffset: base, bytes: 0 }
      const scan = await scanSegment(handle, { ...partition, from, size })
      if (scan.bytes === size && scan.nextOffset >= endOffset) return scan.damages
      const nextOffset = endOffset > scan.nextOffset ? endOffset : scan.nextOffset
      const tail = { start: scan.bytes, end: size, offset: scan.nextOffset, nextOffset }
      return [...scan.damages, tail]
    } finally {
      await handle.close()
    }
  } catch (error) {
    // Retention has removed it since it was listed.
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}
