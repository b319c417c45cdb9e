/**
 * Does the actions of one running stream, and says as an event what came of each. A batch is begun with its
 * first record, sealed when it is ready, then staged, committed and reported.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  assert,
  backoffMs,
  CommitFailedError,
  errorMessage,
  failpoint,
  nextTurn,
  type RetryPolicy,
} from '../../common/index.ts'
import { outOfRange, topicChanged } from '../offsets/log-faults.ts'
import type { TopicPartition } from '../offsets/topic-partition.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import { retainRecords } from '../record-batch/retained-records.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { OffsetOutOfRangeError } from '../source/offset-out-of-range-error.ts'
import { TopicChangedError, whileReading } from '../source/source-support.ts'
import { SpoolWriter } from '../spool/spool-writer.ts'
import { Batch } from './batch.ts'
import { Committer, type StreamIdentity } from './committer.ts'
import { checkIdentity, Positions } from './positions.ts'
import { SealedBatches } from './sealed-batches.ts'
import { rewindsMax } from './step.ts'
import type { StreamParts, StreamProgress, StreamRunOptions } from './stream-parts.ts'
import type { OpenFigures, StreamAction, StreamEvent } from './stream-state.ts'
import { TableWatch } from './table-watch.ts'
import { type TableReader, Tables } from './tables.ts'

/** One poll takes about this much: what a socket yields in one turn of the event loop. */
const pollBytesMax = 2 << 20
const pollWaitMs = 250
const rewindBackoff: RetryPolicy = {
  retriesMax: rewindsMax,
  waitMsMin: 50,
  waitMsMax: 15_000,
  totalMsMax: Number.POSITIVE_INFINITY,
}

export interface StreamActionsOptions {
  readonly settings: StreamSettings
  readonly parts: StreamParts
  readonly identity: StreamIdentity
  /** Spool files go below. */
  readonly directory: string
  /** True when other members of a consumer group commit partitions of the same topics. */
  readonly isShared: boolean
  readonly until: StreamRunOptions['until']
  /** Ends a wait. */
  readonly signal: AbortSignal | undefined
}

export class StreamActions {
  readonly #settings: StreamSettings
  readonly #parts: StreamParts
  readonly #options: StreamActionsOptions
  readonly #committer: Committer
  readonly #sealed: SealedBatches
  readonly #tables: Tables
  readonly #positions = new Positions()
  readonly #watch: TableWatch
  readonly #spoolWriter = new SpoolWriter()
  #assigned: readonly TopicPartition[] = []
  /** Records read before the table existed. */
  #sample: RecordBatch[] = []
  /** Records of the last poll that are not decoded yet; theirs is the memory of the source. */
  #unread: RecordBatch[] = []
  #open: Batch | undefined
  /** The open batch and the sealed ones, by number. */
  readonly #batches = new Map<number, Batch>()
  #batchNumber = 0
  #recordsRead = 0

  constructor(options: StreamActionsOptions) {
    const { settings, parts, identity } = options
    this.#options = options
    this.#settings = settings
    this.#parts = parts
    this.#tables = new Tables(settings, parts)
    this.#watch = new TableWatch(settings, parts)
    this.#committer = new Committer(parts, identity)
    this.#sealed = new SealedBatches(parts, this.#committer, this.#tables, settings.output.branch)
  }

  /** What this run has read and committed so far. */
  get progress(): Omit<StreamProgress, 'state' | 'elapsedMs'> {
    return {
      recordsRead: this.#recordsRead,
      ...this.#sealed.committed,
      readLag: this.#positions.lag,
    }
  }

  async do(action: StreamAction): Promise<StreamEvent> {
    switch (action.kind) {
      case 'load':
        return this.#load()
      case 'seek':
        return this.#seek()
      case 'poll':
        return this.#poll(action.measuresLag)
      case 'create':
        return this.#create()
      case 'decode':
        return this.#decode()
      case 'evolve':
        return this.#evolve()
      case 'publish':
        return this.#publish()
      case 'seal':
        return this.#seal()
      case 'back-off':
        return this.#backOff(action.rewinds, action.error)
      case 'stage':
        await this.#sealed.stage(this.#batchOf(action.batch))
        return { kind: 'staged', batch: action.batch }
      case 'commit':
        await this.#sealed.commit(this.#batchOf(action.batch))
        return { kind: 'committed', batch: action.batch }
      case 'report':
        return this.#report(this.#batchOf(action.batch))
    }
  }

