/**
 * The part of Thrift's compact protocol that a Parquet footer needs: structs, lists, integers, text
 * (Apache Thrift, "Compact protocol encoding").
 */

const typeBool = 1
const typeI32 = 5
const typeI64 = 6
const typeBinary = 8
const typeList = 9
const typeStruct = 12

export class CompactWriter {
  readonly #bytes: number[] = []
  /** The last field id of each struct that is open. */
  readonly #lastIds: number[] = [0]

  get bytes(): Buffer {
    return Buffer.from(this.#bytes)
  }

  i32(id: number, value: number): void {
    this.#field(id, typeI32)
    this.#zigzag(BigInt(value))
  }

  i64(id: number, value: number | bigint): void {
    this.#field(id, typeI64)
    this.#zigzag(BigInt(value))
  }

  bool(id: number, value: boolean): void {
    this.#field(id, value ? typeBool : typeBool + 1)
  }

  text(id: number, value: string): void {
    this.#field(id, typeBinary)
    this.#text(value)
  }

  struct(id: number, write: () => void): void {
    this.#field(id, typeStruct)
    this.#struct(write)
  }

  structs<T>(id: number, items: readonly T[], write: (item: T) => void): void {
    this.#list(id, items.length, typeStruct)
    for (const item of items) this.#struct(() => write(item))
  }

  i32s(id: number, values: readonly number[]): void {
    this.#list(id, values.length, typeI32)
    for (const value of values) this.#zigzag(BigInt(value))
  }

  texts(id: number, values: readonly string[]): void {
    this.#list(id, values.length, typeBinary)
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
    this.#field(id, typeList)
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
