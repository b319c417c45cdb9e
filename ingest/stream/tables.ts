/**
 * The tables of one running stream and what follows from their schema: the decoder, the side columns,
 * the keys put into rows. Loads them, makes them from a sample, stages new columns, follows other writers.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import {
  currentSchema,
  formatType,
  mainBranch,
  type NestedField,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import { loadTableIfExists, type SideField, type Table, Transaction } from '../../catalog/index.ts'
import { propertyNotes } from '../../catalog/table/index.ts'
import { assert, errorMessage, ValidationError } from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import type { Committer } from './committer.ts'
import { noteOtherBranches } from '../offsets/check-other-branches.ts'
import { OffsetConflictError, restoreOffsets } from '../offsets/checkpoint.ts'
import { readStartRecord, type StartRecordKey } from '../offsets/start-record.ts'
import type { PartitionPosition } from '../offsets/topic-partition.ts'
import type { DeadLetterSpool } from '../dead-letter/dead-letter-spool.ts'
import type { RowFormat } from '../spool/row-buffer.ts'
import type {
  FilledColumns,
  RecordFormat,
  RecordInBatch,
  ReplacedColumn,
  RowDecoder,
} from '../decode/row-decoder.ts'
import { withDeclaredRequired } from '../schema/declared-columns.ts'
import { applyDeclared, declaredDifferences } from '../schema/declared-table.ts'
import type { KeyRules } from '../decode/key-rules.ts'
import { keyRulesOf } from '../schema/key-rules-of.ts'
import { openRecordFormat } from '../schema/open-record-format.ts'
import { columnsOfOthers } from '../schema/columns-of-others.ts'
import { notFilledReason, streamMetadata, unfilledMetadata } from '../schema/metadata-columns.ts'
import type { StreamOffsets } from '../offsets/offset-map.ts'
import { type PlaceColumns, placeFields } from '../offsets/place-epochs.ts'
import type { StreamParts } from './stream-parts.ts'
import {
  describeColumn,
  evolvePending,
  type PendingColumns,
  stagePending,
} from '../schema/pending-columns.ts'
import { openColumnIds } from '../schema/inferred-columns.ts'
import { replaceColumns } from '../schema/replace-columns.ts'
import { mayBeEmpty, sampleState } from '../schema/sample-state.ts'
import {
  createStreamTable,
  ensureDeadLetterTable,
  renamedPartitionFields,
} from '../schema/stream-table.ts'
import { requireFillable } from '../schema/table-faults.ts'
import { TableSample } from './table-sample.ts'

/** Sinks that run side by side by mistake get past each other's letters within a few tries. */
const letterConflictsMax = 10

/** One record can bring thousands. */
const columnsLogged = 50
/** Then the dead letters alone say it. */
const notesLoggedMax = 1_000

const hint =
  'these columns have values enough, so their types stay and records with others are dead letters; to take them, ' +
  'declare schema.fields and read the topic into a new table (tide stream schema --suggest prints the fields)'

/** A table together with all that its schema decides. */
export interface TableReader {
  /** With the pending columns. */
  readonly table: Table
  /** Columns of the table that the commit of the rows makes. */
  readonly pending: readonly PendingColumns[]
  readonly filled: FilledColumns
  readonly decoder: RowDecoder
  readonly sideFields: readonly SideField[]
  /** The columns by which a row is found again; undefined where rows do not say which record they are. */
  readonly place: PlaceColumns | undefined
  readonly format: RowFormat
}

/** What a change of the schema left to do. */
export interface Evolved {
  /** Dotted paths of fields that get no column, with the reason. */
  readonly refused: ReadonlyMap<string, string>
  /** Columns that could hold the records only if others took their place. */
  readonly replaced: readonly ReplacedColumn[]
}

export type TablesParts = Pick<
  StreamParts,
  'catalog' | 'clock' | 'deadLetterBranch' | 'io' | 'logger' | 'random' | 'rewriter'
>

export class Tables {
  readonly #settings: StreamSettings
  readonly #parts: TablesParts
  readonly #recordFormat: RecordFormat
  /** Records that were read before the table exists, and decide its columns. */
  readonly sample: TableSample
  #reader: TableReader | undefined
  /** The newest state of the table that the catalog has shown, without the pending columns. */
  #committed: Table | undefined
  #deadLetterTable: Table | undefined
  readonly #notesLogged = new Set<string>()
  /** Columns that were found to have values enough: their types stay. */
  readonly #settled = new Set<number>()
  #keepsRecords = false
  /** Columns that hold values which no stream of ours has written. */
  #columnsOfOthers: ReadonlySet<number> = new Set()
  /** In lower case, the columns in which streams have written where rows came from: no key fills them. */
  #placeNames: readonly string[] = []

