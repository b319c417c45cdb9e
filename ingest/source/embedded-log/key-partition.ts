/**
 * The partition of a key as Kafka's own producers choose it (murmur2 of the key, sign bit cleared), so
 * that a topic copied between Kafka and an embedded log keeps its partitions.
 */
const seed = 0x9747b28c
const multiplier = 0x5bd1e995
const shift = 24

export function partitionOfKey(key: Uint8Array | string, partitionCount: number): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key
  return (murmur2(bytes) & 0x7fffffff) % partitionCount
}

export function murmur2(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const whole = bytes.length - (bytes.length % 4)
  let hash = seed ^ bytes.length
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(view.getInt32(at, true), multiplier)
    word ^= word >>> shift
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier)
  }
  for (let at = bytes.length - 1; at >= whole; at--) {
    hash ^= (bytes[at] ?? 0) << (8 * (at - whole))
  }
  if (whole < bytes.length) hash = Math.imul(hash, multiplier)
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}
