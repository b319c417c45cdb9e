/**
 * The seam of value formats: how the bytes of records become the columns of one table.
 *
 * To add a format, write a folder beside this file with a `RecordFormat` and its `RowDecoder`, name it in
 * `ingest/schema/open-record-format.ts`, give it settings in `ingest/settings`, and run
 * `tests/conformance/describe-row-decoder.ts` over it. Invariants: docs/spec/row-decoders.md (D series).
 */
import type { NestedField, Schema, Type } from '../../catalog/format/index.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import type { PlaceKeys } from '../spool/coordinate-keys.ts'
import type { RowBuffer, RowFormat } from '../spool/row-buffer.ts'

/** What became of a record. Numbers, because there is one for each record. */
export const DecodeResult = {
  /** It is a row now. */
  good: 0,
  /** It can be no row of the table, now or later; `fault` says why. */
  bad: 1,
  /** It could be a row if the schema had a column for the field that `fault` names. */
  unknownField: 2,
} as const

/** Makes rows of one table's columns from records. Stateless between records but for `fault`. */
export interface RowDecoder {
  /** What the decoder appends to: it is given buffers that `openRowBuffer(format)` opened, and no others. */
  readonly format: RowFormat
  /** Why the last record that was not `good` was not. A plain clause, without the record's place. */
  readonly fault: string
  /**
   * Makes record `index` of `batch` a row of `rows`. Returns a `DecodeResult`.
   *
   * `good`: exactly one row was appended, with the record's place in the log; every value is the record's
   * own, or the equal of it in the column's type. Any other result: `rows` is as it was before the call.
   * The bytes of `batch` may be overwritten after the call, so nothing may point into them. Any bytes, and
   * a null key or value, must be survived: it throws only for a fault of ours. It is called for every
   * record and allocates nothing for a good one in the usual case.
   */
  decode(batch: RecordBatch, index: number, rows: RowBuffer): number
  /** Bytes of record `index` that its row is made from, for limits on what is read and not committed. */
  bytesOf(batch: RecordBatch, index: number): number
}

/** What a look at the first records of a topic shows. */
export interface SampledColumns {
  readonly sampledCount: number
  /** Sampled records that have the form this format asks of every record. */
  readonly readableCount: number
  /** Columns for a new table, without the stream's metadata; ids are placeholders that the catalog assigns. */
  readonly fields: readonly NestedField[]
  /** One line for each choice that a person may want to overrule. */
  readonly notes: readonly string[]
}

/** A schema together with what records needed beyond it. */
export interface EvolvedSchema {
  readonly schema: Schema
  readonly lastColumnId: number
  /** Dotted paths with their types, for people. */
  readonly added: readonly { readonly path: string; readonly type: Type }[]
  readonly notes: readonly string[]
}

/** Adds columns to a schema; ids begin above `lastColumnId`. Called again when another writer was first. */
export type SchemaEvolution = (schema: Schema, lastColumnId: number) => EvolvedSchema

/** One record that waits until its unknown field is a column. */
export interface RecordInBatch {
  readonly batch: RecordBatch
  readonly index: number
}

/** How one stream's records are encoded, as its settings say. Belongs to no table yet. */
export interface RecordFormat {
  /**
   * The columns that the settings name, without the stream's metadata, ids still to be assigned. A table
   * that exists must have them with these types. Undefined: a sample of records decides.
   */
  readonly columns: readonly NestedField[] | undefined
  /** Throws UnsupportedError where no record of this format could ever fill a column of this type. */
  requireFillable(field: NestedField): void
  /**
   * Looks at up to `recordsMax` records, to choose columns or to tell a person what is there. Never throws
   * for what records hold. Where `readableCount` is 0, `fields` means nothing.
   */
  sample(batches: readonly RecordBatch[], recordsMax: number): SampledColumns
  /**
   * What `records`, whose result was `unknownField`, need beyond any schema. Only ever adds columns that may
   * be null: nothing is dropped, renamed or retyped. A record that can get no column adds none; it is
   * decoded again by the evolved schema, and a second `unknownField` makes it a dead letter.
   */
  evolve(records: readonly RecordInBatch[]): SchemaEvolution
  /**
   * The decoder of a table with these columns (metadata columns left out). Throws UnsupportedError or
   * SettingsError where the columns cannot be filled. `placeKeys` name the members that hold a record's place.
   */
  openDecoder(fields: readonly NestedField[], placeKeys: PlaceKeys): RowDecoder
}

/** A sample of long records ends here: it is held in memory. */
export const sampleBytesMax = 32 << 20
