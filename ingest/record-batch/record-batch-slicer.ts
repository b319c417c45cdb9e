/**
 * Slices the record set of a Fetch response (record batches, format v2) into columns.
 *
 * This is the hot path of ingestion: no object per record, no copy of uncompressed bytes. Compressed
 * batches are joined, so that a topic of tiny batches does not become a flood of them.
 *
 * Guards invariants R1 to R5 and R12 of docs/spec/record-source.md: offsets rise, nothing below the position
 * appears, control records and aborted transactions never do, the position moves over them, and what
 * precedes damage is given before the damage is reported.
 */
import { UnsupportedError, errorMessage } from '../../common/index.ts'
import type { RecordBatch } from './record-batch.ts'
import { AbortedTransactions, type AbortedTransaction } from './aborted-transactions.ts'
import { ByteArena } from './byte-arena.ts'
import {
  batchHeaderBytes,
  corruptBatch,
  isLogAppendTime,
  offsetAfter,
  readBatchHeader,
  verifyBatchChecksum,
  type DamageNote,
  type RecordBatchHeader,
  type RecordSetOrigin,
} from './record-batch-header.ts'
import { batchBehindDamage } from './batch-behind-damage.ts'
import { type ColumnsPool, RecordColumns } from './record-columns.ts'
import { recordCodecOf, type RecordCodec, type RecordCompression } from './record-compression.ts'
import { VarintCursor } from './varint-cursor.ts'

export interface SlicerOptions {
  readonly topic: string
  readonly partition: number
  readonly compression: RecordCompression
  /** Records with lower offsets are dropped. */
  readonly position: bigint
  /** As the Fetch response lists them for this partition. */
  readonly abortedTransactions?: readonly AbortedTransaction[]
  /** Holds decompressed records; without it every group of batches gets memory of its own. */
  readonly arena?: ByteArena
  /** Pool of columns; without it every result has columns of its own. */
  readonly columns?: ColumnsPool
  /** On by default; costs about 0.04 CPU-s per million records of 234 bytes. */
  readonly verifyChecksums?: boolean
  /** Where the batches of the log follow each other without gaps: the offset of the first one here. */
  readonly contiguousFrom?: bigint
  /** The offset that follows these bytes in the log, where that is known. */
  readonly nextOffset?: bigint | undefined
  /** The file that the record set was read from, and where in it the record set begins. */
  readonly place?: { readonly file: string; readonly position: number }
  /** What a person can do about damage, given the offset at which sound batches go on where that is known. */
  readonly remedy?: (nextSound: bigint | undefined) => string
}

/** The records of one batch: where they lie, uncompressed, in the record set or in the arena. */
interface Section {
  readonly header: RecordBatchHeader
  readonly inArena: boolean
  readonly start: number
  readonly end: number
  /** The slicer's position before this batch. */
  readonly position: bigint
}

/** Compressed batches are joined up to about this size. */
const joinedBytesTarget = 1 << 20
/** The smallest record: seven varints of one byte. */
const recordBytesMin = 7

export class RecordSetSlicer {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #options: SlicerOptions
  readonly #aborted: AbortedTransactions
  readonly #cursor = new VarintCursor(new Uint8Array(0))
  #at = 0
  #verifiedBytes = 0
  #position: bigint
  /** The lowest base offset that the next batch may have, because offsets must rise. */
  #logOffset = 0n
  /** Why nothing more can be sliced; thrown once all that precedes it was given. */
  #fault: unknown
  /** The batch whose records are being walked. */
  #filling: Section | undefined
  readonly #origin: RecordSetOrigin

  constructor(recordSet: Uint8Array, options: SlicerOptions) {
    this.#bytes = recordSet
    this.#view = new DataView(recordSet.buffer, recordSet.byteOffset, recordSet.byteLength)
    this.#options = options
    this.#aborted = new AbortedTransactions(options.abortedTransactions ?? [])
    this.#position = options.position
    this.#logOffset = options.contiguousFrom ?? 0n
    const { topic, partition } = options
    this.#origin = { topic, partition, noteDamage: () => this.#noteDamage() }
  }

  /** The first offset not yet sliced. */
  get position(): bigint {
    return this.#position
  }

  /** The bytes of the record set that have been read; a partial batch at the end never is. */
  get consumedBytes(): number {
    return this.#at
  }

