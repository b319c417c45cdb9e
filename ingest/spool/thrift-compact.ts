/**
 * The part of Thrift's compact protocol that a Parquet footer needs: structs, lists, integers, text
 * (Apache Thrift, "Compact protocol encoding").
 */

const types = { bool: 1, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const

export class CompactWriter {
  readonly #bytes: number[] = []
  /** The last field id of each struct that is open. */
  readonly #lastIds: number[] = [0]

  get bytes(): Buffer {
    return Buffer.from(this.#bytes)
  }

  i32(id: number, value: number): void {
    this.#field(id, types.i32)
    this.#zigzag(BigInt(value))
  }

  i64(id: number, value: number | bigint): void {
    this.#field(id, types.i64)
    this.#zigzag(BigInt(value))
  }

  bool(id: number, value: boolean): void {
    this.#field(id, value ? types.bool : types.bool + 1)
  }

  text(id: number, value: string): void {
    this.#field(id, types.binary)
    this.#text(value)
  }

  struct(id: number, write: () => void): void {
    this.#field(id, types.struct)
    this.#struct(write)
  }

  structs<T>(id: number, items: readonly T[], write: (item: T) => void): void {
    this.#list(id, items.length, types.struct)
    for (const item of items) this.#struct(() => write(item))
  }

  i32s(id: number, values: readonly number[]): void {
    this.#list(id, values.length, types.i32)
    for (const value of values) this.#zigzag(BigInt(value))
  }

  texts(id: number, values: readonly string[]): void {
    this.#list(id, values.length, types.binary)
    for (const value of values) this.#text(value)
  }

  /** Ends the outermost struct. */
  stop(): void {
    this.#bytes.push(0)
  }

  #struct(write: () => void): void {
    this.#lastIds.push(0)
    write()
    this.#lastIds.pop()
    this.#bytes.push(0)
  }

  #field(id: number, type: number): void {
    const depth = this.#lastIds.length - 1
    const delta = id - (this.#lastIds[depth] ?? 0)
    this.#lastIds[depth] = id
    if (delta > 0 && delta <= 15) this.#bytes.push((delta << 4) | type)
    else {
      this.#bytes.push(type)
      this.#zigzag(BigInt(id))
    }
  }

  #list(id: number, length: number, type: number): void {
    this.#field(id, types.list)
    if (length < 15) this.#bytes.push((length << 4) | type)
    else {
      this.#bytes.push(0xf0 | type)
      this.#varint(BigInt(length))
    }
  }

  #text(value: string): void {
    const bytes = Buffer.from(value, 'utf8')
    this.#varint(BigInt(bytes.length))
    for (const byte of bytes) this.#bytes.push(byte)
  }

  #zigzag(value: bigint): void {
    this.#varint(value < 0n ? -2n * value - 1n : 2n * value)
  }

  #varint(value: bigint): void {
    let rest = value
    while (rest > 127n) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.#bytes.push(Number(rest))
  }
}
