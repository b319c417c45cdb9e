/**
 * The fixed head of a record batch, format v2 (Kafka documentation, "Record Batch").
 *
 * Offsets and timestamps stay bigint here: there is one head per batch, not per record.
 */
import { crc32c } from '@node-rs/crc32'
import { CorruptDataError, UnsupportedError, type ErrorFacts } from '../../common/index.ts'

export const batchHeaderBytes = 61
/** Base offset and length; the length counts what follows them. */
export const batchPrefixBytes = 12
const magicAt = 16
const crcAt = 17
/** The checksum covers everything from the attributes on. */
export const attributesAt = 21

const timestampTypeBit = 0x08
const transactionalBit = 0x10
const controlBit = 0x20

export interface RecordBatchHeader {
  /** Where the batch lies in the record set. */
  readonly start: number
  readonly end: number
  readonly baseOffset: bigint
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
  readonly producerId: bigint
  readonly recordCount: number
}

/** Where in a log the bytes came from, for error messages. */
export interface RecordSetOrigin {
  readonly topic: string
  readonly partition: number
  /** Called when bytes turn out to be damaged, for the message. */
  readonly noteDamage?: () => DamageNote
}

export interface DamageNote {
  readonly remedy: string | undefined
  readonly facts: ErrorFacts
}

/**
 * The head of the batch at `start`, or undefined when the bytes end before the batch does: brokers
 * cut the last batch of a response anywhere.
 */
export function readBatchHeader(
  view: DataView,
  start: number,
  origin: RecordSetOrigin,
): RecordBatchHeader | undefined {
  const header = peekBatchHeader(view, start, origin)
  return header === undefined || header.end > view.byteLength ? undefined : header
}

/** The same, whether or not the records of the batch are there too. */
export function peekBatchHeader(
  view: DataView,
  start: number,
  origin: RecordSetOrigin,
): RecordBatchHeader | undefined {
  if (start + crcAt > view.byteLength) return undefined
  const baseOffset = view.getBigInt64(start)
  const magic = view.getInt8(start + magicAt)
  if (magic !== 2) throw badMagic(magic, origin, baseOffset)
  const length = view.getInt32(start + 8)
  const end = start + batchPrefixBytes + length
  if (length < batchHeaderBytes - batchPrefixBytes || baseOffset < 0n) {
    throw corruptBatch('record batch has an impossible head', origin, baseOffset, { length })
  }
  if (start + batchHeaderBytes > view.byteLength) return undefined
  const header: RecordBatchHeader = {
    start,
    end,
    baseOffset,
    attributes: view.getInt16(start + attributesAt),
    lastOffsetDelta: view.getInt32(start + 23),
    baseTimestamp: view.getBigInt64(start + 27),
    maxTimestamp: view.getBigInt64(start + 35),
    producerId: view.getBigInt64(start + 43),
    recordCount: view.getInt32(start + 57),
  }
  if (header.lastOffsetDelta < 0 || header.recordCount < 0) {
    throw corruptBatch('record batch counts below zero', origin, baseOffset, {
      lastOffsetDelta: header.lastOffsetDelta,
      records: header.recordCount,
    })
  }
  return header
}

/** Throws CorruptDataError unless the stored checksum is that of the bytes. */
export function verifyBatchChecksum(
  bytes: Uint8Array,
  view: DataView,
  header: RecordBatchHeader,
  origin: RecordSetOrigin,
): void {
  const stored = view.getUint32(header.start + crcAt)
  const computed = batchChecksum(bytes.subarray(header.start + attributesAt, header.end))
  if (stored === computed) return
  throw corruptBatch('record batch fails its checksum', origin, header.baseOffset, {
    stored,
    computed,
  })
}

/** CRC-32C (Castagnoli) of what follows the checksum field. */
export function batchChecksum(bytes: Uint8Array): number {
  return crc32c(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

export function writeBatchChecksum(batch: Uint8Array, view: DataView): void {
  view.setUint32(crcAt, batchChecksum(batch.subarray(attributesAt)))
}

/** True when records carry the time the broker appended them, not their creation time. */
export function isLogAppendTime(header: RecordBatchHeader): boolean {
  return (header.attributes & timestampTypeBit) !== 0
}

export function isTransactional(header: RecordBatchHeader): boolean {
  return (header.attributes & transactionalBit) !== 0
}

export function isControlBatch(header: RecordBatchHeader): boolean {
  return (header.attributes & controlBit) !== 0
}

export function batchAttributes(flags: {
  readonly codecCode: number
  readonly logAppendTime: boolean
  readonly transactional: boolean
  readonly control: boolean
}): number {
  return (
    flags.codecCode |
    (flags.logAppendTime ? timestampTypeBit : 0) |
    (flags.transactional ? transactionalBit : 0) |
    (flags.control ? controlBit : 0)
  )
}

/** The first offset behind the batch, whatever compaction took out of it. */
export function offsetAfter(header: RecordBatchHeader): bigint {
  return header.baseOffset + BigInt(header.lastOffsetDelta) + 1n
}

/**
 * The first offset behind the last whole batch of what was fetched from `fetchOffset` on; behind the last one before
 * a damaged head, where there is one before it.
 */
export function recordSetEnd(
  recordSet: Buffer,
  origin: RecordSetOrigin,
  fetchOffset: bigint,
): bigint {
  const view = new DataView(recordSet.buffer, recordSet.byteOffset, recordSet.byteLength)
  let end = fetchOffset
  let at = 0
  for (;;) {
    const header = headUnlessDamaged(view, at, origin)
    if (header === undefined) break
    const after = offsetAfter(header)
    if (after > end) end = after
    at = header.end
  }
  if (at > 0) return end
  // Since Fetch v3 a broker sends at least one whole batch, however large.
  throw corruptBatch('a fetch brought no whole record batch', origin, fetchOffset, {
    bytes: recordSet.length,
  })
}

/** Undefined, too, for a damaged head that others precede: those are read first. */
function headUnlessDamaged(
  view: DataView,
  at: number,
  origin: RecordSetOrigin,
): RecordBatchHeader | undefined {
  try {
    return readBatchHeader(view, at, origin)
  } catch (error) {
    if (at === 0) throw error
    return undefined
  }
}

export function corruptBatch(
  message: string,
  origin: RecordSetOrigin,
  baseOffset: bigint,
  facts: Readonly<Record<string, string | number | bigint>> = {},
  cause?: unknown,
): CorruptDataError {
  const note = origin.noteDamage?.()
  return new CorruptDataError(note?.remedy === undefined ? message : `${message}; ${note.remedy}`, {
    facts: {
      topic: origin.topic,
      partition: origin.partition,
      offset: baseOffset,
      ...note?.facts,
      ...facts,
    },
    cause,
  })
}

function badMagic(magic: number, origin: RecordSetOrigin, baseOffset: bigint): Error {
  if (magic === 0 || magic === 1) {
    return new UnsupportedError(
      'messages in the format of Kafka before 0.11 are not read; copy the topic with a current client, which writes record batches v2',
      { facts: { topic: origin.topic, partition: origin.partition, offset: baseOffset, magic } },
    )
  }
  return corruptBatch('record batch has an unknown format version', origin, baseOffset, { magic })
}
