/**
 * Writes record batches, format v2: for the embedded log, whose segments are Kafka record batches,
 * and for tests of the slicer.
 *
 * One growing buffer, no object per record: the demo appends millions.
 */
import type { RecordHeader } from './record-header.ts'
import { assert } from '../../common/index.ts'
import { batchAttributes, batchHeaderBytes, writeBatchChecksum } from './record-batch-header.ts'
import { recordCodecs, type RecordCodec, type RecordCompression } from './record-compression.ts'

export interface RecordToWrite {
  readonly key: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly RecordHeader[]
  readonly timestampMs: number | bigint
}

export interface BatchFields {
  readonly baseOffset: bigint
  readonly codec?: RecordCodec
  /** Set for append time instead of creation time: `maxTimestamp` is then the time of every record. */
  readonly logAppendTimeMs?: bigint
  readonly transactional?: boolean
  readonly control?: boolean
  readonly producerId?: bigint
  /** Beyond the last record when compaction took records off the end. */
  readonly lastOffsetDelta?: number
}

/** Longest varint of a length or delta, and longest varlong. */
const varintBytesMax = 5
const varlongBytesMax = 10
const maxSafeDelta = 2 ** 30

export class RecordBatchEncoder {
  #buffer: Buffer
  #at = batchHeaderBytes
  #count = 0
  #lastDelta = -1
  #baseTimestamp: number | bigint = 0
  #maxTimestamp: number | bigint = 0
  readonly #compression: RecordCompression

