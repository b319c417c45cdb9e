/**
 * What is done to a sealed batch, in this order: stage, commit, report.
 *
 * E5 (docs/spec/exactly-once.md): its dead letters are committed before its rows.
 * E9: columns that its records brought are made by the commit of its rows, or before its dead letters
 * where it has any.
 * E7: the log learns how far the table has come after the table has it.
 */
import { join } from 'node:path'
import { RefusedColumnsError } from '../../catalog/index.ts'
import { errorMessage, failpoint } from '../../common/index.ts'
import { partitionKey } from '../offsets/topic-partition.ts'
import type { Batch } from './batch.ts'
import type { Committer } from './committer.ts'
import type { StreamParts, StreamProgress } from './stream-parts.ts'
import type { TableReader, Tables } from './tables.ts'

export type Committed = Pick<
  StreamProgress,
  'commits' | 'deadLetters' | 'recordsCommitted' | 'recordsSkipped' | 'rowsCommitted' | 'snapshotId'
>

export class SealedBatches {
  readonly #parts: StreamParts
  readonly #committer: Committer
  readonly #tables: Tables
  readonly #branch: string
  #committed: Committed = {
    recordsCommitted: 0,
    rowsCommitted: 0,
    deadLetters: 0,
    recordsSkipped: 0,
    commits: 0,
    snapshotId: undefined,
  }

  /** `branch` is the one that rows go to. */
  constructor(parts: StreamParts, committer: Committer, tables: Tables, branch: string) {
    this.#parts = parts
    this.#committer = committer
    this.#tables = tables
    this.#branch = branch
  }

  /** Of all batches of the run. */
  get committed(): Committed {
    return this.#committed
  }

  /** Writes and uploads its data files; rows that the engine refuses become dead letters. */
  async stage(batch: Batch): Promise<void> {
    await batch.spooled()
    const { table, sideFields } = batch.reader
    const directory = join(batch.directory, 'out')
    const staged = await this.#committer
      .stage(table, batch.spools, sideFields, directory)
      .catch((error: unknown) => {
        if (error instanceof RefusedColumnsError) this.#tables.keepRecords()
        throw error
      })
    await batch.staged(staged.files, staged.refused)
    batch.requireWhole()
    if (batch.oddTimestamps === undefined) return
    const { count, first } = batch.oddTimestamps
    this.#parts.logger.warn('stream.timestamps-out-of-range', {
      count,
      ...first,
      note: 'these records have no timestamp in the table: theirs lies outside of years 1 to 9999; does a producer send nanoseconds?',
    })
  }

  /** Makes the pending columns ahead of the rows. */
  async commitColumns({ table, pending }: TableReader): Promise<void> {
    if (pending.length === 0) return
    const grown = await this.#committer.commitColumns(table, pending)
    this.#tables.noteCommitted(grown, pending)
  }

  async commit(batch: Batch): Promise<void> {
    const { letters, files, ranges, idle, starts, reader, directory } = batch
    let { pending } = reader
    if (letters.count > 0) {
      // Columns decide what is a letter: after a crash the records must be read by the same ones again.
      await this.commitColumns(reader)
      pending = []
      await this.#tables.commitDeadLetters(this.#committer, letters, directory)
    }
    const table = await this.#committer.commitRows(reader.table, {
      branch: this.#branch,
      files,
      ranges,
      idle,
      starts,
      pending,
      places: { columns: reader.place },
    })
    batch.committed()
    this.#tables.noteCommitted(table, pending)
    await this.#tables.forgetStarts(this.#committer)
    this.#parts.streaming?.committed(batch)
    const rows = files.reduce((sum, file) => sum + Number(file.recordCount), 0)
    const before = this.#committed
    this.#committed = {
      commits: before.commits + 1,
      rowsCommitted: before.rowsCommitted + rows,
      deadLetters: before.deadLetters + letters.count,
      recordsSkipped: before.recordsSkipped + batch.skippedCount,
      recordsCommitted: before.recordsCommitted + rows + letters.count + batch.skippedCount,
      snapshotId: table.metadata.refs[this.#branch]?.snapshotId,
    }
  }

  /** The log's own bookkeeping is advice to others; failing at it costs nothing. */
  async report(batch: Batch): Promise<void> {
    const next = new Map(batch.ranges.map((range) => [partitionKey(range), range.to]))
    try {
      await this.#parts.source.reportCommitted(next)
    } catch (error) {
      this.#parts.logger.warn('stream.report-failed', { error: errorMessage(error) })
    }
    await failpoint('ingest.offsets-reported')
  }
}
