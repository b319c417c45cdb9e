/**
 * The seam of value formats: how the bytes of records become the columns of one table.
 *
 * To add a format, write a folder beside this file with a `RecordFormat` and its `RowDecoder`, name it in
 * `ingest/schema/open-record-format.ts`, give it settings in `ingest/settings`, and run
 * `tests/conformance/describe-row-decoder.ts` over it. Invariants: docs/spec/row-decoders.md (D series).
 */
import type { NestedField, Schema, Type } from '../../catalog/format/index.ts'
import type { SchemaChange } from '../../catalog/index.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import type { CoordinateKeys } from '../spool/coordinate-keys.ts'
import type { KeyRules } from './key-rules.ts'
import type { RowBuffer, RowFormat } from '../spool/row-buffer.ts'

/** The result for one record. Numbers, because there is one for each record. */
export const DecodeResult = {
  /** It is a row. */
  good: 0,
  /** It can never be a row of the table; `fault` is the reason. */
  bad: 1,
  /** It could be a row if the schema had a column for the field that `fault` names. */
  unknownField: 2,
  /** It could be a row if the column that `fault` names were of another type. */
  misfit: 3,
  /** The settings leave such records out; it is neither a row nor a dead letter. */
  skipped: 4,
} as const

/** Converts records to rows of one table's columns. Between records it keeps no state except `fault`. */
export interface RowDecoder {
  /** The format of the buffers that it appends to: all of them are opened by `openRowBuffer(format)`. */
  readonly format: RowFormat
  /** The dotted path of the field, where the last result was `unknownField`. */
  readonly unknownField: string | undefined
  /** Why the last record that was not `good` was refused. A plain clause, without the record's coordinates. */
  readonly fault: string
  /**
   * Appends record `index` of `batch` to `rows` as a row. Returns a `DecodeResult`.
   *
   * `good`: exactly one row was appended, with the record's coordinates; every value is the record's own, or
   * its equal in the column's type. Any other result: `rows` is as it was before the call. The bytes of
   * `batch` may be overwritten after the call, so nothing may point into them. It must accept any bytes and a
   * null key or value: it throws only for a bug in Tidewater. It is called for every record and usually
   * allocates nothing for a good one.
   */
  decode(batch: RecordBatch, index: number, rows: RowBuffer): number
  /** Bytes of record `index` that its row is made from, for limits on what is read and not committed. */
  bytesOf(batch: RecordBatch, index: number): number
}

/** What a sample of the first records of a topic shows. */
export interface SampledColumns {
  readonly sampledCount: number
  /** Sampled records of the form that this format requires. */
  readonly readableCount: number
  /** What the other sampled records are, for people; undefined where there is none. */
  readonly unreadable: string | undefined
  /** Columns for a new table, without the stream's metadata; ids are placeholders that the catalog assigns. */
  readonly fields: readonly NestedField[]
  /** One line for each choice that a user may want to override. */
  readonly notes: readonly string[]
}

/** The first records of a topic, read one batch after the other; the batches need not be kept. */
export interface RecordSample {
  /** Reads the records, as far as the sample is not full. Never throws because of their content. */
  add(batch: RecordBatch): void
  /** What was seen so far. */
  columns(): SampledColumns
  /** What it is unsure of, field by field. */
  remarks(): readonly FieldRemark[]
}

/** For the person who declares the fields. */
export interface FieldRemark {
  /** `element` and `value` step into lists and maps. */
  readonly path: readonly string[]
  readonly text: string
  /** There is no column for it yet. */
  readonly isOpen?: boolean
}

export type AddedColumn = Extract<SchemaChange, { readonly kind: 'add-column' }>

export type WidenedColumn = Extract<SchemaChange, { readonly kind: 'widen-column' }>

/** A column whose type Iceberg does not widen to the one that values need: a new column takes its place. */
export interface ReplacedColumn {
  readonly field: NestedField
  /** Names from the top; `element` and `value` step into lists and maps. */
  readonly path: readonly string[]
  readonly type: Type
}

/** What records need beyond a schema. */
export interface SchemaAdditions {
  readonly added: readonly AddedColumn[]
  readonly widened: readonly WidenedColumn[]
  readonly replaced: readonly ReplacedColumn[]
  readonly notes: readonly string[]
  /** Dotted paths of fields that get no column, with the reason. */
  readonly refused: ReadonlyMap<string, string>
}

/** The changes of a schema. Called again for the schema that another writer has changed. */
export type SchemaEvolution = (schema: Schema, rules: KeyRules) => SchemaAdditions

/** The columns that records fill, what else keys of records mean, and which of them are open: few values chose their type. */
export interface FilledColumns {
  readonly fields: readonly NestedField[]
  readonly isOpen: (fieldId: number) => boolean
  readonly rules: KeyRules
}

/** A record that waits for its unknown field to become a column. */
export interface RecordInBatch {
  readonly batch: RecordBatch
  readonly index: number
}

export interface DecoderOptions {
  /**
   * Rows keep their records, so that one which the engine refuses becomes a dead letter. Slower; a format
   * whose rows the engine cannot refuse does not do it.
   */
  readonly keepsRecords?: boolean
}

/** How one stream's records are encoded, according to its settings and independent of any table. */
export interface RecordFormat {
  /**
   * The columns that the settings name, without the stream's metadata, ids still to be assigned. An
   * existing table must have them with these types. Undefined when a sample of records decides.
   */
  readonly columns: readonly NestedField[] | undefined
  /** Throws UnsupportedError for a column whose type no record of this format can fill. */
  requireFillable(field: NestedField): void
  /** A sample of at most `recordsMax` records, to choose columns or to show them to a user. */
  openSample(recordsMax: number, rules: KeyRules): RecordSample
  /**
   * What a schema needs so that `records`, whose result was `unknownField` or `misfit`, become rows: columns
   * that may be null, and other types for columns that stand in `filled`. A record for which nothing can be
   * changed adds nothing; when it is decoded again and still no row, it becomes a dead letter.
   */
  evolve(records: readonly RecordInBatch[], filled: FilledColumns): SchemaEvolution
  /**
   * The decoder of a table with these columns (metadata columns left out). Throws UnsupportedError or
   * SettingsError where the columns cannot be filled. `coordinateKeys` name the members that hold a record's coordinates.
   */
  openDecoder(
    filled: FilledColumns,
    coordinateKeys: CoordinateKeys,
    options?: DecoderOptions,
  ): RowDecoder
}

/** A sample ends at this size, because it is held in memory. */
export const sampleBytesMax = 32 << 20
