/**
 * One text for a multiset of (partition, offset): equal texts mean nothing lost and nothing doubled.
 * The Python judges compute the same (SHA-256 over the sorted pairs as little-endian 64-bit integers).
 */
import { createHash } from 'node:crypto'
import { endianness } from 'node:os'

const partitionShift = 48n

export interface PartitionOffset {
  readonly partition: number
  readonly offset: bigint | number
}

export function offsetsDigest(pairs: Iterable<PartitionOffset>): string {
  if (endianness() !== 'LE') throw new Error('the digest is defined on little-endian machines only')
  const keys = Array.from(
    pairs,
    ({ partition, offset }) => (BigInt(partition) << partitionShift) | BigInt(offset),
  )
  const sorted = BigInt64Array.from(keys).sort()
  return createHash('sha256').update(new Uint8Array(sorted.buffer)).digest('hex')
}
