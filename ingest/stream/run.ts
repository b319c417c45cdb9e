/**
 * Runs one stream: reads the log, gathers micro-batches, hands them to the commit pipeline, and
 * begins anew from the table whenever anything is in doubt.
 *
 * E8 (docs/spec/exactly-once.md): after a failure whose outcome matters nothing in memory is
 * believed; the table is read again and every partition is rewound to it.
 */
import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import {
  backoffMs,
  CommitFailedError,
  CommitStateUnknownError,
  errorMessage,
  failpoint,
  nextTurn,
  type RetryPolicy,
  UnavailableError,
  ValidationError,
} from '../../common/index.ts'
import { currentSchema } from '../../catalog/format/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { BatchCommitter, type StreamIdentity } from './committer.ts'
import { OffsetConflictError } from '../offsets/checkpoint.ts'
import { type CommitBatch, CommitPipeline } from './commit-pipeline.ts'
import { sampleBytesMax } from '../schema/sample-columns.ts'
import { SpoolWriter } from '../spool/spool-writer.ts'
import { keepsColumns } from '../schema/keeps-columns.ts'
import { MicroBatch } from './batch.ts'
import { partitionKey, type RecordBatch, type TopicPartition } from '../source/record-source.ts'
import { retainRecords } from '../record-batch/retained-records.ts'
import { openSpoolDirectory } from '../spool/spool-directory.ts'
import { checkIdentity, StreamPositions } from './positions.ts'
import type {
  StreamParts,
  StreamProgress,
  StreamRunOptions,
  StreamRunResult,
} from './stream-parts.ts'
import { StreamTables, type TableReader } from './tables.ts'

/** One poll takes about this much: what a socket yields in one turn of the event loop. */
const pollBytesMax = 2 << 20
const pollWaitMs = 250
/** Batches between being sealed and being committed: one is typed while the last is uploaded. */
const sealedMax = 2
/** Rewinds without a commit between them: beyond it the stream stops instead of going in circles. */
const rewindsMax = 20
const rewindBackoff: RetryPolicy = {
  retriesMax: rewindsMax,
  waitMsMin: 50,
  waitMsMax: 15_000,
  totalMsMax: Number.POSITIVE_INFINITY,
}
const lagIntervalMs = 5000

/** Runs until the end that `options` names. Whatever stops it earlier is thrown; nothing is lost. */
export async function runStream(
  settings: StreamSettings,
  parts: StreamParts,
  options: StreamRunOptions,
): Promise<StreamRunResult> {
  const directory = await openSpoolDirectory(parts.workDirectory)
  try {
    parts.live?.begin(directory)
    options.onProgress?.(nothingYet)
    await parts.source.start()
    const run = new StreamRun(settings, parts, options, directory, await identify(settings, parts))
    await run.run()
    const { state: _, ...result } = run.progress('stopping')
    return result
  } finally {
    try {
      await parts.source.stop()
    } finally {
      await (parts.live?.end() ?? removeFolder(directory))
    }
  }
}

async function removeFolder(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}

const nothingYet: StreamProgress = {
  state: 'starting',
  recordsRead: 0,
  recordsCommitted: 0,
  rowsCommitted: 0,
  deadLetters: 0,
  commits: 0,
  snapshotId: undefined,
  readLag: 0n,
  elapsedMs: 0,
}

async function identify(settings: StreamSettings, parts: StreamParts): Promise<StreamIdentity> {
  const topics = await parts.source.describeTopics()
  return {
    stream: settings.name,
    clusterId: await parts.source.clusterId(),
    topicIds: new Map(topics.map((topic) => [topic.topic, topic.topicId])),
    writerId: `${hostname()}/${process.pid}`,
  }
}

interface OpenBatch {
  readonly rows: MicroBatch
  /** By which its rows were read, and will be written. */
  reader: TableReader
  readonly directory: string
  readonly sinceMs: number
}

class StreamRun {
  readonly #settings: StreamSettings
  readonly #parts: StreamParts
  readonly #options: StreamRunOptions
  readonly #directory: string
  readonly #identity: StreamIdentity
  readonly #committer: BatchCommitter
  readonly #removeFolder: (folder: string) => Promise<void>
  readonly #pipeline: CommitPipeline
  readonly #tables: StreamTables
  readonly #positions = new StreamPositions()
  readonly #spoolWriter = new SpoolWriter()
  readonly #startedMs: number
  /** Records read before the table existed. */
  #sample: RecordBatch[] = []
  #sampleSinceMs = 0
  #batch: OpenBatch | undefined
  #batchNumber = 0
  #rewinds = 0
  #lagSeenMs = 0
  #counts = { recordsRead: 0, recordsCommitted: 0, rowsCommitted: 0, deadLetters: 0, commits: 0 }
  #snapshotId: bigint | undefined