  constructor(compression: RecordCompression, initialBytes = 1 << 16) {
    this.#compression = compression
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes)
  }

  get count(): number {
    return this.#count
  }

  /** Size so far, uncompressed. */
  get byteLength(): number {
    return this.#at
  }

  /** `offsetDelta` leaves holes when it is more than one above the last. */
  append(record: RecordToWrite, offsetDelta = this.#lastDelta + 1): void {
    assert(offsetDelta > this.#lastDelta, 'offsets of a batch rise')
    const { key, value, timestampMs } = record
    const headers = encodeHeaders(record.headers ?? [])
    this.#noteTimestamp(timestampMs)
    this.#lastDelta = offsetDelta
    this.#count++
    const timeDelta = zigzag(timestampMs, this.#baseTimestamp)
    const keyBytes = lengthOf(key)
    const valueBytes = lengthOf(value)
    const bodyBytes =
      1 +
      zigzagSize(timeDelta) +
      varintSize(offsetDelta) +
      varintSize(keyBytes) +
      Math.max(0, keyBytes) +
      varintSize(valueBytes) +
      Math.max(0, valueBytes) +
      headers.length
    this.#reserve(varintBytesMax + bodyBytes)
    this.#varint(bodyBytes)
    this.#buffer[this.#at++] = 0
    this.#zigzag(timeDelta)
    this.#varint(offsetDelta)
    this.#bytes(key, keyBytes)
    this.#bytes(value, valueBytes)
    this.#at += headers.copy(this.#buffer, this.#at)
  }

  /** The batch, in memory of its own; the encoder is empty again and can be used for the next. */
  finish(fields: BatchFields): Uint8Array {
    const codec = fields.codec ?? 'none'
    const records = this.#buffer.subarray(batchHeaderBytes, this.#at)
    const packed = this.#compression.compress(codec, records)
    const batch = new Uint8Array(batchHeaderBytes + packed.length)
    batch.set(packed, batchHeaderBytes)
    const view = new DataView(batch.buffer)
    view.setBigInt64(0, fields.baseOffset)
    view.setInt32(8, batch.length - 12)
    view.setInt32(12, 0)
    view.setInt8(16, 2)
    const attributes = batchAttributes({
      codecCode: recordCodecs.indexOf(codec),
      logAppendTime: fields.logAppendTimeMs !== undefined,
      transactional: fields.transactional === true,
      control: fields.control === true,
    })
    view.setInt16(21, attributes)
    view.setInt32(23, fields.lastOffsetDelta ?? Math.max(0, this.#lastDelta))
    view.setBigInt64(27, BigInt(this.#baseTimestamp))
    view.setBigInt64(35, fields.logAppendTimeMs ?? BigInt(this.#maxTimestamp))
    view.setBigInt64(43, fields.producerId ?? -1n)
    view.setInt16(51, fields.producerId === undefined ? -1 : 0)
    view.setInt32(53, -1)
    view.setInt32(57, this.#count)
    writeBatchChecksum(batch, view)
    this.#at = batchHeaderBytes
    this.#count = 0
    this.#lastDelta = -1
    return batch
  }

  #noteTimestamp(timestampMs: number | bigint): void {
    if (this.#count === 0) {
      this.#baseTimestamp = timestampMs
      this.#maxTimestamp = timestampMs
    } else if (timestampMs > this.#maxTimestamp) {
      this.#maxTimestamp = timestampMs
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#at)
    this.#buffer = grown
  }

  #bytes(value: Uint8Array | string | null, length: number): void {
    this.#varint(length)
    if (value === null) return
    if (typeof value === 'string') this.#buffer.write(value, this.#at, length, 'utf8')
    else this.#buffer.set(value, this.#at)
    this.#at += length
  }

  #varint(value: number): void {
    this.#at = writeVarint(this.#buffer, this.#at, value)
  }

  #zigzag(raw: number | bigint): void {
    if (typeof raw === 'number') {
      this.#at = writeUnsigned(this.#buffer, this.#at, raw)
      return
    }
    let left = raw
    for (; left >= 0x80n; left >>= 7n) this.#buffer[this.#at++] = Number(left & 0x7fn) | 0x80
    this.#buffer[this.#at++] = Number(left)
  }
}

/** The header section of a record, count included; a record without headers holds one zero byte. */
export function encodeHeaders(headers: readonly RecordHeader[]): Buffer {
  if (headers.length === 0) return noHeaders
  const parts: Buffer[] = [varintBytes(headers.length)]
  for (const { name, value } of headers) {
    const nameBytes = Buffer.from(name)
    parts.push(varintBytes(nameBytes.length), nameBytes, varintBytes(value?.length ?? -1))
    if (value !== null) parts.push(Buffer.from(value))
  }
  return Buffer.concat(parts)
}

const noHeaders = Buffer.of(0)

function varintBytes(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytesMax)
  return bytes.subarray(0, writeVarint(bytes, 0, value))
}

function lengthOf(value: Uint8Array | string | null): number {
  if (value === null) return -1
  return typeof value === 'string' ? Buffer.byteLength(value) : value.length
}

function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  return writeUnsigned(buffer, at, ((value << 1) ^ (value >> 31)) >>> 0)
}

function writeUnsigned(buffer: Uint8Array, at: number, raw: number): number {
  let left = raw
  let next = at
  for (; left >= 0x80; left >>>= 7) buffer[next++] = (left & 0x7f) | 0x80
  buffer[next++] = left
  return next
}

function varintSize(value: number): number {
  return unsignedSize(((value << 1) ^ (value >> 31)) >>> 0)
}

function unsignedSize(raw: number): number {
  if (raw < 1 << 7) return 1
  if (raw < 1 << 14) return 2
  if (raw < 1 << 21) return 3
  return raw < 1 << 28 ? 4 : 5
}

/** The zigzag form of `value - base`: a number for ordinary times, a bigint for any others. */
function zigzag(value: number | bigint, base: number | bigint): number | bigint {
  if (typeof value === 'number' && typeof base === 'number') {
    const delta = value - base
    if (Math.abs(delta) < maxSafeDelta) return ((delta << 1) ^ (delta >> 31)) >>> 0
  }
  const delta = BigInt.asIntN(64, BigInt(value) - BigInt(base))
  return BigInt.asUintN(64, (delta << 1n) ^ (delta >> 63n))
}

function zigzagSize(raw: number | bigint): number {
  if (typeof raw === 'number') return unsignedSize(raw)
  let size = 1
  for (let left = raw >> 7n; left > 0n; left >>= 7n) size++
  assert(size <= varlongBytesMax, 'a varlong has at most ten bytes')
  return size
}
