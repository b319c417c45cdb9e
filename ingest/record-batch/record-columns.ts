/**
 * The columns of a `RecordBatch` while they are being filled.
 *
 * One allocation holds all columns. 64-bit columns are written as halves: storing a bigint would
 * allocate one per record.
 */
import type { RecordBatch } from './record-batch.ts'

const bytesPerRecord = 8 + 8 + 6 * 4
const two32 = 2 ** 32
/** Halves lie in the machine's byte order, as BigInt64Array reads them. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
const lowHalf = littleEndian ? 0 : 1
const highHalf = 1 - lowHalf

export class RecordColumns {
  count = 0
  readonly capacity: number
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
  readonly keyStarts: Int32Array
  readonly keyEnds: Int32Array
  readonly headerStarts: Int32Array
  readonly headerEnds: Int32Array
  readonly #offsets: BigInt64Array
  readonly #timestamps: BigInt64Array
  readonly #offsetHalves: Int32Array
  readonly #timestampHalves: Int32Array

  constructor(capacity: number) {
    this.capacity = capacity
    const buffer = new ArrayBuffer(capacity * bytesPerRecord)
    const ints = (index: number): Int32Array =>
      new Int32Array(buffer, capacity * (16 + 4 * index), capacity)
    this.#offsets = new BigInt64Array(buffer, 0, capacity)
    this.#timestamps = new BigInt64Array(buffer, capacity * 8, capacity)
    this.#offsetHalves = new Int32Array(buffer, 0, capacity * 2)
    this.#timestampHalves = new Int32Array(buffer, capacity * 8, capacity * 2)
    this.valueStarts = ints(0)
    this.valueEnds = ints(1)
    this.keyStarts = ints(2)
    this.keyEnds = ints(3)
    this.headerStarts = ints(4)
    this.headerEnds = ints(5)
  }

  /** `value` must be a safe integer. */
  setOffset(index: number, value: number): void {
    this.#offsetHalves[2 * index + lowHalf] = value | 0
    this.#offsetHalves[2 * index + highHalf] = Math.floor(value / two32)
  }

  setOffsetBigint(index: number, value: bigint): void {
    this.#offsets[index] = value
  }

  /** `value` must be a safe integer. */
  setTimestamp(index: number, value: number): void {
    this.#timestampHalves[2 * index + lowHalf] = value | 0
    this.#timestampHalves[2 * index + highHalf] = Math.floor(value / two32)
  }

  setTimestampBigint(index: number, value: bigint): void {
    this.#timestamps[index] = value
  }

  toBatch(fields: {
    readonly topic: string
    readonly partition: number
    readonly data: Uint8Array
    readonly timestampType: 0 | 1
    readonly nextOffset: bigint
  }): RecordBatch {
    const count = this.count
    return {
      topic: fields.topic,
      partition: fields.partition,
      count,
      data: fields.data,
      offsets: this.#offsets.subarray(0, count),
      timestamps: this.#timestamps.subarray(0, count),
      timestampType: fields.timestampType,
      valueStarts: this.valueStarts.subarray(0, count),
      valueEnds: this.valueEnds.subarray(0, count),
      keyStarts: this.keyStarts.subarray(0, count),
      keyEnds: this.keyEnds.subarray(0, count),
      headerStarts: this.headerStarts.subarray(0, count),
      headerEnds: this.headerEnds.subarray(0, count),
      nextOffset: fields.nextOffset,
    }
  }
}

/**
 * Columns that the next poll uses again, for the same reason as `ByteArena`: new ones for each batch make V8
 * collect its whole heap many times.
 */
export class ColumnsPool {
  readonly #columns: RecordColumns[] = []
  #taken = 0

  take(capacity: number): RecordColumns {
    const index = this.#taken++
    const pooled = this.#columns[index]
    if (pooled !== undefined && pooled.capacity >= capacity) {
      pooled.count = 0
      return pooled
    }
    const made = new RecordColumns(Math.ceil(capacity * 1.25))
    this.#columns[index] = made
    return made
  }

  /** Invalidates everything that was handed out before. */
  reset(): void {
    // The columns of one unusually large poll must not be kept forever.
    this.#columns.length = Math.min(this.#columns.length, Math.max(this.#taken, pooledMin))
    this.#taken = 0
  }
}

const pooledMin = 64
