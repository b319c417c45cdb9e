/**
 * Which rows of a table belong to a range of the log: a condition over the columns that say which record
 * a row came from.
 *
 * P2: a replay is refused where those columns do not tell the rows of the range from others.
 */
import { currentSchema, formatIdentifier, type Schema } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { restoreOffsets } from '../ingest/index.ts'
import { quoteLiteral, quoteTable } from '../sql/index.ts'
import { type ReplayRange, ReplayRefusedError } from './replay-ranges.ts'

/** Which rows, as SQL over the table's columns. */
export interface RowRange {
  readonly condition: string
  /** SQL of a row's coordinates: topic (or NULL), partition, offset. */
  readonly place: { readonly topic: string; readonly partition: string; readonly offset: string }
}

/** Throws ReplayRefusedError where the table does not say which records its rows came from. */
export function rowRangeOf(table: Table, ranges: readonly ReplayRange[]): RowRange {
  const place = placeOf(currentSchema(table.metadata))
  if (place === undefined) {
    throw new ReplayRefusedError(
      'the table does not say which records its rows came from, so a range cannot be replayed in place; ' +
        'set metadata: struct and fill a new table',
      { facts: { table: formatIdentifier(table.identifier), missing: '_kafka' } },
    )
  }
  return { place, condition: conditionOf(place, ranges) }
}

/** The same of a dead-letter table, for the letters of one stream. */
export function letterRangeOf(stream: string, ranges: readonly ReplayRange[]): RowRange {
  const place = { topic: '"topic"', partition: '"partition"', offset: '"offset"' }
  const condition = `"stream" = ${quoteLiteral(stream)} AND (${conditionOf(place, ranges)})`
  return { place, condition }
}

/** A row says its partition and offset, perhaps its topic, never its stream. */
export function checkDistinguishable(
  table: Table,
  stream: string,
  branch: string,
  ranges: readonly ReplayRange[],
): void {
  const offsets = restoreOffsets(table, branch)
  const hasTopic = rowRangeOf(table, ranges).place.topic !== noTopic
  const replayed = new Set(ranges.map(({ topic }) => topic))
  if (!hasTopic && (offsets.get(stream)?.topics.size ?? 0) > 1) {
    throw new ReplayRefusedError(
      'the stream has read several topics and the table does not say which topic a row came from',
      { facts: { table: formatIdentifier(table.identifier), stream } },
    )
  }
  for (const [other, { topics }] of offsets) {
    if (other === stream) continue
    if (hasTopic && ![...topics.keys()].some((topic) => replayed.has(topic))) continue
    throw new ReplayRefusedError(
      'another stream has filled the same table from the same places of a log, and rows do not say ' +
        'which stream they came from',
      { facts: { table: formatIdentifier(table.identifier), stream, other } },
    )
  }
}

/** The rows of the range that `ref` holds, as a query with the table's current columns. */
export function selectRange(
  table: Table,
  ref: string,
  { condition }: RowRange,
  columns = '*',
): string {
  return `SELECT ${columns} FROM ${tableAt(table, ref)} WHERE ${condition}`
}

/** The table in a query, as `ref` has it. */
export function tableAt({ identifier }: Table, ref: string): string {
  return `${quoteTable(identifier)} AT (VERSION => ${quoteLiteral(ref)})`
}

const noTopic = 'NULL'

function placeOf(schema: Schema): RowRange['place'] | undefined {
  const struct = schema.fields.find((field) => field.name === '_kafka')?.type
  if (struct?.type === 'struct') {
    const names = new Set(struct.fields.map((field) => field.name))
    if (!names.has('partition') || !names.has('offset')) return undefined
    const member = (name: string): string => `"_kafka"."${name}"`
    return {
      topic: names.has('topic') ? member('topic') : noTopic,
      partition: member('partition'),
      offset: member('offset'),
    }
  }
  const names = new Set(schema.fields.map((field) => field.name))
  if (!names.has('_kafka_partition') || !names.has('_kafka_offset')) return undefined
  return {
    topic: names.has('_kafka_topic') ? '"_kafka_topic"' : noTopic,
    partition: '"_kafka_partition"',
    offset: '"_kafka_offset"',
  }
}

function conditionOf(place: RowRange['place'], ranges: readonly ReplayRange[]): string {
  const terms = ranges.map(({ topic, partition, from, to }) => {
    const ofTopic = place.topic === noTopic ? '' : `${place.topic} = ${quoteLiteral(topic)} AND `
    return `(${ofTopic}${place.partition} = ${partition} AND ${place.offset} >= ${from} AND ${place.offset} < ${to})`
  })
  return `(${terms.join(' OR ')})`
}