  constructor(
    settings: StreamSettings,
    parts: StreamParts,
    options: StreamRunOptions,
    directory: string,
    identity: StreamIdentity,
  ) {
    this.#settings = settings
    this.#parts = parts
    this.#options = options
    this.#directory = directory
    this.#identity = identity
    this.#committer = new BatchCommitter(parts, identity)
    const { live } = parts
    this.#removeFolder =
      live === undefined ? removeFolder : (folder: string) => live.removeFolder(folder)
    this.#pipeline = new CommitPipeline(this.#committer, this.#commit, this.#removeFolder)
    this.#tables = new StreamTables(settings, parts)
    this.#startedMs = parts.clock.monotonic()
  }

  async run(): Promise<void> {
    try {
      while (!(await this.#round())) {
        // Another round: more to read, or begun anew from the table.
      }
    } finally {
      // Files of work in flight must outlive it.
      await this.#forget()
    }
  }

  progress(state: StreamProgress['state']): StreamProgress {
    return {
      state,
      ...this.#counts,
      snapshotId: this.#snapshotId,
      readLag: this.#positions.lag,
      elapsedMs: this.#parts.clock.monotonic() - this.#startedMs,
    }
  }

  get #isStopping(): boolean {
    return this.#options.signal?.aborted === true
  }

