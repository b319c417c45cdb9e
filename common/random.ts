/**
 * Randomness as a component: production draws from the system, tests and the simulator from a seed.
 */
import { randomBytes } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (length) => randomBytes(length),
}

/** A seeded source (mulberry32): the same seed gives the same run. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    fraction: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  }
}

/** A random (version 4) UUID in canonical lower case. */
export function randomUuid(random: Random): string {
  const bytes = Uint8Array.from(random.bytes(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return formatUuid(bytes)
}

/** The canonical lower case text of 16 bytes. */
export function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return [...parts, hex.slice(20)].join('-')
}

/**
 * A positive id below 2^53, for snapshots: any JSON reader, however careless with 64-bit numbers,
 * shows it exactly.
 */
export function randomSafeId(random: Random): bigint {
  const bytes = random.bytes(8)
  const value = Buffer.from(bytes).readBigUInt64BE() & ((1n << 53n) - 1n)
  return value === 0n ? 1n : value
}
