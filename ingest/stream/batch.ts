/**
 * Records on their way to one commit: rows in spool files, dead letters beside them, and the offset
 * range of each partition.
 *
 * Invariant E4 (docs/spec/exactly-once.md): every record between a range's `from` and `to` is exactly
 * one of: a row of a spool, a dead letter, waiting for a column, or a hole of the log.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../common/index.ts'
import { type DeadLetter, deadLetterOf } from '../dead-letter/dead-letter.ts'
import { DeadLetterSpool } from '../dead-letter/dead-letter-spool.ts'
import type { OffsetRange } from '../offsets/offset-range.ts'
import type { PlaceKeys } from '../spool/place-keys.ts'
import { parsePlace } from '../spool/place-prefix.ts'
import { parseRecordMember } from '../spool/record-member.ts'
import type { RowBuffer, RowFormat } from '../spool/row-buffer.ts'
import { type RowScanner, ScanResult } from '../decode/json/row-scanner.ts'
import type { PendingSpool, SpoolWriter } from '../spool/spool-writer.ts'
import { partitionKey, type RecordBatch } from '../source/record-source.ts'
import { retainRecords } from '../record-batch/retained-records.ts'

/** Records that wait for a column; more at once grow the schema without waiting for the flush. */
const waitingMax = 1000
const waitingBytesMax = 16 << 20

export interface MicroBatchOptions {
  /** Local directory for spool files, deleted with the batch. */
  readonly directory: string
  /** Whose letters these are, and when. */
  readonly stream: string
  readonly clock: Clock
  readonly spoolWriter: SpoolWriter
  readonly placeKeys: PlaceKeys
  /** The next offset that the table holds, for partitions that join this batch. */
  readonly committedOffset: (batch: RecordBatch) => bigint | undefined
}

/** One record that named a field which the table lacks; kept until the schema has grown. */
export interface WaitingRecord {
  readonly batch: RecordBatch
  readonly index: number
}

/** How records become rows: what the table's schema decides. */
export interface RowRules {
  readonly scanner: RowScanner
  readonly format: RowFormat
}

export class MicroBatch {
  recordCount = 0
  /** Bytes of rows, dead letters and waiting records. */
  sizeBytes = 0
  readonly spools: PendingSpool[] = []
  readonly letters: DeadLetterSpool
  readonly waiting: WaitingRecord[] = []
  #waitingBytes = 0
  readonly #options: MicroBatchOptions
  readonly #ranges = new Map<
    string,
    { topic: string; partition: number; from: bigint | undefined; to: bigint }
  >()
  #newestTimestampMs = 0

  constructor(options: MicroBatchOptions) {
    this.#options = options
    const { stream, clock } = options
    const path = join(options.directory, 'dead-letters.ndjson')
    this.letters = new DeadLetterSpool({ path, stream, clock })
  }

  get ranges(): readonly OffsetRange[] {
    return [...this.#ranges.values()]
  }

  /** Nothing to commit: no record, and no position that moved. */
  get isEmpty(): boolean {
    return this.#ranges.size === 0
  }

  get rowCount(): number {
    return (
      this.spools.reduce((sum, spool) => sum + spool.rowCount, 0) +
      this.#options.spoolWriter.rowCount
    )
  }

  /** So many wait for a column that the schema shall grow now. */
  get isWaitingLong(): boolean {
    return this.waiting.length > waitingMax || this.#waitingBytes > waitingBytesMax
  }

  get newestTimestampMs(): number {
    return this.#newestTimestampMs
  }

  /** Takes all records of `batch`. */
  async add(batch: RecordBatch, { scanner, format }: RowRules): Promise<void> {
    const rows = await this.#rows(format)
    this.#extendRange(batch)
    for (let index = 0; index < batch.count; index++) this.#addRecord(batch, index, scanner, rows)
    this.recordCount += batch.count
    const last = batch.count - 1
    if (last >= 0)
      this.#newestTimestampMs = Math.max(this.#newestTimestampMs, Number(batch.timestamps[last]))
  }

  /** Tries the waiting records again, once the schema has grown or will not; what fails is refused. */
  async retryWaiting({ scanner, format }: RowRules): Promise<void> {
    const rows = await this.#rows(format)
    this.#waitingBytes = 0
    for (const { batch, index } of this.waiting.splice(0)) {
      const result = rows.take(scanner, batch, index)
      if (result !== ScanResult.good) this.#refuse(batch, index, scanner.fault)
    }
  }

  /** The dead letter for a spooled row of JSON. */
  letterOfRow(row: Buffer, reason: string): DeadLetter {
    const { placeKeys } = this.#options
    const place = parsePlace(row, placeKeys)
    const { kept, length } = parseRecordMember(row, place.length, placeKeys.record)
    const { key, headers } = kept
    const rest = row.subarray(place.length + length)
    return {
      topic: place.topic ?? this.ranges[0]?.topic ?? '',
      partition: place.partition,
      offset: place.offset,
      timestampMs: place.timestamp,
      key,
      value: kept.value ?? Buffer.concat([Buffer.from('{'), rest]),
      headers,
      reason,
    }
  }

  /** Begins a spool file once there are rows enough, or with `always` for whatever there is. */
  async spill(always = false): Promise<void> {
    await this.letters.spill()
    const { spoolWriter, directory } = this.#options
    if (spoolWriter.rowCount === 0 || (!always && !spoolWriter.isFull)) return
    await mkdir(directory, { recursive: true })
    this.spools.push(await spoolWriter.write(join(directory, `spool-${this.spools.length}`)))
  }

  async #rows(format: RowFormat): Promise<RowBuffer> {
    const { spoolWriter } = this.#options
    if (spoolWriter.isBusyWithOther(format)) await this.spill(true)
    return spoolWriter.rows(format)
  }

  #addRecord(batch: RecordBatch, index: number, scanner: RowScanner, rows: RowBuffer): void {
    const start = batch.valueStarts[index] as number
    const end = batch.valueEnds[index] as number
    if (start < 0) {
      this.#refuse(batch, index, 'null value')
      return
    }
    this.sizeBytes += end - start
    const result = rows.take(scanner, batch, index)
    if (result === ScanResult.bad) this.#refuse(batch, index, scanner.fault)
    else if (result === ScanResult.unknownField) {
      const kept = retainRecords(batch, [index])
      this.waiting.push({ batch: kept, index: 0 })
      this.#waitingBytes += kept.data.length
    }
  }

  #refuse(batch: RecordBatch, index: number, reason: string): void {
    this.sizeBytes += this.letters.add(deadLetterOf(batch, index, reason))
  }

  #extendRange(batch: RecordBatch): void {
    const key = partitionKey(batch)
    const range = this.#ranges.get(key)
    if (range !== undefined) range.to = batch.nextOffset
    else {
      this.#ranges.set(key, {
        topic: batch.topic,
        partition: batch.partition,
        from: this.#options.committedOffset(batch),
        to: batch.nextOffset,
      })
    }
  }
}
