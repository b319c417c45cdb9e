/**
 * A batch from its first record until it is committed: rows in spool files, dead letters beside them, the
 * offset range of each partition, and the data files that hold the rows once it is staged.
 *
 * E4 (docs/spec/exactly-once.md): every record between a range's `from` and `to` is exactly one of: a row of
 * a spool, a dead letter, waiting for a column, or a hole of the log. `requireWhole` counts them.
 *
 * Dead letters are made here and nowhere else, so this is where `errors.tolerance` decides.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { currentSchema, type DataFile } from '../../catalog/format/index.ts'
import type { RefusedRow } from '../../catalog/index.ts'
import { assert, type Clock, CorruptDataError, ValidationError } from '../../common/index.ts'
import { type DeadLetter, deadLetterOf } from '../dead-letter/dead-letter.ts'
import { DeadLetterSpool } from '../dead-letter/dead-letter-spool.ts'
import { DecodeResult, type RecordInBatch, type RowDecoder } from '../decode/row-decoder.ts'
import { type OffsetRange, PartitionRanges } from '../offsets/offset-range.ts'
import { recordsWithoutInstant } from '../record-batch/instants.ts'
import { retainRecords } from '../record-batch/retained-records.ts'
import { keepsColumns } from '../schema/keeps-columns.ts'
import type { ErrorSettings, SchemaSettings } from '../settings/stream-settings.ts'
import type { PartitionPosition, TopicPartition } from '../offsets/topic-partition.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import { parseRowCoordinates } from '../spool/coordinate-prefix.ts'
import { parseRecordMember } from '../spool/record-member.ts'
import type { RowBuffer, RowFormat } from '../spool/row-buffer.ts'
import type { PendingSpool, SpoolWriter } from '../spool/spool-writer.ts'
import { refusedLines } from './refused-rows.ts'
import type { SpooledRows } from './streaming-rows.ts'
import type { TableReader } from './tables.ts'

/** More records than this that wait for a column evolve the schema without waiting for the flush. */
const waitingMax = 1000
const waitingBytesMax = 16 << 20

export interface BatchOptions {
  readonly number: number
  /** Local directory for spool files, deleted with the batch. */
  readonly directory: string
  /** The stream that the dead letters name. */
  readonly stream: string
  readonly tolerance: ErrorSettings['tolerance']
  readonly unknownFields: SchemaSettings['unknownFields']
  readonly clock: Clock
  readonly spoolWriter: SpoolWriter
  /** How the first records are read. */
  readonly reader: TableReader
  /** The next offset that the table holds, for partitions that join this batch. */
  readonly committedOffset: (partition: TopicPartition) => bigint | undefined
}

/** Records whose timestamp no column can hold. */
export interface OddTimestamps {
  count: number
  readonly first: TopicPartition & { readonly offset: bigint; readonly timestampMs: bigint }
}

/** Records are added while it is open, files and their letters while it is sealed. */
export type BatchState = 'open' | 'sealed' | 'committed'

export class Batch implements SpooledRows {
  readonly number: number
  readonly directory: string
  readonly sinceMs: number
  recordCount = 0
  /** Records that the settings leave out. */
  skippedCount = 0
  /** Bytes of rows, dead letters and waiting records. */
  sizeBytes = 0
  readonly spools: PendingSpool[] = []
  readonly letters: DeadLetterSpool
  readonly #options: BatchOptions
  readonly #ranges = new PartitionRanges()
  readonly #waiting: RecordInBatch[] = []
  #waitingBytes = 0
  #reader: TableReader
  #newestTimestampMs = 0
  #oddTimestamps: OddTimestamps | undefined
  #state: BatchState = 'open'
  #idle: readonly OffsetRange[] = []
  #starts: readonly PartitionPosition[] = []
  #files: readonly DataFile[] | undefined

  constructor(options: BatchOptions) {
    const { number, directory, stream, clock } = options
    this.#options = options
    this.#reader = options.reader
    this.number = number
    this.directory = directory
    this.sinceMs = clock.monotonic()
    const path = join(directory, 'dead-letters.ndjson')
    this.letters = new DeadLetterSpool({ path, stream, clock })
  }

