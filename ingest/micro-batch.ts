/**
 * Records on their way to one commit: rows in spool files, dead letters beside them, and the offset
 * range of each partition.
 *
 * Invariant E4 (docs/spec/exactly-once.md): every record between a range's `from` and `to` is exactly
 * one of: a row of a spool, a dead letter, waiting for a column, or a hole of the log.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RowSpool } from '../catalog/index.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterOf } from './dead-letter.ts'
import type { OffsetRange } from './checkpoint.ts'
import type { PlaceKeys } from './metadata-columns.ts'
import { parsePlace, PlacePrefix } from './json/place-prefix.ts'
import { type RowScanner, ScanResult } from './json/row-scanner.ts'
import type { SpoolBuffer } from './json/spool-buffer.ts'
import { partitionKey, type RecordBatch } from './record-source.ts'
import { retainRecords } from './retained-records.ts'

export interface MicroBatchOptions {
  /** Local directory for spool files, deleted with the batch. */
  readonly directory: string
  readonly buffer: SpoolBuffer
  readonly placeKeys: PlaceKeys
  /** The next offset that the table holds, for partitions that join this batch. */
  readonly committedOffset: (batch: RecordBatch) => bigint | undefined
}

/** One record that named a field which the table lacks; kept until the schema has grown. */
export interface WaitingRecord {
  readonly batch: RecordBatch
  readonly index: number
}

/** A spool file holds about this much: large enough for a parallel parse, small enough to hold twice. */
const spoolBytesTarget = 32 << 20

export class MicroBatch {
  recordCount = 0
  /** Bytes of rows, dead letters and waiting records. */
  sizeBytes = 0
  readonly spools: RowSpool[] = []
  readonly deadLetters: DeadLetter[] = []
  readonly waiting: WaitingRecord[] = []
  readonly #options: MicroBatchOptions
  readonly #ranges = new Map<
    string,
    { topic: string; partition: number; from: bigint | undefined; to: bigint }
  >()
  readonly #prefix: PlacePrefix
  #newestTimestampMs = 0

  constructor(options: MicroBatchOptions) {
    this.#options = options
    this.#prefix = new PlacePrefix(options.placeKeys)
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
      this.spools.reduce((sum, spool) => sum + spool.rowCount, 0) + this.#options.buffer.rowCount
    )
  }

  get newestTimestampMs(): number {
    return this.#newestTimestampMs
  }

  /** Takes all records of `batch`. */
  add(batch: RecordBatch, scanner: RowScanner): void {
    this.#extendRange(batch)
    this.#prefix.enter(batch.topic, batch.partition)
    for (let index = 0; index < batch.count; index++) this.#addRecord(batch, index, scanner)
    this.recordCount += batch.count
    const last = batch.count - 1
    if (last >= 0)
      this.#newestTimestampMs = Math.max(this.#newestTimestampMs, Number(batch.timestamps[last]))
  }

  /** Tries the waiting records again, once the schema has grown or will not; what fails is refused. */
  retryWaiting(scanner: RowScanner): void {
    for (const { batch, index } of this.waiting.splice(0)) {
      this.#prefix.enter(batch.topic, batch.partition)
      const result = this.#scan(batch, index, scanner)
      if (result !== ScanResult.good) this.#refuse(batch, index, scanner.fault)
    }
  }

  /** The dead letter for a spooled row; its key and headers are no longer at hand. */
  letterOfRow(row: Buffer, reason: string): DeadLetter {
    const { placeKeys } = this.#options
    const place = parsePlace(row, placeKeys)
    const topic = place.topic ?? this.ranges[0]?.topic ?? ''
    return {
      topic,
      partition: place.partition,
      offset: place.offset,
      timestampMs: place.timestamp,
      key: null,
      value: Buffer.concat([Buffer.from('{'), row.subarray(place.length)]),
      headers: [],
      reason,
      sizeBytes: 200 + row.length,
    }
  }

  /** Writes the buffer to a spool file once it is large; `always` writes whatever there is. */
  async spill(always = false): Promise<void> {
    const { buffer, directory } = this.#options
    if (buffer.rowCount === 0 || (!always && buffer.length < spoolBytesTarget)) return
    await mkdir(directory, { recursive: true })
    const path = join(directory, `spool-${this.spools.length}.ndjson`)
    await writeFile(path, buffer.view())
    this.spools.push({
      path,
      rowCount: buffer.rowCount,
      sizeBytes: buffer.length,
      rowBytesMax: buffer.rowBytesMax,
    })
    buffer.clear()
  }

  #addRecord(batch: RecordBatch, index: number, scanner: RowScanner): void {
    const start = batch.valueStarts[index] as number
    const end = batch.valueEnds[index] as number
    this.sizeBytes += end - start
    if (start < 0) {
      this.#refuse(batch, index, 'null value')
      return
    }
    const result = this.#scan(batch, index, scanner)
    if (result === ScanResult.bad) this.#refuse(batch, index, scanner.fault)
    else if (result === ScanResult.unknownField) {
      this.waiting.push({ batch: retainRecords(batch, [index]), index: 0 })
    }
  }

  #scan(batch: RecordBatch, index: number, scanner: RowScanner): number {
    const prefix = this.#prefix
    prefix.write(batch.offsets, batch.timestamps, index)
    const start = batch.valueStarts[index] as number
    const end = batch.valueEnds[index] as number
    return scanner.scan(batch.data, start, end, prefix.bytes, prefix.length, this.#options.buffer)
  }

  #refuse(batch: RecordBatch, index: number, reason: string): void {
    const letter = deadLetterOf(batch, index, reason)
    this.sizeBytes += letter.sizeBytes
    this.deadLetters.push(letter)
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
