/**
 * Which rows of a table belong to a range of the log: a condition over the columns in which the stream has
 * written the place of its records.
 */
import {
  currentSchema,
  formatIdentifier,
  indexFields,
  type Schema,
} from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { partitionKey, restoreOffsets } from '../ingest/index.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from '../sql/index.ts'
import { hasBranch } from './branch-head.ts'
import { placeOfRange, type RangeOfStream, type RangePlace } from './range-place.ts'
import { type ReplayRange, ReplayRefusedError } from './replay-ranges.ts'

/** The rows of a range in one state of a table, whose columns may have other names in the next. */
export type RowRange = (table: Table) => RangeSql

/** The rows of a range, as SQL over the table's columns. */
export interface RangeSql {
  readonly condition: string
  /** The condition of each range, by `partitionKey`. */
  readonly terms: ReadonlyMap<string, string>
  /** The table's alias in that SQL, quoted: no column has this name. */
  readonly alias: string
  /** SQL of a row's coordinates: topic (or NULL), partition, offset. */
  readonly coordinates: Coordinates
  /** The top-level columns of the coordinates. */
  readonly columns: ReadonlySet<string>
}

interface Coordinates {
  readonly topic: string
  readonly partition: string
  readonly offset: string
}

/** Throws ReplayRefusedError where the rows on the refs do not say which records they came from. */
export function rowRangeOf(of: RangeOfStream, refs: readonly string[]): RowRange {
  return (table) => {
    const place = placeOfRange(table, of, refs)
    const alias = freeAlias(currentSchema(table.metadata))
    const coordinates = {
      topic: place.topic === undefined ? noTopic : columnSql(table, place.topic, alias),
      partition: columnSql(table, place.partition, alias),
      offset: columnSql(table, place.offset, alias),
    }
    const terms = termsOf(coordinates, of.ranges, place)
    const topic = place.withoutTopic.size === 0 ? coordinates.topic : topicSql(terms, of.ranges)
    return {
      alias,
      coordinates: { ...coordinates, topic },
      terms,
      condition: anyOf(terms),
      columns: placeColumnNames(table, of.stream, refs),
    }
  }
}

/** The same for a dead-letter table and the letters of one stream. */
export function letterRangeOf({ stream, ranges }: RangeOfStream): RowRange {
  return ({ metadata }) => {
    const alias = freeAlias(currentSchema(metadata))
    const coordinates = {
      topic: `${alias}."topic"`,
      partition: `${alias}."partition"`,
      offset: `${alias}."offset"`,
    }
    const isOfStream = `${alias}."stream" = ${quoteLiteral(stream)}`
    const terms = new Map(
      [...termsOf(coordinates, ranges)].map(([key, term]) => [key, `(${isOfStream} AND ${term})`]),
    )
    const columns = new Set(['topic', 'partition', 'offset'])
    return { alias, coordinates, terms, condition: anyOf(terms), columns }
  }
}

/** The top-level columns that the stream's commits have filled with the coordinates of records. */
function placeColumnNames(
  table: Table,
  stream: string,
  refs: readonly string[],
): ReadonlySet<string> {
  const index = indexFields(currentSchema(table.metadata))
  const ids = refs
    .filter((ref) => hasBranch(table.metadata, ref))
    .flatMap((ref) => restoreOffsets(table, ref).get(stream)?.places ?? [])
    .flatMap(({ columns }): readonly number[] => Object.values(columns ?? {}))
  return new Set(ids.flatMap((id) => index.get(id)?.path[0] ?? []))
}

/** The rows of the range that `ref` holds, as a query with the table's current columns. */
export function selectRange(table: Table, ref: string, range: RowRange, columns = '*'): string {
  const sql = range(table)
  return `SELECT ${columns} FROM ${tableAt(table, ref, sql)} WHERE ${sql.condition}`
}

/** The table in a query, as `ref` has it. */
export function tableAt({ identifier }: Table, ref: string, { alias }: RangeSql): string {
  return `${quoteTable(identifier)} AT (VERSION => ${quoteLiteral(ref)}) AS ${alias}`
}

const noTopic = 'NULL'

/** SQL of a column, whatever it is called by now. */
function columnSql(table: Table, id: number, alias: string): string {
  const field = indexFields(currentSchema(table.metadata)).get(id)
  if (field !== undefined) return [alias, ...field.path.map(quoteIdentifier)].join('.')
  throw new ReplayRefusedError(
    'a column that said which records the rows came from was dropped, so a range cannot be replayed in place; ' +
      'fill a new table',
    { facts: { table: formatIdentifier(table.identifier), field: id } },
  )
}

/** A quoted name that no column has. */
function freeAlias({ fields }: Schema): string {
  const taken = new Set(fields.map(({ name }) => name.toLowerCase()))
  let alias = '$row'
  while (taken.has(alias)) alias = `$${alias}`
  return quoteIdentifier(alias)
}

function termsOf(
  { topic: topicColumn, partition: partitionColumn, offset }: Coordinates,
  ranges: readonly ReplayRange[],
  place?: RangePlace,
): ReadonlyMap<string, string> {
  return new Map(
    ranges.map(({ topic, partition, from, to }) => {
      const key = partitionKey({ topic, partition })
      const is = `${topicColumn} = ${quoteLiteral(topic)}`
      // Rows from before the topic had a column are rows of the only topic that there was.
      const isTopic =
        place?.withoutTopic.has(key) === true ? `(${topicColumn} IS NULL OR ${is})` : is
      const ofTopic = topicColumn === noTopic ? [] : [isTopic]
      const ofPartition = `${partitionColumn} = ${partition}`
      const within = `${offset} >= ${from} AND ${offset} < ${to}`
      return [key, `(${[...ofTopic, ofPartition, within].join(' AND ')})`]
    }),
  )
}

function anyOf(terms: ReadonlyMap<string, string>): string {
  return `(${[...terms.values()].join(' OR ')})`
}

/** The topic of a row that may not say it itself. */
function topicSql(terms: ReadonlyMap<string, string>, ranges: readonly ReplayRange[]): string {
  if (terms.size === 0) return noTopic
  const cases = ranges.map(
    (range) =>
      `WHEN ${terms.get(partitionKey(range)) ?? 'false'} THEN ${quoteLiteral(range.topic)}`,
  )
  return `CASE ${cases.join(' ')} END`
}
