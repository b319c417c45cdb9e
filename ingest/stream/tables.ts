/**
 * The tables of one running stream and what follows from their schema: the decoder, the side columns,
 * the keys put into rows. Loads them, makes them from a sample, grows them, follows foreign changes.
 */
import { join } from 'node:path'
import { currentSchema, mainBranch, type NestedField } from '../../catalog/format/index.ts'
import { loadTableIfExists, type SideField, type Table } from '../../catalog/index.ts'
import { propertyNotes } from '../../catalog/table/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import type { Committer } from './committer.ts'
import { OffsetConflictError, restoreOffsets } from '../offsets/checkpoint.ts'
import type { DeadLetterSpool } from '../dead-letter/dead-letter-spool.ts'
import type { RowFormat } from '../spool/row-buffer.ts'
import type { RecordFormat, RecordInBatch, RowDecoder } from '../decode/row-decoder.ts'
import { checkDeclared } from '../schema/check-declared.ts'
import { openRecordFormat } from '../schema/open-record-format.ts'
import { metadataSideFields, placeKeysFor } from '../schema/metadata-columns.ts'
import type { StreamOffsets } from '../offsets/offset-map.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import type { StreamParts } from './stream-parts.ts'
import { createStreamTable, ensureDeadLetterTable, evolveTable } from '../schema/stream-table.ts'
import { requireFillable } from '../schema/table-faults.ts'

/** Sinks that run side by side by mistake get past each other's letters within a few tries. */
const letterConflictsMax = 10

/** One record can bring thousands. */
const columnsLogged = 50
/** Then the dead letters alone say it. */
const notesLoggedMax = 1_000

/** A table together with all that its schema decides. */
export interface TableReader {
  readonly table: Table
  readonly decoder: RowDecoder
  readonly sideFields: readonly SideField[]
  readonly format: RowFormat
}

export class Tables {
  readonly #settings: StreamSettings
  readonly #parts: StreamParts
  readonly #recordFormat: RecordFormat
  #reader: TableReader | undefined
  #deadLetterTable: Table | undefined
  readonly #notesLogged = new Set<string>()

  constructor(settings: StreamSettings, parts: StreamParts) {
    this.#settings = settings
    this.#parts = parts
    this.#recordFormat = openRecordFormat(settings.schema)
  }

  /** Undefined until the table exists. */
  get reader(): TableReader | undefined {
    return this.#reader
  }

  /** What the table says of this stream now. */
  get offsets(): StreamOffsets | undefined {
    if (this.#reader === undefined) return undefined
    const { name, output } = this.#settings
    return restoreOffsets(this.#reader.table, output.branch).get(name)
  }

  /** How far dead letters are committed; the dead-letter table may be ahead of the table (E5). */
  get deadLetterOffsets(): StreamOffsets | undefined {
    if (this.#deadLetterTable === undefined) return undefined
    const branch = this.#parts.deadLetterBranch ?? mainBranch
    return restoreOffsets(this.#deadLetterTable, branch).get(this.#settings.name)
  }

  async load(): Promise<void> {
    const { catalog } = this.#parts
    const { output, errors } = this.#settings
    const { columns } = this.#recordFormat
    let table = await loadTableIfExists(catalog, output.table)
    if (table === undefined && columns !== undefined) table = await this.#create(columns)
    if (table === undefined) this.#reader = undefined
    else {
      if (columns !== undefined) checkDeclared(table, columns)
      this.#use(table)
    }
    this.#deadLetterTable = await loadTableIfExists(catalog, errors.deadLetterTable)
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
  async createFromSample(sample: readonly RecordBatch[]): Promise<void> {
    const { schema, name } = this.#settings
    const { logger } = this.#parts
    const sampled = this.#recordFormat.sample(sample, schema.sampleRecordsMax)
    const { fields, notes } = sampled
    if (sampled.readableCount === 0) {
      throw new ValidationError(
        'no schema can be inferred: none of the sampled records is a json object; declare schema.fields',
        { facts: { stream: name, sampled: sample.reduce((sum, batch) => sum + batch.count, 0) } },
      )
    }
    for (const note of notes) logger.warn('schema.inferred', { note })
    const table = await this.#create(fields)
    const columns = currentSchema(table.metadata).fields
    logger.info('schema.chosen', {
      sampled: sampled.readableCount,
      columns: columns.map((field) => `${field.name}: ${field.type.type}`).join(', '),
    })
    this.#use(table)
  }

  /** Adds the columns that `records` bring, unless the policy for unknown fields forbids it. */
  async evolve(records: readonly RecordInBatch[]): Promise<void> {
    const { schema, output } = this.#settings
    const { catalog, clock, random, logger } = this.#parts
    if (schema.unknownFields === 'add') {
      const evolution = this.#recordFormat.evolve(records)
      const tools = { clock, random }
      const { table, evolved } = await evolveTable(catalog, output.table, evolution, tools)
      this.#logNotes(evolved.notes)
      if (evolved.added.length > 0) {
        const shown = evolved.added
          .slice(0, columnsLogged)
          .map(({ path, type }) => `${path}: ${type.type}`)
        logger.info('schema.added', { count: evolved.added.length, columns: shown.join(', ') })
      }
      this.#use(table)
    }
  }

  /** Once each: records with a field that can be no column come again and again. */
  #logNotes(notes: readonly string[]): void {
    const fresh = notes.filter((note) => !this.#notesLogged.has(note)).slice(0, columnsLogged)
    if (fresh.length === 0 || this.#notesLogged.size > notesLoggedMax) return
    for (const note of fresh) this.#notesLogged.add(note)
    this.#parts.logger.warn('schema.inferred', { note: fresh.join('; ') })
  }

  /** The table after a commit of ours: another writer may have changed its schema. */
  noteCommitted(table: Table): void {
    const before = this.#reader?.table.metadata
    // The schema may have grown while that commit was under way: never go back behind it.
    if (before === undefined || table.metadata.lastUpdatedMs < before.lastUpdatedMs) return
    if (table.metadata.currentSchemaId !== before.currentSchemaId) this.#use(table)
    else if (this.#reader !== undefined) this.#reader = { ...this.#reader, table }
  }

  #create(fields: readonly NestedField[]): Promise<Table> {
    requireFillable(this.#settings, fields)
    for (const note of propertyNotes(this.#settings.output.properties)) {
      this.#parts.logger.warn('table.property-without-effect', { note })
    }
    return createStreamTable(this.#parts.catalog, this.#settings, fields)
  }

  #use(table: Table): void {
    const { metadata, input } = this.#settings
    const current = currentSchema(table.metadata)
    const coordinateKeys = placeKeysFor(current, input.topics.length > 1)
    const sideFields = metadataSideFields(current, metadata, coordinateKeys)
    const side = new Set(sideFields.map((field) => field.field))
    const fields = current.fields.filter((field) => !side.has(field.name))
    const decoder = this.#recordFormat.openDecoder(fields, coordinateKeys)
    this.#reader = { table, decoder, sideFields, format: decoder.format }
  }
}
