/**
 * Writes a record's coordinates as JSON members, so that each row has them and the engine may read rows in
 * any order and in parallel. Digits are written without a string or bigint per record.
 */
import { CorruptDataError } from '../../common/index.ts'

export interface CoordinateKeyNames {
  readonly offset: string
  readonly timestamp: string
  readonly partition: string
  /** Left out where a stream reads one topic. */
  readonly topic?: string
}

/**
 * The members of the last record stay in `bytes`, and only what differs is written: usually the digits of the
 * offset, sometimes the timestamp.
 */
export class CoordinatePrefix {
  readonly bytes: Buffer = Buffer.allocUnsafe(2048)
  length = 0
  readonly #keys: CoordinateKeyNames
  readonly #offsetKey: Buffer
  #partitionOf = ''
  #timestampAt = 0
  #offsetAt = 0
  #timestampLow = 0
  #timestampHigh = 0
  #isWritten = false
  #offsets: BigInt64Array = new BigInt64Array(0)
  #offsetHalves: Int32Array = new Int32Array(0)
  #timestamps: BigInt64Array = new BigInt64Array(0)
  #timestampHalves: Int32Array = new Int32Array(0)

  constructor(keys: CoordinateKeyNames) {
    this.#keys = keys
    this.#offsetKey = Buffer.from(`,${JSON.stringify(keys.offset)}:`)
  }

  /** Sets the partition of the records that follow. */
  enter(topic: string, partition: number): void {
    const of = `${topic}:${partition}`
    if (of === this.#partitionOf) return
    this.#partitionOf = of
    const keys = this.#keys
    const topicMember =
      keys.topic === undefined ? '' : `${JSON.stringify(keys.topic)}:${JSON.stringify(topic)},`
    const partitionMember = `${JSON.stringify(keys.partition)}:${partition}`
    const head = `${topicMember}${partitionMember},${JSON.stringify(keys.timestamp)}:`
    this.#timestampAt = this.bytes.write(head, 0, 'utf8')
    this.#isWritten = false
  }

  /** Writes the members of record `index` to `bytes`. */
  write(offsets: BigInt64Array, timestamps: BigInt64Array, index: number): void {
    if (offsets !== this.#offsets || timestamps !== this.#timestamps) {
      this.#offsets = offsets
      this.#timestamps = timestamps
      this.#offsetHalves = halvesOf(offsets)
      this.#timestampHalves = halvesOf(timestamps)
    }
    const at = index * 2
    const low = this.#timestampHalves[at] as number
    const high = this.#timestampHalves[at + 1] as number
    if (!this.#isWritten || low !== this.#timestampLow || high !== this.#timestampHigh) {
      this.#isWritten = true
      this.#timestampLow = low
      this.#timestampHigh = high
      this.length = this.#timestampAt
      this.#number(low, high)
      this.bytes.set(this.#offsetKey, this.length)
      this.#offsetAt = this.length + this.#offsetKey.length
    }
    this.length = this.#offsetAt
    this.#number(this.#offsetHalves[at] as number, this.#offsetHalves[at + 1] as number)
  }

  #number(low: number, high: number): void {
    // Below 2^53 a double is exact; larger and negative numbers take the slow path.
    if (high >= 0 && high < 0x200000) this.#digits(high * 0x100000000 + (low >>> 0))
    else this.#text(((BigInt(high) << 32n) | BigInt(low >>> 0)).toString())
  }

  #digits(value: number): void {
    if (value < 1e9) this.#int(value | 0, 0)
    else {
      const upper = Math.floor(value / 1e9)
      if (upper < 1e9) this.#int(upper | 0, 0)
      else this.#text(String(upper))
      this.#int((value - upper * 1e9) | 0, 9)
    }
  }

  /** `value` below 10^9, padded with zeros to `width` digits. */
  #int(value: number, width: number): void {
    const bytes = this.bytes
    let digits = 1
    for (let bound = 10; digits < 9 && value >= bound; bound *= 10) digits++
    if (width > digits) digits = width
    const end = this.length + digits
    let rest = value
    for (let at = end - 1; at >= this.length; at--) {
      const next = (rest / 10) | 0
      bytes[at] = 0x30 + (rest - next * 10)
      rest = next
    }
    this.length = end
  }

  #text(text: string): void {
    this.length += this.bytes.write(text, this.length, 'latin1')
  }
}

export interface RowCoordinates {
  readonly topic: string | undefined
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: bigint
  /** Bytes of the row up to the record's own members. */
  readonly length: number
}

/** Reads back what `write` put at the head of a spooled row. */
export function parseRowCoordinates(row: Buffer, keys: CoordinateKeyNames): RowCoordinates {
  const quoted = (key: string): string => JSON.stringify(key).replace(/[$\\^.*+?()[\]{}|]/g, '\\$&')
  const topic = keys.topic === undefined ? '()' : `${quoted(keys.topic)}:("(?:[^"\\\\]|\\\\.)*"),`
  const pattern = new RegExp(
    `^\\{${topic}${quoted(keys.partition)}:(\\d+),${quoted(keys.timestamp)}:(-?\\d+),${quoted(keys.offset)}:(-?\\d+),?`,
  )
  const match = pattern.exec(row.subarray(0, 2048).toString('utf8'))
  if (match === null)
    throw new CorruptDataError('a spooled row does not begin with its coordinates')
  return {
    topic: match[1] === '' ? undefined : (JSON.parse(match[1] ?? '""') as string),
    partition: Number(match[2]),
    offset: BigInt(match[4] ?? 0),
    timestamp: BigInt(match[3] ?? 0),
    length: Buffer.byteLength(match[0]),
  }
}

function halvesOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2)
}
