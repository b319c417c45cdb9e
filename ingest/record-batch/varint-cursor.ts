/**
 * Walks the zigzag varints of record bodies (Kafka documentation, "Record").
 *
 * A mutable cursor, because returning value and position would cost an object per varint, several
 * per record. Reading past the end yields zero bytes and a position past `bytes.length`; the caller
 * compares positions once per record instead of at each byte.
 */
export class VarintCursor {
  bytes: Uint8Array
  at: number
  /** The exact value after `varlong` returned NaN. */
  wide = 0n

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  /** A 32-bit signed integer; encodings beyond five bytes give `undefinedVarint`. */
  varint(): number {
    const bytes = this.bytes
    let at = this.at
    let byte = bytes[at++] as number
    let raw = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) {
        this.at = at
        return undefinedVarint
      }
      byte = bytes[at++] as number
      raw |= (byte & 0x7f) << shift
    }
    this.at = at
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** A 64-bit signed integer as a number, or NaN with the exact value in `wide`. */
  varlong(): number {
    const start = this.at
    const bytes = this.bytes
    let at = start
    let byte = bytes[at++] as number
    let raw = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 21) return this.#wideVarlong(start)
      byte = bytes[at++] as number
      raw |= (byte & 0x7f) << shift
    }
    this.at = at
    return (raw >>> 1) ^ -(raw & 1)
  }

  #wideVarlong(start: number): number {
    let at = start
    let raw = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[at++] ?? 0
      raw |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    this.at = at
    this.wide = BigInt.asIntN(64, (BigInt.asUintN(64, raw) >> 1n) ^ -(raw & 1n))
    const value = Number(this.wide)
    return Number.isSafeInteger(value) ? value : Number.NaN
  }
}

/** Outside every length and delta that a record may hold, so range checks catch it. */
export const undefinedVarint = -0x80000000