  constructor(settings: StreamSettings, parts: TablesParts) {
    this.#settings = settings
    this.#parts = parts
    this.#recordFormat = openRecordFormat(settings.schema)
    this.sample = new TableSample(settings, this.#recordFormat, parts.logger)
  }

  /** Undefined until the table exists. */
  get reader(): TableReader | undefined {
    return this.#reader
  }

  /** What the table says of this stream now. */
  get offsets(): StreamOffsets | undefined {
    if (this.#committed === undefined) return undefined
    const { name, output } = this.#settings
    return restoreOffsets(this.#committed, output.branch).get(name)
  }

  /** How far dead letters are committed; the dead-letter table may be ahead of the table (E5). */
  get deadLetterOffsets(): StreamOffsets | undefined {
    if (this.#deadLetterTable === undefined) return undefined
    const branch = this.#parts.deadLetterBranch ?? mainBranch
    return restoreOffsets(this.#deadLetterTable, branch).get(this.#settings.name)
  }

  /** From the next load on rows are text, which a row that the engine refuses can be taken out of. */
  keepRecords(): void {
    this.#keepsRecords = true
  }

  /** Where the stream began before its table existed. */
  get started(): StreamOffsets | undefined {
    if (this.#deadLetterTable === undefined) return undefined
    return readStartRecord(this.#deadLetterTable, this.#startKey).get(this.#settings.name)
  }

  /** Records where the stream begins to read, in the table or, while there is none, beside its dead letters. */
  async recordStarts(committer: Committer, starts: readonly PartitionPosition[]): Promise<void> {
    const { output } = this.#settings
    if (this.#committed === undefined) {
      const table = await this.requireDeadLetterTable()
      this.#deadLetterTable = await committer.recordStarts(table, this.#startKey, starts)
      return
    }
    const table = await committer.commitStarts(this.#committed, output.branch, starts)
    this.noteCommitted(table, [])
  }

  /** Once the table has the offsets; what fails is tried again with the next commit. */
  async forgetStarts(committer: Committer): Promise<void> {
    const { logger } = this.#parts
    if (this.started === undefined || this.offsets === undefined) return
    try {
      const table = await this.requireDeadLetterTable()
      this.#deadLetterTable = await committer.forgetStarts(table, this.#startKey)
    } catch (error) {
      logger.debug('stream.start-not-forgotten', { error: errorMessage(error) })
    }
  }

  get #startKey(): StartRecordKey {
    const { table, branch } = this.#settings.output
    return { table, branch }
  }

  async load(): Promise<void> {
    const { catalog } = this.#parts
    const { output, errors, metadata } = this.#settings
    const { columns } = this.#recordFormat
    let table = await loadTableIfExists(catalog, output.table)
    if (table === undefined && columns !== undefined) table = await this.#create(columns)
    if (table === undefined) {
      this.#committed = undefined
      this.#reader = undefined
    } else {
      noteOtherBranches(this.#parts.logger, table, output.branch, this.#settings.name)
      const declared = await this.#withDeclared(table)
      if (metadata !== 'none') {
        this.#columnsOfOthers = await columnsOfOthers(this.#parts.io, declared, output.branch)
      }
      this.#use(declared, [])
    }
    this.#deadLetterTable = await loadTableIfExists(catalog, errors.deadLetterTable)
  }

  /** The table with what the stream's file says of it. Throws SettingsError for what cannot be. */
  async #withDeclared(table: Table): Promise<Table> {
    const { catalog, clock, logger, random } = this.#parts
    const { metadata: mode } = this.#settings
    const unfilled = unfilledMetadata(currentSchema(table.metadata), mode)
    this.#logOnce(
      unfilled.map((name) => `the table has ${name}, which metadata: ${mode} does not fill`),
      (note) => logger.warn('metadata.unfilled', { note }),
    )
    const differences = declaredDifferences(this.#settings, table, clock)
    if (differences.length === 0) return table
    const transaction = new Transaction(catalog, table.identifier, { clock, random, logger })
    const changed = await applyDeclared(this.#settings, transaction).commit()
    logger.warn('table.changed', { changes: differences.slice(0, columnsLogged).join('; ') })
    return changed
  }

  async requireDeadLetterTable(): Promise<Table> {
    const { catalog } = this.#parts
    this.#deadLetterTable ??= await ensureDeadLetterTable(
      catalog,
      this.#settings.errors.deadLetterTable,
    )
    return this.#deadLetterTable
  }

  /**
   * Commits the letters that the table does not hold. One that another sink committed first is there
   * already: whose the records are is decided by the rows' commit alone.
   */
  async commitDeadLetters(
    committer: Committer,
    letters: DeadLetterSpool,
    directory: string,
  ): Promise<void> {
    const { name, errors } = this.#settings
    if (this.#committed !== undefined) {
      const table = this.#committed
      this.noteCommitted(await committer.noteDeadLetters(table, name, errors.deadLetterTable), [])
    }
    for (let attempt = 0; ; attempt++) {
      const table = await this.requireDeadLetterTable()
      const outDirectory = join(directory, `dlq-${attempt}`)
      try {
        this.#deadLetterTable = await committer.commitDeadLetters(
          table,
          this.deadLetterOffsets,
          letters,
          outDirectory,
        )
        return
      } catch (error) {
        if (!(error instanceof OffsetConflictError) || attempt === letterConflictsMax) throw error
        this.#deadLetterTable = undefined
      }
    }
  }

  /** A first look at the records decides the columns, says so, and fixes them in the table. */
  async createFromSample(): Promise<void> {
    const { logger } = this.#parts
    const { name, schema } = this.#settings
    const sampled = this.sample.columns
    assert(sampled !== undefined, 'there is no sample')
    const { fields, notes, readableCount } = sampled
    const state = sampleState(this.#settings, sampled)
    if (state.kind === 'waits' && fields.length === 0 && !mayBeEmpty(this.#settings)) {
      throw new ValidationError(
        `no schema can be inferred: ${state.reason}; declare schema.fields`,
        { facts: { stream: name, sampled: sampled.sampledCount } },
      )
    }
    for (const note of notes) logger.warn('schema.inferred', { note })
    const table = await this.#create(fields)
    const columns = currentSchema(table.metadata).fields
    logger.info('schema.chosen', {
      sampled: readableCount,
      columns: columns.map((field) => `${field.name}: ${formatType(field.type)}`).join(', '),
      ...(readableCount < schema.sampleRecordsMax
        ? { hint: `to choose otherwise: tide stream schema ${name} --suggest` }
        : {}),
    })
    this.sample.drop()
    this.#use(table, [])
  }

  /**
   * Stages the columns that `records` bring or widen, unless the policy for unknown fields forbids it: rows are
   * read and written by them from now on, and the commit of these rows makes them.
   */
  async evolve(records: readonly RecordInBatch[]): Promise<Evolved> {
    const { schema, output } = this.#settings
    const { catalog, clock } = this.#parts
    const filled = this.#reader?.filled
    if (schema.unknownFields !== 'add' || filled === undefined) {
      return { refused: new Map(), replaced: [] }
    }
    const evolution = this.#recordFormat.evolve(records, filled)
    // The newest state, so that columns of other writers are used and not added again.
    const committed = this.#newest(await catalog.loadTable(output.table))
    const pending = this.#reader?.pending ?? []
    const staged = stagePending(committed, pending, clock)
    const rulesOf = (metadata: TableMetadata): KeyRules =>
      keyRulesOf(this.#settings, metadata, this.#placeNames)
    const isInferring = schema.mode === 'json_infer'
    const evolved = evolvePending(staged, evolution, rulesOf, isInferring)
    const { columns, refused, replaced } = evolved
    this.#logNotes([
      ...evolved.notes,
      ...[...refused].map(([path, why]) => `${path}: left out, because ${why}`),
    ])
    this.#use(committed, columns === undefined ? pending : [...pending, columns])
    return { refused, replaced }
  }

  /** Gives the columns their other type in a commit of its own, where few values chose the one they have; no column is pending. */
  async replace(columns: readonly ReplacedColumn[], directory: string): Promise<void> {
    const { output, schema } = this.#settings
    const table = this.#committed
    assert(table !== undefined, 'there is no table')
    const named = columns.map(({ path, type }) => describeColumn(path, type))
    const request = { branch: output.branch, valuesMax: schema.sampleRecordsMax, directory }
    const changed = await replaceColumns(this.#parts, { table, columns, ...request })
    await rm(directory, { recursive: true, force: true })
    if (changed === undefined) {
      for (const { field } of columns) this.#settled.add(field.id)
      this.#logOnce(named, (note) => this.#parts.logger.warn('schema.settled', { note, hint }))
    } else this.#logMade('schema.replaced', named)
    this.#use(changed ?? table, [])
  }

  #logNotes(notes: readonly string[]): void {
    this.#logOnce(notes, (note) => this.#parts.logger.warn('schema.inferred', { note }))
  }

  /** Once each: records with a field that can be no column come again and again. */
  #logOnce(notes: readonly string[], log: (notes: string) => void): void {
    const fresh = notes.filter((note) => !this.#notesLogged.has(note)).slice(0, columnsLogged)
    if (fresh.length === 0 || this.#notesLogged.size > notesLoggedMax) return
    for (const note of fresh) this.#notesLogged.add(note)
    log(fresh.join('; '))
  }

  /** The table after a commit of ours, which made `landed`: another writer may have changed its schema. */
  noteCommitted(table: Table, landed: readonly PendingColumns[]): void {
    const before = this.#reader
    if (before === undefined) return
    const made = before.pending.filter((columns) => landed.includes(columns))
    this.#logMade(
      'schema.added',
      made.flatMap(({ added }) =>
        added.map(({ parent, name, type }) => describeColumn([...parent, name], type)),
      ),
    )
    this.#logMade(
      'schema.widened',
      made.flatMap(({ widened }) => widened.map(({ path, type }) => describeColumn(path, type))),
    )
    const pending = before.pending.filter((columns) => !landed.includes(columns))
    const committed = this.#newest(table)
    const staged = stagePending(committed, pending, this.#parts.clock)
    const fields = [before.table, staged].map(({ metadata }) => currentSchema(metadata).fields)
    if (isDeepStrictEqual(fields[0], fields[1])) {
      this.#committed = committed
      this.#reader = { ...before, table: staged, pending }
    } else this.#use(committed, pending)
  }

  /** A load and a commit may overlap: the one that ends later need not have the newer table. */
  #newest(table: Table): Table {
    const { metadata } = table
    const before = this.#committed?.metadata
    if (before === undefined || before.tableUuid !== metadata.tableUuid) return table
    const isOlder =
      metadata.lastUpdatedMs < before.lastUpdatedMs ||
      metadata.lastSequenceNumber < before.lastSequenceNumber
    return isOlder ? (this.#committed ?? table) : table
  }

  #logMade(event: string, columns: readonly string[]): void {
    if (columns.length === 0) return
    const named = columns.slice(0, columnsLogged).join(', ')
    this.#parts.logger.info(event, { count: columns.length, columns: named })
  }

  async #create(fields: readonly NestedField[]): Promise<Table> {
    requireFillable(this.#settings, fields)
    for (const note of propertyNotes(this.#settings.output.properties)) {
      this.#parts.logger.warn('table.property-without-effect', { note })
    }
    const table = await createStreamTable(this.#parts.catalog, this.#settings, fields)
    for (const note of renamedPartitionFields(this.#settings, table)) {
      this.#parts.logger.warn('table.partition-renamed', { note })
    }
    return table
  }

  #use(committed: Table, pending: readonly PendingColumns[]): void {
    const { name, metadata, input, output } = this.#settings
    const offsets = restoreOffsets(committed, output.branch)
    const table = stagePending(committed, pending, this.#parts.clock)
    const current = currentSchema(table.metadata)
    const { coordinateKeys, sideFields, place, missing } = streamMetadata(current, {
      mode: metadata,
      severalTopics: input.topics.length > 1,
      recorded: offsets.get(name)?.places?.at(-1)?.columns,
      others: this.#columnsOfOthers,
    })
    this.#logOnce(missing, (columns) => {
      this.#parts.logger.warn('metadata.not-filled', { columns, reason: notFilledReason })
    })
    const side = new Set(sideFields.map((field) => field.field))
    const taken = placeFields(current.fields, offsets)
    this.#placeNames = taken.map(({ name }) => name.toLowerCase())
    const rules = keyRulesOf(this.#settings, table.metadata, this.#placeNames)
    const fields = withDeclaredRequired(
      current.fields.filter((field) => !side.has(field.name) && !taken.includes(field)),
      this.#settings.schema.fields,
      rules,
    )
    const open = openColumnIds(table.metadata)
    const isOpen = (id: number): boolean => open.has(id) && !this.#settled.has(id)
    const filled = { fields, isOpen, rules }
    const keepsRecords = this.#keepsRecords
    const options = keepsRecords ? { keepsRecords } : {}
    const decoder = this.#recordFormat.openDecoder(filled, coordinateKeys, options)
    this.#committed = committed
    this.#reader = { table, pending, filled, decoder, sideFields, place, format: decoder.format }
  }
}