  /**
   * The next records, about `bytesMax` of them but at least one batch, or undefined at the end. A
   * result without records means that the position moved over holes only. Throws what keeps it from
   * going on only when everything before that was given, and again at each call.
   */
  next(bytesMax: number): RecordBatch | undefined {
    if (this.#fault !== undefined) throw this.#fault
    const arena = this.#options.arena ?? new ByteArena()
    const before = this.#position
    const sections = this.#openBatches(arena, bytesMax)
    if (sections.length > 0) {
      const batch = this.#slice(sections, arena, before)
      if (batch.count > 0 || this.#fault === undefined) return batch
    }
    if (this.#position === before) {
      if (this.#fault !== undefined) throw this.#fault
      return undefined
    }
    return this.#toBatch(new RecordColumns(0), this.#bytes.subarray(0, 0), 0)
  }

  /** Moves over batches until they are `bytesMax`, or one is damaged. */
  #openBatches(arena: ByteArena, bytesMax: number): readonly Section[] {
    const sections: Section[] = []
    let bytes = 0
    try {
      for (;;) {
        const header = this.#readHeader()
        if (header === undefined) break
        const codec = this.#codecOf(header)
        if (this.#isVisible(header)) {
          if (!this.#joins(sections, header, codec, bytes, bytesMax)) break
          const section = this.#open(header, codec, arena)
          bytes += section.end - section.start
          sections.push(section)
        }
        this.#advance(header)
      }
    } catch (error) {
      this.#fault = error
    }
    return sections
  }

  /** Where damaged bytes lie, where sound batches go on behind them, and what a person can do. */
  #noteDamage(): DamageNote {
    const { place, remedy, topic, partition } = this.#options
    const start = this.#filling?.header.start ?? this.#at
    const position = this.#filling?.position ?? this.#position
    const follower = batchBehindDamage(this.#bytes, start, position, { topic, partition })
    const next = follower?.baseOffset ?? this.#options.nextOffset
    return {
      remedy: remedy?.(next),
      facts: {
        // What a damaged head says of its offset means nothing where the one before tells it.
        ...(this.#options.contiguousFrom === undefined || this.#filling !== undefined
          ? {}
          : { offset: this.#logOffset }),
        soundFrom: next,
        file: place?.file,
        position: place === undefined ? undefined : place.position + start,
      },
    }
  }

  /** The header at the current position, with its checksum verified before any of its fields is used. */
  #readHeader(): RecordBatchHeader | undefined {
    const header = readBatchHeader(this.#view, this.#at, this.#origin)
    if (header === undefined || header.end <= this.#verifiedBytes) return header
    if (this.#options.verifyChecksums !== false) {
      verifyBatchChecksum(this.#bytes, this.#view, header, this.#origin)
    }
    this.#verifiedBytes = header.end
    return header
  }

  #codecOf(header: RecordBatchHeader): RecordCodec {
    try {
      return recordCodecOf(header.attributes)
    } catch (error) {
      const { topic, partition } = this.#options
      throw new UnsupportedError(errorMessage(error), {
        facts: { topic, partition, offset: header.baseOffset },
        cause: error,
      })
    }
  }

  /** False for control batches, aborted transactions and batches below the position. */
  #isVisible(header: RecordBatchHeader): boolean {
    if (header.baseOffset < this.#logOffset) {
      throw corruptBatch('record batches run backwards', this.#origin, header.baseOffset, {
        expected: this.#logOffset,
      })
    }
    if (this.#options.contiguousFrom !== undefined && header.baseOffset !== this.#logOffset) {
      throw corruptBatch('record batches are missing', this.#origin, this.#logOffset, {
        actual: header.baseOffset,
      })
    }
    if (!this.#aborted.admits(header, this.#bytes)) return false
    return header.recordCount > 0 && offsetAfter(header) > this.#position
  }

  #joins(
    sections: readonly Section[],
    header: RecordBatchHeader,
    codec: RecordCodec,
    bytes: number,
    bytesMax: number,
  ): boolean {
    const [first] = sections
    if (first === undefined) return true
    if (isLogAppendTime(first.header) !== isLogAppendTime(header)) return false
    const plain = codec === 'none'
    if (plain === first.inArena) return false
    return bytes < (plain ? bytesMax : Math.min(bytesMax, joinedBytesTarget))
  }

  #open(header: RecordBatchHeader, codec: RecordCodec, arena: ByteArena): Section {
    const start = header.start + batchHeaderBytes
    const position = this.#position
    if (codec === 'none') return { header, inArena: false, start, end: header.end, position }
    const arenaStart = arena.length
    try {
      const packed = this.#bytes.subarray(start, header.end)
      this.#options.compression.decompressInto(codec, packed, arena)
      return { header, inArena: true, start: arenaStart, end: arena.length, position }
    } catch (error) {
      throw corruptBatch(errorMessage(error), this.#origin, header.baseOffset, {}, error)
    }
  }

  #advance(header: RecordBatchHeader): void {
    this.#at = header.end
    this.#logOffset = offsetAfter(header)
    if (this.#logOffset > this.#position) this.#position = this.#logOffset
  }

  #slice(sections: readonly Section[], arena: ByteArena, position: bigint): RecordBatch {
    let capacity = 0
    for (const { header, start, end } of sections) {
      capacity += Math.min(header.recordCount, Math.floor((end - start) / recordBytesMin))
    }
    const columns = this.#options.columns?.take(capacity) ?? new RecordColumns(capacity)
    const data = sections[0]?.inArena === true ? arena.bytes : this.#bytes
    for (const section of sections) {
      const { header, start, end } = section
      this.#filling = section
      try {
        this.#fill(columns, header, data, start, end, position)
      } catch (error) {
        this.#at = header.start
        this.#position = section.position
        this.#fault = error
        break
      }
    }
    this.#filling = undefined
    const logAppendTime = sections[0] !== undefined && isLogAppendTime(sections[0].header)
    return this.#toBatch(columns, data, logAppendTime ? 1 : 0)
  }

  /** Walks the records of one batch. Every range is checked once per record, against its length. */
  #fill(
    columns: RecordColumns,
    header: RecordBatchHeader,
    data: Uint8Array,
    start: number,
    end: number,
    position: bigint,
  ): void {
    if (header.recordCount > (end - start) / recordBytesMin) throw this.#miscounted(header)
    const cursor = this.#cursor
    cursor.bytes = data
    cursor.at = start
    const { keyStarts, keyEnds, valueStarts, valueEnds, headerStarts, headerEnds } = columns
    const { lastOffsetDelta, recordCount } = header
    const times = new BatchTimes(header)
    const baseOffset = Number(header.baseOffset)
    const safeOffsets = Number.isSafeInteger(baseOffset + lastOffsetDelta)
    const firstDelta = Number(position - header.baseOffset)
    let row = columns.count
    let previousDelta = -1
    for (let index = 0; index < recordCount; index++) {
      const length = cursor.varint()
      const recordEnd = cursor.at + length
      // The attributes of a record are unused.
      cursor.at++
      const timeDelta = cursor.varlong()
      const delta = cursor.varint()
      const keyLength = cursor.varint()
      const keyStart = cursor.at
      if (keyLength > 0) cursor.at += keyLength
      const valueLength = cursor.varint()
      const valueStart = cursor.at
      if (valueLength > 0) cursor.at += valueLength
      const headersAt = cursor.at
      if (
        length < recordBytesMin - 1 ||
        recordEnd > end ||
        headersAt >= recordEnd ||
        keyLength < -1 ||
        valueLength < -1 ||
        delta <= previousDelta ||
        delta > lastOffsetDelta
      ) {
        throw this.#miscounted(header)
      }
      const noHeaders = data[headersAt] === 0
      if (noHeaders && headersAt + 1 !== recordEnd) throw this.#miscounted(header)
      cursor.at = recordEnd
      previousDelta = delta
      if (delta < firstDelta) continue
      if (safeOffsets) columns.setOffset(row, baseOffset + delta)
      else columns.setOffsetBigint(row, header.baseOffset + BigInt(delta))
      times.write(columns, row, timeDelta, cursor)
      keyStarts[row] = keyLength < 0 ? -1 : keyStart
      keyEnds[row] = keyLength < 0 ? -1 : keyStart + keyLength
      valueStarts[row] = valueLength < 0 ? -1 : valueStart
      valueEnds[row] = valueLength < 0 ? -1 : valueStart + valueLength
      headerStarts[row] = headersAt
      headerEnds[row] = noHeaders ? headersAt : recordEnd
      row++
    }
    if (cursor.at !== end) throw this.#miscounted(header)
    columns.count = row
  }

  #toBatch(columns: RecordColumns, data: Uint8Array, timestampType: 0 | 1): RecordBatch {
    const { topic, partition } = this.#options
    return columns.toBatch({ topic, partition, data, timestampType, nextOffset: this.#position })
  }

  #miscounted(header: RecordBatchHeader): Error {
    return corruptBatch('record batch contradicts its own lengths', this.#origin, header.baseOffset)
  }
}

/** The timestamps of one batch: base plus delta, or the broker's one time for all of its records. */
class BatchTimes {
  readonly #base: bigint
  readonly #baseNumber: number
  readonly #appendTime: bigint | undefined

  constructor(header: RecordBatchHeader) {
    this.#base = header.baseTimestamp
    this.#baseNumber = Number(header.baseTimestamp)
    this.#appendTime = isLogAppendTime(header) ? header.maxTimestamp : undefined
  }

  /** `delta` as `VarintCursor.varlong` gave it. */
  write(columns: RecordColumns, row: number, delta: number, cursor: VarintCursor): void {
    const time = this.#baseNumber + delta
    if (this.#appendTime !== undefined) columns.setTimestampBigint(row, this.#appendTime)
    else if (Number.isSafeInteger(time)) columns.setTimestamp(row, time)
    else {
      const exact = Number.isNaN(delta) ? cursor.wide : BigInt(delta)
      columns.setTimestampBigint(row, BigInt.asIntN(64, this.#base + exact))
    }
  }
}
