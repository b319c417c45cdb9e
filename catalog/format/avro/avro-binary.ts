/**
 * Avro's binary encoding over buffers. Longs are bigints, so that no id or size is ever rounded
 * (iceberg-facts 1). Reading past the end is CorruptDataError, whatever lengths a file claims.
 */
import { CorruptDataError } from '../../../common/index.ts'

export class AvroEncoder {
  #bytes = Buffer.allocUnsafe(4096)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was written so far; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  boolean(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value ? 1 : 0
  }

  int(value: number): void {
    this.#varint(value >= 0 ? value * 2 : value * -2 - 1)
  }

  long(value: bigint): void {
    if (value < 2n ** 51n && value > -(2n ** 51n)) {
      this.int(Number(value))
      return
    }
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    this.#reserve(10)
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.#length++] = Number(rest)
  }

  float(value: number): void {
    this.#reserve(4)
    this.#length = this.#bytes.writeFloatLE(value, this.#length)
  }

  double(value: number): void {
    this.#reserve(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  /** Bytes without a length before them. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  bytes(value: Uint8Array): void {
    this.int(value.length)
    this.raw(value)
  }

  string(value: string): void {
    this.bytes(Buffer.from(value, 'utf8'))
  }

  #varint(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.written())
    this.#bytes = larger
  }
}

export class AvroDecoder {
  readonly #bytes: Buffer
  readonly #where: string
  #offset = 0

  constructor(bytes: Uint8Array, where: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#where = where
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  boolean(): boolean {
    return this.#byte() !== 0
  }

  int(): number {
    const value = this.long()
    if (value < -(2n ** 31n) || value >= 2n ** 31n) throw this.corrupt('an int exceeds 32 bits')
    return Number(value)
  }

  long(): bigint {
    const low = this.#group(4)
    if (low.last) return BigInt(low.value % 2 === 0 ? low.value / 2 : -(low.value + 1) / 2)
    const high = this.#group(6)
    if (!high.last) throw this.corrupt('a long has more than ten bytes')
    const unsigned = BigInt.asUintN(64, BigInt(low.value) | (BigInt(high.value) << 28n))
    return (unsigned >> 1n) ^ -(unsigned & 1n)
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#advance(4))
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#advance(8))
  }

  raw(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  bytes(): Uint8Array {
    return this.raw(this.#size())
  }

  string(): string {
    const length = this.#size()
    const start = this.#advance(length)
    return this.#bytes.toString('utf8', start, start + length)
  }

  /** Calls `item` for each item of an array or map, block by block. */
  blocks(item: () => void): void {
    for (;;) {
      let count = this.long()
      if (count === 0n) return
      if (count < 0n) {
        count = -count
        this.long() // the block's size in bytes, for readers that skip
      }
      // Every item takes at least a byte, so a larger count is damage, and reading it would not end.
      if (count > BigInt(this.remaining)) throw this.corrupt('a block claims more items than bytes')
      for (let index = 0n; index < count; index++) item()
    }
  }

  corrupt(problem: string): CorruptDataError {
    return new CorruptDataError(`not valid avro: ${problem}`, {
      facts: { where: this.#where, offset: this.#offset },
    })
  }

  /** Up to `bytesMax` seven-bit groups; six groups stay below 2^53. */
  #group(bytesMax: number): { readonly value: number; readonly last: boolean } {
    let value = 0
    let scale = 1
    for (let index = 0; index < bytesMax; index++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return { value, last: true }
      scale *= 128
    }
    return { value, last: false }
  }

  #size(): number {
    const length = this.long()
    if (length < 0n || length > BigInt(this.remaining))
      throw this.corrupt('a length exceeds the file')
    return Number(length)
  }

  #byte(): number {
    return this.#bytes[this.#advance(1)] ?? 0
  }

  #advance(count: number): number {
    if (count > this.remaining) throw this.corrupt('it ends too early')
    const start = this.#offset
    this.#offset += count
    return start
  }
}