  get state(): BatchState {
    return this.#state
  }

  get ranges(): readonly OffsetRange[] {
    return this.#ranges.all
  }

  /** Nothing to commit: no record, and no position that moved. */
  get isEmpty(): boolean {
    return this.#ranges.isEmpty
  }

  /** By which its rows were read, and will be written. */
  get reader(): TableReader {
    return this.#reader
  }

  get newestTimestampMs(): number {
    return this.#newestTimestampMs
  }

  get oddTimestamps(): OddTimestamps | undefined {
    return this.#oddTimestamps
  }

  /** The records that could be rows of a changed schema, kept until it has evolved. */
  get waiting(): readonly RecordInBatch[] {
    return this.#waiting
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** True when so many records wait for a column that the schema should be evolved now. */
  get isWaitingLong(): boolean {
    return this.#waiting.length > waitingMax || this.#waitingBytes > waitingBytesMax
  }

  /** Partitions that must stand where they stood although the batch has nothing of them. */
  get idle(): readonly OffsetRange[] {
    return this.#idle
  }

  /** Where the stream reads partitions that the table may have no offset of. */
  get starts(): readonly PartitionPosition[] {
    return this.#starts
  }

  /** The uploaded data files. */
  get files(): readonly DataFile[] {
    assert(this.#files !== undefined, 'the batch is not staged')
    return this.#files
  }

  /** True when rows of this batch can be written by `reader`, too. */
  isReadableBy(reader: TableReader): boolean {
    const before = this.#reader
    if (before === reader) return true
    // A new column may have the name that the rows give to the place of a record.
    if (!isDeepStrictEqual(before.format.coordinateKeys, reader.format.coordinateKeys)) return false
    return keepsColumns(
      currentSchema(before.table.metadata).fields,
      currentSchema(reader.table.metadata).fields,
    )
  }

  /** Takes all records, read by `reader`. Throws at the first bad one when none is tolerated. */
  async add(records: RecordBatch, reader: TableReader): Promise<void> {
    this.#require('open')
    const { decoder, format } = this.#use(reader)
    const rows = await this.#rows(format)
    this.#ranges.extend(records, records.nextOffset, () => this.#options.committedOffset(records))
    for (let index = 0; index < records.count; index++) {
      this.#addRecord(records, index, decoder, rows)
    }
    this.recordCount += records.count
    this.#noteTimestamps(records)
    await this.spill()
  }

  /**
   * Tries the waiting records again by an evolved `reader`; what fails now is a dead letter. `refused` says why
   * a field got no column.
   */
  async retryWaiting(
    reader: TableReader,
    refused: ReadonlyMap<string, string> = new Map(),
  ): Promise<void> {
    this.#require('open')
    const { decoder, format } = this.#use(reader)
    const rows = await this.#rows(format)
    this.#waitingBytes = 0
    for (const { batch, index } of this.#waiting.splice(0)) {
      const result = decoder.decode(batch, index, rows)
      if (result === DecodeResult.good) continue
      const { fault, unknownField } = decoder
      const isUnknown = result === DecodeResult.unknownField && unknownField !== undefined
      const why = isUnknown ? refused.get(unknownField) : undefined
      this.#refuse(deadLetterOf(batch, index, why === undefined ? fault : `${fault}: ${why}`))
    }
  }

  /** Begins a spool file once there are rows enough, or with `always` for whatever there is. */
  async spill(always = false): Promise<void> {
    await this.letters.spill()
    const { spoolWriter } = this.#options
    if (spoolWriter.rowCount === 0 || (!always && !spoolWriter.isFull)) return
    await mkdir(this.directory, { recursive: true })
    this.spools.push(await spoolWriter.write(join(this.directory, `spool-${this.spools.length}`)))
  }

  /** Closes the batch; all rows are in spools and no record waits. */
  seal(idle: readonly OffsetRange[], starts: readonly PartitionPosition[] = []): void {
    this.#require('open')
    assert(this.#waiting.length === 0, 'records of a sealed batch wait for a column')
    this.#state = 'sealed'
    this.#idle = idle
    this.#starts = starts
  }

  /** Resolves when its spool files are whole; rejects when one could not be written. */
  async spooled(): Promise<void> {
    await Promise.all(this.spools.map((spool) => spool.written))
  }

  /** Its rows are in `files`, but for those that the engine refused: they are dead letters. */
  async staged(files: readonly DataFile[], refused: readonly RefusedRow[]): Promise<void> {
    this.#require('sealed')
    for await (const { line, reason } of refusedLines(this.spools, refused)) {
      this.#refuse(this.#letterOfRow(line, reason))
      await this.letters.spill()
    }
    this.#files = files
  }

  /** Throws, before anything is committed, unless every record that was added is a row of `files` or a letter. */
  requireWhole(): void {
    const rows = this.files.reduce((sum, file) => sum + Number(file.recordCount), 0)
    const letters = this.letters.count
    const skipped = this.skippedCount
    if (rows + letters + skipped === this.recordCount) return
    throw new CorruptDataError('records of a batch are neither rows nor dead letters', {
      facts: { records: this.recordCount, rows, letters, skipped },
    })
  }

  /** A snapshot holds the rows and the offsets. */
  committed(): void {
    this.#require('sealed')
    this.#state = 'committed'
  }

  #noteTimestamps(records: RecordBatch): void {
    const odd = recordsWithoutInstant(records)
    const [first] = odd
    if (first !== undefined) {
      const { topic, partition, offsets, timestamps } = records
      const at = { topic, partition, offset: offsets[first] ?? 0n }
      this.#oddTimestamps ??= { count: 0, first: { ...at, timestampMs: timestamps[first] ?? 0n } }
      this.#oddTimestamps.count += odd.length
    }
    const last = records.count - 1
    if (last < 0 || odd.includes(last)) return
    this.#newestTimestampMs = Math.max(this.#newestTimestampMs, Number(records.timestamps[last]))
  }

  #require(state: BatchState): void {
    assert(this.#state === state, `the batch is ${this.#state}, expected ${state}`)
  }

  #use(reader: TableReader): TableReader {
    assert(this.isReadableBy(reader), 'rows of one batch have other columns')
    this.#reader = reader
    return reader
  }

  async #rows(format: RowFormat): Promise<RowBuffer> {
    const { spoolWriter } = this.#options
    if (spoolWriter.isBusyWithOther(format)) await this.spill(true)
    return spoolWriter.rows(format)
  }

