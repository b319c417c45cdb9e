/**
 * Turns a sealed batch into data files and commits them with the offsets they reach.
 *
 * Order of a commit (docs/spec/exactly-once.md): files are uploaded under new names; dead letters are
 * committed first, with an offset map of their own (E5); then one commit makes the columns that the
 * records brought (E9), carries the rows of all partitions and the offsets (E1), and asserts the range of
 * each partition on the base (E3).
 */
import { mkdir } from 'node:fs/promises'
import {
  currentSchema,
  type DataFile,
  defaultPartitionSpec,
  formatIdentifier,
  mainBranch,
  type TableIdentifier,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import {
  commitAction,
  FastAppend,
  ManifestCache,
  newestOffsets,
  offsetsPropertyKey,
  offsetsSummaryKey,
  type RefusedRow,
  requireWrittenSchema,
  type RowSpool,
  type SideField,
  type Table,
  Transaction,
  UpdateProperties,
  UpdateSchema,
  uploadDataFiles,
} from '../../catalog/index.ts'
import { columnNamesProperty, newColumnNames } from '../../catalog/table/index.ts'
import {
  AlreadyExistsError,
  CorruptDataError,
  failpoint,
  randomUuid,
  type RetryPolicy,
  stringifyJson,
} from '../../common/index.ts'
import {
  checkRanges,
  offsetOperations,
  operationSummaryKey,
  restoreOffsets,
} from '../offsets/checkpoint.ts'
import type { OffsetRange } from '../offsets/offset-range.ts'
import { deadLetterSideFields } from '../dead-letter/dead-letter.ts'
import {
  deadLetterTablesKey,
  deadLetterTablesOf,
  withDeadLetterTable,
} from '../dead-letter/dead-letter-tables.ts'
import type { DeadLetterSpool } from '../dead-letter/dead-letter-spool.ts'
import {
  advanceOffsets,
  formatOffsetMap,
  nextOffsetOf,
  startOffsets,
  type StreamOffsets,
} from '../offsets/offset-map.ts'
import { notePlaces, type PlaceColumns } from '../offsets/place-epochs.ts'
import { readStartRecord, startRecordChange, type StartRecordKey } from '../offsets/start-record.ts'
import type { PartitionPosition } from '../offsets/topic-partition.ts'
import { requireNotReplaced } from '../schema/inferred-columns.ts'
import { allChanges, type PendingColumns } from '../schema/pending-columns.ts'
import type { StreamParts } from './stream-parts.ts'

/** Who commits: named in the summary, and in the error of a sink that loses against this one. */
export interface StreamIdentity {
  readonly stream: string
  readonly clusterId: string
  readonly topicIds: ReadonlyMap<string, string>
  readonly writerId: string
}

/** Ingest never gives up an ordinary race: it backs off and lets its lag be seen. */
const ingestRetry: RetryPolicy = {
  retriesMax: Number.POSITIVE_INFINITY,
  waitMsMin: 100,
  waitMsMax: 30_000,
  totalMsMax: Number.POSITIVE_INFINITY,
}

export interface StagedFiles {
  readonly files: readonly DataFile[]
  readonly refused: readonly RefusedRow[]
}

export interface RowsToCommit {
  readonly branch: string
  readonly files: readonly DataFile[]
  /** How far the commit moves the stream's offsets. */
  readonly ranges: readonly OffsetRange[]
  /** Partitions that must stand where they stood although the batch has nothing of them. */
  readonly idle?: readonly OffsetRange[]
  /** Positions of partitions that the table may have no offset of. */
  readonly starts?: readonly PartitionPosition[]
  /** Columns that the files were written with and that the commit makes. */
  readonly pending?: readonly PendingColumns[]
  /** By which columns the rows are found again; absent for dead letters. */
  readonly places?: { readonly columns: PlaceColumns | undefined }
}

/** What an append does beside files and offsets. */
interface AppendChanges {
  /** Throws where the append must not be based on this state of the table. */
  readonly check?: (base: Table) => void
  /** Table properties to set, given the table with the new snapshot. */
  readonly properties?: (metadata: TableMetadata) => Readonly<Record<string, string>>
}

export class Committer {
  readonly #parts: StreamParts
  readonly #identity: StreamIdentity
  /** Lives as long as the stream: the manifests of the last commit are the base of the next. */
  readonly #cache = new ManifestCache()

  constructor(parts: StreamParts, identity: StreamIdentity) {
    this.#parts = parts
    this.#identity = identity
  }

  /** Types the spools by the table's current schema and uploads the files; commits nothing. */
  async stage(
    table: Table,
    spools: readonly RowSpool[],
    sideFields: readonly SideField[],
    directory: string,
  ): Promise<StagedFiles> {
    if (spools.length === 0) return { files: [], refused: [] }
    await mkdir(directory, { recursive: true })
    const { io, random } = this.#parts
    const { metadata } = table
    const written = await this.#parts.writer.write({
      schema: currentSchema(metadata),
      spec: defaultPartitionSpec(metadata),
      spools,
      directory,
      sideFields,
      properties: metadata.properties,
    })
    await failpoint('ingest.encoded')
    const files = await uploadDataFiles({ io, random }, metadata, written.files)
    await failpoint('ingest.uploaded')
    return { files, refused: written.refused }
  }

  /**
   * Makes the pending columns without rows. Throws ConflictError where another writer's change gives them
   * other ids than `table`, by which the rows are written, has.
   */
  async commitColumns(table: Table, pending: readonly PendingColumns[]): Promise<Table> {
    const transaction = this.#transaction(table, pending)
    const grown = await transaction.commit()
    requireWrittenSchema(grown.metadata, currentSchema(table.metadata))
    return grown
  }

  /**
   * Appends the files and moves the stream's offsets. Throws OffsetConflictError when another sink was
   * first, ConflictError when the pending columns are others in the table by now, CommitStateUnknownError
   * when the outcome is not known.
   */
  commitRows(table: Table, rows: RowsToCommit): Promise<Table> {
    return this.#append(table, rows, {
      properties: (metadata) => {
        const names = newColumnNames(metadata)
        return names === undefined ? {} : { [columnNamesProperty]: names }
      },
    })
  }

  /**
   * Records where the stream begins to read, in a snapshot without rows (E11). Partitions that have an offset
   * keep it: the sink that was first has decided. Returns the table as it is then.
   */
  async commitStarts(
    table: Table,
    branch: string,
    starts: readonly PartitionPosition[],
  ): Promise<Table> {
    const { stream } = this.#identity
    const check = (base: Table): void => {
      const offsets = restoreOffsets(base, branch).get(stream)
      if (starts.some((start) => nextOffsetOf(offsets, start) === undefined)) return
      throw new AlreadyExistsError('the table has an offset of each partition')
    }
    try {
      return await this.#append(table, { branch, files: [], ranges: [], starts }, { check })
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error
      return this.#parts.catalog.loadTable(table.identifier)
    }
  }

  /** Records the same beside the dead letters, while there is no table. */
  recordStarts(
    { identifier }: Table,
    of: StartRecordKey,
    starts: readonly PartitionPosition[],
  ): Promise<Table> {
    const { stream } = this.#identity
    const record = new UpdateProperties((base) => {
      const before = readStartRecord(base, of)
      const started = startOffsets(before.get(stream), this.#identity, starts)
      return startRecordChange(of, new Map(before).set(stream, started))
    })
    return this.#commitAction(identifier, record)
  }

  forgetStarts({ identifier }: Table, of: StartRecordKey): Promise<Table> {
    const { stream } = this.#identity
    const record = new UpdateProperties((base) => {
      const others = [...readStartRecord(base, of)].filter(([name]) => name !== stream)
      return startRecordChange(of, new Map(others))
    })
    return this.#commitAction(identifier, record)
  }

  #commitAction(identifier: TableIdentifier, action: UpdateProperties): Promise<Table> {
    const { catalog, clock, random, logger } = this.#parts
    return commitAction(catalog, identifier, action, { clock, random, logger })
  }

  /** Records in the stream's table where its letters are, before the first of them is there. */
  async noteDeadLetters(
    table: Table,
    stream: string,
    letterTable: TableIdentifier,
  ): Promise<Table> {
    const letters = formatIdentifier(letterTable)
    if (deadLetterTablesOf(table.metadata.properties, stream).includes(letters)) return table
    const note = new UpdateProperties(({ metadata: { properties } }) => ({
      updates: { [deadLetterTablesKey]: withDeadLetterTable(properties, stream, letters) },
    }))
    return this.#transaction(table, []).add(note).commit()
  }

  /** Commits the letters that `table` does not hold yet; returns the table as it is then. */
  async commitDeadLetters(
    table: Table,
    committed: StreamOffsets | undefined,
    letters: DeadLetterSpool,
    directory: string,
  ): Promise<Table> {
    const rest = await letters.uncommitted(committed)
    if (rest === undefined) return table
    const staged = await this.stage(table, [rest.spool], deadLetterSideFields, directory)
    requireEvery(rest.spool.rowCount, staged)
    const branch = this.#parts.deadLetterBranch ?? mainBranch
    const after = await this.#append(table, { branch, files: staged.files, ranges: rest.ranges })
    await failpoint('ingest.dead-letters-committed')
    return after
  }

  async #append(
    table: Table,
    { branch, files, ranges, idle = [], starts = [], pending = [], places }: RowsToCommit,
    changes: AppendChanges = {},
  ): Promise<Table> {
    const { io, clock, random } = this.#parts
    const { stream } = this.#identity
    let checked: { readonly base: Table; readonly offsets: string } | undefined
    // Each attempt has a base of its own; its ranges are checked once.
    const offsetsOver = (base: Table): string => {
      if (checked?.base === base) return checked.offsets
      const offsets = new Map(checkRanges(base, branch, stream, [...ranges, ...idle], starts))
      const before = offsets.get(stream)
      const isOfRows = places !== undefined || starts.length > 0
      const begun = isOfRows ? startOffsets(before, this.#identity, starts) : before
      const advanced = ranges.map((range) => ({ ...range, nextOffset: range.to }))
      const after = advanceOffsets(begun, this.#identity, advanced)
      offsets.set(
        stream,
        places === undefined || begun === undefined
          ? after
          : { ...after, places: notePlaces(begun, places.columns, ranges) },
      )
      checked = { base, offsets: formatOffsetMap(offsets) }
      return checked.offsets
    }
    const commitId = randomUuid(random)
    const append = new FastAppend(
      { io, clock, random, cache: this.#cache },
      {
        files,
        branch,
        check: (base) => {
          changes.check?.(base)
          requireNotReplaced(base.metadata, currentSchema(table.metadata))
          offsetsOver(base)
        },
        summary: (base) => ({
          ...this.#summary(commitId, offsetsOver(base), ranges),
          ...(ranges.length > 0 ? {} : { [operationSummaryKey]: offsetOperations.start }),
        }),
        ...(pending.length === 0 ? {} : { writtenSchema: currentSchema(table.metadata) }),
      },
    )
    // The property says what the snapshot says, which the action before has added.
    const offsets = new UpdateProperties(({ metadata }) => ({
      updates: {
        [offsetsPropertyKey(branch)]: newestOffsets(metadata, branch)?.text ?? '',
        ...changes.properties?.(metadata),
      },
    }))
    return this.#transaction(table, pending).add(append).add(offsets).commit()
  }

  #transaction({ identifier }: Table, pending: readonly PendingColumns[]): Transaction {
    const { catalog, clock, random, logger } = this.#parts
    const transaction = new Transaction(catalog, identifier, {
      clock,
      random,
      logger,
      retry: ingestRetry,
    })
    if (pending.length > 0) transaction.add(new UpdateSchema(allChanges(pending)))
    for (const { inferred } of pending) {
      if (inferred !== undefined) transaction.add(new UpdateProperties(inferred))
    }
    return transaction
  }

  #summary(
    commitId: string,
    offsets: string,
    ranges: readonly OffsetRange[],
  ): Readonly<Record<string, string>> {
    const { stream, clusterId, topicIds, writerId } = this.#identity
    return {
      'tidewater.commit-id': commitId,
      'tidewater.stream': stream,
      'tidewater.writer': writerId,
      'tidewater.cluster-id': clusterId,
      'tidewater.topic-ids': stringifyJson(Object.fromEntries(topicIds)),
      'tidewater.ranges': stringifyJson(
        ranges.map(({ topic, partition, from, to }) => ({
          topic,
          partition,
          from: from ?? null,
          to,
        })),
      ),
      [offsetsSummaryKey]: offsets,
    }
  }
}

/** A dead letter has no other place to go to. */
function requireEvery(letters: number, { files, refused }: StagedFiles): void {
  const written = files.reduce((sum, file) => sum + Number(file.recordCount), 0)
  if (written === letters) return
  throw new CorruptDataError('dead letters could not be written, so nothing is committed', {
    facts: { letters, written, reason: refused[0]?.reason },
  })
}
