/** Murmur3, 32-bit x86 variant, seed 0: the hash of bucket transforms (spec, "Appendix B"). */

/** A signed 32-bit hash. */
export function murmur3(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wholeBlocks = bytes.length & ~3
  let hash = 0
  for (let offset = 0; offset < wholeBlocks; offset += 4) {
    hash = Math.imul(rotateLeft(hash ^ mixBlock(view.getInt32(offset, true)), 13), 5) + 0xe6546b64
  }
  let tail = 0
  for (let index = bytes.length - 1; index >= wholeBlocks; index--) {
    tail = (tail << 8) | (bytes[index] ?? 0)
  }
  if (bytes.length > wholeBlocks) hash ^= mixBlock(tail)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function mixBlock(block: number): number {
  return Math.imul(rotateLeft(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593)
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