  #addRecord(records: RecordBatch, index: number, decoder: RowDecoder, rows: RowBuffer): void {
    this.sizeBytes += decoder.bytesOf(records, index)
    const result = decoder.decode(records, index, rows)
    if (result === DecodeResult.bad) this.#refuse(deadLetterOf(records, index, decoder.fault))
    else if (result === DecodeResult.skipped) this.skippedCount++
    else if (result !== DecodeResult.good) {
      if (this.#options.unknownFields === 'fail') this.#stop(records, index, decoder)
      const kept = retainRecords(records, [index])
      this.#waiting.push({ batch: kept, index: 0 })
      this.#waitingBytes += kept.data.length
    }
  }

  #stop(
    { topic, partition, offsets }: RecordBatch,
    index: number,
    { fault, unknownField }: RowDecoder,
  ): never {
    throw new ValidationError(
      `a record has a field without a column, and schema.unknown_fields is fail: ${fault}; add the column to the ` +
        `table, name ${unknownField ?? 'the field'} in schema.ignore_fields, or set schema.unknown_fields otherwise`,
      { facts: { topic, partition, offset: offsets[index] } },
    )
  }

  #refuse(letter: DeadLetter): void {
    if (this.#options.tolerance === 'none') {
      const { topic, partition, offset, reason } = letter
      throw new ValidationError(
        `a record cannot become a row and errors.tolerance is none: ${reason}`,
        { facts: { topic, partition, offset } },
      )
    }
    this.sizeBytes += this.letters.add(letter)
  }

  /** The whole record of a spooled row of JSON, byte for byte. */
  #letterOfRow(row: Buffer, reason: string): DeadLetter {
    const { coordinateKeys } = this.#reader.format
    const place = parseRowCoordinates(row, coordinateKeys)
    const { kept, length } = parseRecordMember(row, place.length, coordinateKeys.record)
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
}