  async #load(): Promise<StreamEvent> {
    await this.discard()
    await this.#tables.load()
    const { offsets, started } = this.#tables
    checkIdentity(offsets ?? started, this.#options.identity)
    return { kind: 'loaded', hasTable: this.#tables.reader !== undefined }
  }

  async #seek(): Promise<StreamEvent> {
    const { name } = this.#settings
    const { source, logger } = this.#parts
    await this.#takePositions()
    if (this.#positions.hasMovingStarts) {
      await this.#tables.recordStarts(this.#committer, this.#positions.starts)
      // Another member may have been first: its positions count.
      await this.#takePositions()
    }
    this.#positions.assign(source, this.#assigned, this.#tables, name)
    logger.info('stream.assigned', { stream: name, partitions: this.#assigned.length })
    return { kind: 'sought', isAtEnd: await this.#isAtEnd() }
  }

  async #takePositions(): Promise<void> {
    const { source, logger } = this.#parts
    const { startOffset } = this.#settings.input
    const notes = await this.#ask(this.#positions.take(source, this.#tables, startOffset))
    for (const { kind, ...facts } of notes) logger.warn(`stream.partition-${kind}`, { ...facts })
  }

  async #poll(measuresLag: boolean): Promise<StreamEvent> {
    const { source, streaming } = this.#parts
    if (measuresLag) {
      this.#positions.noteEnds(await source.offsetBounds(this.#positions.assigned))
      const isCommitting = [...this.#batches.values()].some((batch) => batch !== this.#open)
      if (!isCommitting) await this.#watch.look(this.#positions)
    }
    // Records may be at hand for many polls; sockets, files and the engine need their turn as well.
    await nextTurn()
    const waitMs = Math.min(pollWaitMs, streaming?.dueInMs(this.#open) ?? pollWaitMs)
    const result = await this.#ask(source.poll(pollBytesMax, waitMs, this.#options.signal))
    if (result.kind === 'assigned') {
      this.#assigned = result.partitions
      return { kind: 'assigned' }
    }
    const { batches } = result
    if (batches.length > 0) await failpoint('ingest.fetched')
    for (const records of batches) {
      this.#recordsRead += records.count
      this.#positions.advance(records, records.nextOffset)
    }
    if (this.#tables.reader !== undefined) this.#unread = [...batches]
    else for (const records of batches) this.#addSample(records)
    return {
      kind: 'polled',
      batches: batches.length,
      isAtEnd: await this.#isAtEnd(),
      sample: {
        records: this.#sample.reduce((sum, { count }) => sum + count, 0),
        bytes: this.#sample.reduce((sum, { data }) => sum + data.length, 0),
        state: this.#tables.reader === undefined ? this.#tables.sample.state() : 'waits',
      },
      open: this.#open === undefined ? undefined : this.#figuresOf(this.#open),
    }
  }

  #addSample(records: RecordBatch): void {
    this.#tables.sample.add(records)
    this.#sample.push(retainRecords(records))
  }

  /** Asks the log; that its topic or its offsets are not those of the table any more is reported with the way out. */
  async #ask<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      const cause = whileReading(error)
      const { stream } = this.#options.identity
      if (cause instanceof TopicChangedError) throw topicChanged(stream, cause)
      if (!(cause instanceof OffsetOutOfRangeError)) throw error
      throw (await this.#topicChange()) ?? outOfRange(stream, cause) ?? error
    }
  }

  /** A topic that was made again shows first by offsets that it does not have. */
  async #topicChange(): Promise<Error | undefined> {
    try {
      await this.#positions.requireSameTopics(this.#parts.source)
      return undefined
    } catch (error) {
      const cause = whileReading(error)
      if (!(cause instanceof TopicChangedError)) return undefined
      return topicChanged(this.#options.identity.stream, cause)
    }
  }

  async #create(): Promise<StreamEvent> {
    await this.#tables.createFromSample()
    this.#unread = this.#sample
    this.#sample = []
    return { kind: 'created', batches: this.#unread.length }
  }

  async #decode(): Promise<StreamEvent> {
    const reader = this.#reader
    if (this.#open?.isReadableBy(reader) === false) return { kind: 'columns-changed' }
    const records = this.#unread.shift()
    assert(records !== undefined, 'no records to decode')
    const batch = this.#open ?? this.#beginBatch(reader)
    await batch.add(records, reader)
    return { kind: 'decoded', open: this.#figuresOf(batch) }
  }

  #beginBatch(reader: TableReader): Batch {
    const number = ++this.#batchNumber
    const batch = new Batch({
      number,
      directory: join(this.#options.directory, `batch-${number}`),
      stream: this.#options.identity.stream,
      tolerance: this.#settings.errors.tolerance,
      unknownFields: this.#settings.schema.unknownFields,
      clock: this.#parts.clock,
      spoolWriter: this.#spoolWriter,
      reader,
      committedOffset: (partition) => this.#positions.committedOffset(partition),
    })
    this.#batches.set(number, batch)
    this.#open = batch
    return batch
  }

  async #evolve(): Promise<StreamEvent> {
    const batch = this.#openBatch
    const { refused, replaced } = await this.#tables.evolve(batch.waiting)
    if (replaced.length > 0) {
      await this.#sealed.commitColumns(this.#reader)
      await this.#tables.replace(replaced, join(this.#options.directory, 'replaced'))
    }
    // Queries see a row with its columns (L1), which then cannot wait for the commit of the rows.
    if (this.#parts.streaming !== undefined) await this.#sealed.commitColumns(this.#reader)
    const reader = this.#reader
    if (!batch.isReadableBy(reader)) {
      // The table has the columns when the records are read again, or they would be staged in vain again.
      await this.#sealed.commitColumns(reader)
      throw new CommitFailedError(
        'the columns of the table changed under an open batch, which is read again',
      )
    }
    await batch.retryWaiting(reader, refused)
    return { kind: 'evolved', open: this.#figuresOf(batch) }
  }

  /** Brings all that the open batch holds into spools, where queries see it. */
  async #publish(): Promise<StreamEvent> {
    const batch = this.#openBatch
    await batch.spill(true)
    this.#parts.streaming?.publish(batch, batch.directory, batch.reader)
    return { kind: 'published', open: this.#figuresOf(batch) }
  }

  async #seal(): Promise<StreamEvent> {
    const batch = this.#openBatch
    await this.#publish()
    // Members of a group commit partitions of their own; without a group no other sink may commit any.
    const { isShared } = this.#options
    batch.seal(isShared ? [] : this.#positions.idle(batch.ranges), this.#positions.starts)
    for (const range of batch.ranges) this.#positions.assume(range, range.to)
    this.#open = undefined
    return { kind: 'sealed', batch: batch.number, bytes: batch.sizeBytes }
  }

  async #backOff(rewinds: number, error: unknown): Promise<StreamEvent> {
    const { clock, random, logger } = this.#parts
    logger.warn('stream.rewound', { error: errorMessage(error), rewinds })
    await clock.sleep(backoffMs(rewindBackoff, rewinds - 1, random), this.#options.signal)
    return { kind: 'woke' }
  }

  async #report(batch: Batch): Promise<StreamEvent> {
    await this.#sealed.report(batch)
    await this.#remove(batch)
    await failpoint('ingest.cleaned-up')
    return { kind: 'reported', batch: batch.number }
  }

  /** Throws away all that is not committed. */
  async discard(): Promise<void> {
    this.#parts.streaming?.drop()
    this.#open = undefined
    this.#sample = []
    this.#tables.sample.drop()
    this.#unread = []
    await this.#spoolWriter.clear()
    for (const batch of this.#batches.values()) await this.#remove(batch)
  }

  async #remove({ number, directory }: Batch): Promise<void> {
    this.#batches.delete(number)
    await (this.#parts.streaming?.removeFolder(directory) ??
      rm(directory, { recursive: true, force: true }))
  }

  /** Everything that stood in the log at the start was read: by this member, or by those that have its share. */
  async #isAtEnd(): Promise<boolean> {
    if (this.#positions.assigned.length > 0) return this.#positions.reachedEnds
    if (this.#options.until !== 'latest') return false
    return this.#watch.isHeld(this.#positions)
  }

  get #reader(): TableReader {
    const { reader } = this.#tables
    assert(reader !== undefined, 'there is no table')
    return reader
  }

  get #openBatch(): Batch {
    assert(this.#open !== undefined, 'no batch is open')
    return this.#open
  }

  #batchOf(number: number): Batch {
    const batch = this.#batches.get(number)
    assert(batch !== undefined, `there is no batch ${number}`)
    return batch
  }

  #figuresOf(batch: Batch): OpenFigures {
    return {
      records: batch.recordCount,
      bytes: batch.sizeBytes,
      sinceMs: batch.sinceMs,
      isEmpty: batch.isEmpty,
      waiting: batch.waitingCount,
      isWaitingLong: batch.isWaitingLong,
      publishInMs: this.#parts.streaming?.dueInMs(batch),
    }
  }
}
