/**
 * The primitive types of the Kafka protocol (Kafka documentation, "Protocol Primitive Types"), for the
 * few requests that we speak ourselves.
 */
import { CorruptDataError, formatUuid } from '../../../common/index.ts'

export class ProtocolWriter {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    return this.#push(1, (part) => part.writeInt8(value))
  }

  int16(value: number): this {
    return this.#push(2, (part) => part.writeInt16BE(value))
  }

  int32(value: number): this {
    return this.#push(4, (part) => part.writeInt32BE(value))
  }

  int64(value: bigint): this {
    return this.#push(8, (part) => part.writeBigInt64BE(value))
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  string(value: string): this {
    const bytes = Buffer.from(value)
    this.int16(bytes.length)
    this.#parts.push(bytes)
    return this
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(Buffer.from(value))
    return this
  }

  unsignedVarint(value: number): this {
    const bytes: number[] = []
    let left = value
    for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80)
    bytes.push(left)
    return this.bytes(Uint8Array.from(bytes))
  }

  compactString(value: string): this {
    const bytes = Buffer.from(value)
    return this.unsignedVarint(bytes.length + 1).bytes(bytes)
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.unsignedVarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  noTags(): this {
    return this.unsignedVarint(0)
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #push(bytes: number, write: (part: Buffer) => void): this {
    const part = Buffer.allocUnsafe(bytes)
    write(part)
    this.#parts.push(part)
    return this
  }
}

/** Reads a response; running over its end is a CorruptDataError, whatever field it happens in. */
export class ProtocolReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  int8(): number {
    return this.#buffer.readInt8(this.#take(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }

  int64(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8))
  }

  bool(): boolean {
    return this.int8() !== 0
  }

  string(): string {
    return this.#text(this.int16())
  }

  /** A null array is read as an empty one. */
  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read)
  }

  /** A view of the response's own memory; null is read as empty. */
  bytes(): Buffer {
    const length = Math.max(0, this.int32())
    const start = this.#take(length)
    return this.#buffer.subarray(start, start + length)
  }

  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#buffer[this.#take(1)] ?? 0
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw this.#corrupt()
  }

  /** Null is read as the empty string. */
  compactString(): string {
    return this.#text(this.unsignedVarint() - 1)
  }

  compactArray<T>(read: () => T): T[] {
    return this.#items(this.unsignedVarint() - 1, read)
  }

  /** In the canonical hexadecimal form. */
  uuid(): string {
    const start = this.#take(16)
    return formatUuid(this.#buffer.subarray(start, start + 16))
  }

  skipTags(): void {
    const count = this.unsignedVarint()
    for (let index = 0; index < count; index++) {
      this.unsignedVarint()
      this.#take(this.unsignedVarint())
    }
  }

  #text(length: number): string {
    if (length <= 0) return ''
    const start = this.#take(length)
    return this.#buffer.toString('utf8', start, start + length)
  }

  #items<T>(count: number, read: () => T): T[] {
    const items: T[] = []
    for (let index = 0; index < count; index++) items.push(read())
    return items
  }

  #take(bytes: number): number {
    const start = this.#at
    if (start + bytes > this.#buffer.length) throw this.#corrupt()
    this.#at += bytes
    return start
  }

  #corrupt(): CorruptDataError {
    return new CorruptDataError('response of a kafka broker ends within a field', {
      facts: { bytes: this.#buffer.length, at: this.#at },
    })
  }
}