  /** One step, or the end; true when all that was read is committed and nothing more is wanted. */
  async #round(): Promise<boolean> {
    const isStopping = this.#isStopping
    try {
      if (!isStopping && !(await this.#step())) return false
      await this.#finish()
      return true
    } catch (error) {
      if (!isStopping) await this.#recover(error)
      // Whoever was first has taken these partitions over, and commits what is left of them.
      else if (!(error instanceof OffsetConflictError && this.#isShared)) throw error
      return isStopping
    }
  }

  /** Reads once; true when the end is reached. */
  async #step(): Promise<boolean> {
    this.#pipeline.throwFailure()
    await this.#awaitRoom()
    // Records may be at hand for many polls; sockets, files and the engine need their turn as well.
    await nextTurn()
    const waitMs = Math.min(pollWaitMs, this.#parts.live?.dueInMs(this.#batch?.rows) ?? pollWaitMs)
    const result = await this.#parts.source.poll(pollBytesMax, waitMs, this.#options.signal)
    if (result.kind === 'assigned') await this.#assign(result.partitions)
    else {
      if (result.batches.length > 0) await failpoint('ingest.fetched')
      for (const batch of result.batches) await this.#take(batch)
    }
    if (this.#tables.reader === undefined && this.#isSampleComplete) await this.#useSample()
    if (this.#isFlushDue) await this.#seal()
    else if (this.#parts.live?.dueInMs(this.#batch?.rows) === 0) await this.#publish()
    await this.#noteLag()
    this.#options.onProgress?.(
      this.progress(this.#tables.reader === undefined ? 'sampling' : 'running'),
    )
    return this.#options.until === 'latest' && this.#isAtEndOfLog
  }

  /** Reads positions from the table, which is the truth, and rewinds the source to them. */
  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#forget()
    await this.#tables.load()
    const { offsets } = this.#tables
    checkIdentity(offsets, this.#identity)
    const { input, name } = this.#settings
    await this.#positions.assign(this.#parts.source, partitions, offsets, input.startOffset)
    this.#parts.logger.info('stream.assigned', { stream: name, partitions: partitions.length })
  }

  async #take(records: RecordBatch): Promise<void> {
    this.#counts.recordsRead += records.count
    this.#positions.advance(records, records.nextOffset)
    if (this.#tables.reader !== undefined) return this.#encode(records, this.#tables.reader)
    if (this.#sample.length === 0) this.#sampleSinceMs = this.#parts.clock.monotonic()
    this.#sample.push(retainRecords(records))
  }

  async #encode(records: RecordBatch, reader: TableReader): Promise<void> {
    if (this.#batch !== undefined && !isReadable(this.#batch.reader, reader)) await this.#seal()
    const batch = this.#currentBatch(reader)
    batch.reader = reader
    const { rows } = batch
    await rows.add(records, reader)
    await rows.spill()
    this.#checkTolerance(rows)
    if (rows.isWaitingLong) await this.#settleWaiting(batch)
    if (this.#isFlushDue) await this.#seal()
  }

  #currentBatch(reader: TableReader): OpenBatch {
    if (this.#batch !== undefined) return this.#batch
    const directory = join(this.#directory, `batch-${++this.#batchNumber}`)
    const rows = new MicroBatch({
      directory,
      stream: this.#identity.stream,
      clock: this.#parts.clock,
      spoolWriter: this.#spoolWriter,
      placeKeys: reader.format.placeKeys,
      committedOffset: (partition) => this.#positions.committedOffset(partition),
    })
    this.#batch = { rows, reader, directory, sinceMs: this.#parts.clock.monotonic() }
    return this.#batch
  }

  get #isSampleComplete(): boolean {
    const sampled = this.#sample.reduce((sum, batch) => sum + batch.count, 0)
    if (sampled === 0) return false
    const sampledBytes = this.#sample.reduce((sum, batch) => sum + batch.data.length, 0)
    const waitedMs = this.#parts.clock.monotonic() - this.#sampleSinceMs
    return (
      sampled >= this.#settings.schema.sampleRecordsMax ||
      sampledBytes >= sampleBytesMax ||
      waitedMs >= this.#settings.output.commitIntervalMs ||
      this.#isAtEndOfLog ||
      this.#isStopping
    )
  }

  async #useSample(): Promise<void> {
    await this.#tables.createFromSample(this.#sample)
    for (const records of this.#sample.splice(0)) {
      if (this.#tables.reader !== undefined) await this.#encode(records, this.#tables.reader)
    }
  }

  get #isFlushDue(): boolean {
    if (this.#batch === undefined || this.#batch.rows.isEmpty) return false
    const { rows, sinceMs } = this.#batch
    const { commitIntervalMs, commitBytesMax, commitRecordsMax } = this.#settings.output
    return (
      rows.recordCount >= commitRecordsMax ||
      rows.sizeBytes >= Math.min(commitBytesMax, this.#settings.memoryBytesMax) ||
      this.#parts.clock.monotonic() - sinceMs >= commitIntervalMs
    )
  }

  /** Closes the current batch and hands it on: it is typed and committed while reading goes on. */
  async #seal(): Promise<void> {
    if (this.#batch === undefined || this.#batch.rows.isEmpty) return
    const batch = this.#batch
    await this.#publish()
    this.#batch = undefined
    const { rows, directory } = batch
    // Members of a group move partitions of their own; without one nobody else may move any.
    const idle = this.#isShared ? [] : this.#positions.idle(rows.ranges)
    for (const range of rows.ranges) this.#positions.assume(range, range.to)
    const { table, sideFields } = batch.reader
    this.#pipeline.push({ batch: rows, directory, table, sideFields, idle })
  }

  /** Brings all that the current batch holds into spools, where live queries see it. */
  async #publish(): Promise<void> {
    if (this.#batch === undefined) return
    const batch = this.#batch
    const { rows, directory } = batch
    if (rows.waiting.length > 0) await this.#settleWaiting(batch)
    await rows.spill(true)
    this.#parts.live?.publish(rows, directory, batch.reader)
  }

  readonly #commit: CommitBatch = async ({ batch, directory, table, idle }, files) => {
    const { letters } = batch
    if (letters.count > 0) {
      await this.#tables.commitDeadLetters(this.#committer, letters, directory)
    }
    const { branch } = this.#settings.output
    const committed = await this.#committer.commitRows(table, branch, files, batch.ranges, idle)
    this.#tables.noteCommitted(committed)
    this.#parts.live?.committed(batch)
    this.#rewinds = 0
    const rows = files.reduce((sum, file) => sum + Number(file.recordCount), 0)
    this.#counts.commits++
    this.#counts.rowsCommitted += rows
    this.#counts.deadLetters += letters.count
    this.#counts.recordsCommitted += rows + letters.count
    this.#snapshotId = committed.metadata.refs[branch]?.snapshotId
    await this.#report(batch)
    await failpoint('ingest.cleaned-up')
  }

  /** The log's own bookkeeping is advice to others; failing at it costs nothing. */
  async #report(batch: MicroBatch): Promise<void> {
    const next = new Map(batch.ranges.map((range) => [partitionKey(range), range.to]))
    try {
      await this.#parts.source.reportCommitted(next)
    } catch (error) {
      this.#parts.logger.warn('stream.report-failed', { error: errorMessage(error) })
    }
    await failpoint('ingest.offsets-reported')
  }

  async #settleWaiting(batch: OpenBatch): Promise<void> {
    await this.#tables.settleWaiting(batch.rows)
    this.#checkTolerance(batch.rows)
    const { reader } = this.#tables
    if (reader === undefined) return
    if (!isReadable(batch.reader, reader)) {
      throw new CommitFailedError(
        'the columns of the table changed under an open batch, which is read again',
      )
    }
    batch.reader = reader
  }

  #checkTolerance(rows: MicroBatch): void {
    const letter = rows.letters.first
    if (letter === undefined || this.#settings.errors.tolerance !== 'none') return
    throw new ValidationError(
      `a record cannot become a row and errors.tolerance is none: ${letter.reason}`,
      { facts: { topic: letter.topic, partition: letter.partition, offset: letter.offset } },
    )
  }

  /**
   * Holds reading back while more is read and not committed than the budget allows. A batch that uses
   * it up alone has been sealed already.
   */
  async #awaitRoom(): Promise<void> {
    const pipeline = this.#pipeline
    const sizeBytes = pipeline.sizeBytes + (this.#batch?.rows.sizeBytes ?? 0)
    const isFull = pipeline.count > 0 && sizeBytes > this.#settings.memoryBytesMax
    if (isFull || pipeline.count >= sealedMax) {
      // Queries need not wait with us.
      if (this.#parts.live?.dueInMs(this.#batch?.rows) !== undefined) await this.#publish()
      await pipeline.settleOldest()
    }
    pipeline.throwFailure()
  }

  /** Forgets all that is not committed. */
  async #forget(): Promise<void> {
    this.#parts.live?.drop()
    await this.#pipeline.reset()
    const open = this.#batch
    this.#batch = undefined
    this.#sample = []
    await this.#spoolWriter.clear()
    if (open !== undefined) await this.#removeFolder(open.directory)
  }

  /** Begins anew from the table where that can help; throws what cannot be helped. */
  async #recover(error: unknown): Promise<void> {
    if (this.#isStopping && isAbort(error)) return
    const hasBegun = this.#positions.assigned.length > 0
    const mayRewind =
      error instanceof CommitStateUnknownError ||
      error instanceof CommitFailedError ||
      (error instanceof UnavailableError && hasBegun) ||
      (error instanceof OffsetConflictError && this.#isShared)
    if (!mayRewind || ++this.#rewinds > rewindsMax) throw error
    const { clock, random, logger } = this.#parts
    logger.warn('stream.rewound', { error: errorMessage(error), rewinds: this.#rewinds })
    try {
      await clock.sleep(backoffMs(rewindBackoff, this.#rewinds - 1, random), this.#options.signal)
      await this.#assign(this.#positions.assigned)
    } catch (next) {
      await this.#recover(next)
    }
  }

  async #finish(): Promise<void> {
    this.#options.onProgress?.(this.progress('stopping'))
    if (this.#tables.reader === undefined && this.#sample.length > 0) await this.#useSample()
    await this.#seal()
    await this.#pipeline.settle()
    this.#pipeline.throwFailure()
  }

  get #isShared(): boolean {
    const { input } = this.#settings
    return input.kind === 'kafka' && input.consumerGroup !== undefined
  }

  get #isAtEndOfLog(): boolean {
    return this.#positions.assigned.length > 0 && this.#positions.reachedEnds
  }

  async #noteLag(): Promise<void> {
    const now = this.#parts.clock.monotonic()
    if (this.#options.until === 'latest' || now - this.#lagSeenMs < lagIntervalMs) return
    this.#lagSeenMs = now
    this.#positions.noteEnds(await this.#parts.source.offsetBounds(this.#positions.assigned))
  }
}

function isReadable(by: TableReader, now: TableReader): boolean {
  if (by === now) return true
  // A new column may have the name that the rows give to the place of a record.
  if (!isDeepStrictEqual(by.format.placeKeys, now.format.placeKeys)) return false
  return keepsColumns(
    currentSchema(by.table.metadata).fields,
    currentSchema(now.table.metadata).fields,
  )
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
