/**
 * Which rows of a table belong to a range of the log: a condition over the columns that say which record
 * a row came from.
 *
 * P2: a replay is refused where those columns do not identify the rows of the range.
 */
import { currentSchema, formatIdentifier, type Schema } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { restoreOffsets } from '../ingest/index.ts'
import { quoteLiteral, quoteTable } from '../sql/index.ts'
import { type ReplayRange, ReplayRefusedError } from './replay-ranges.ts'

/** The rows of a range, as SQL over the table's columns. */
export interface RowRange {
  readonly condition: string
  /** SQL of a row's coordinates: topic (or NULL), partition, offset. */
  readonly coordinates: {
    readonly topic: string
    readonly partition: string
    readonly offset: string
  }
}

/** Throws ReplayRefusedError where the table does not say which records its rows came from. */
export function rowRangeOf(table: Table, ranges: readonly ReplayRange[]): RowRange {
  const coordinates = coordinatesOf(currentSchema(table.metadata))
  if (coordinates === undefined) {
    throw new ReplayRefusedError(
      'the table does not say which records its rows came from, so a range cannot be replayed in place; ' +
        'set metadata: struct and fill a new table',
      { facts: { table: formatIdentifier(table.identifier), missing: '_kafka' } },
    )
  }
  return { coordinates, condition: conditionOf(coordinates, ranges) }
}

/** The same for a dead-letter table and the letters of one stream. */
export function letterRangeOf(stream: string, ranges: readonly ReplayRange[]): RowRange {
  const coordinates = { topic: '"topic"', partition: '"partition"', offset: '"offset"' }
  const condition = `"stream" = ${quoteLiteral(stream)} AND (${conditionOf(coordinates, ranges)})`
  return { coordinates, condition }
}

/** Throws ReplayRefusedError where rows of the range could come from another topic or stream: a row has its partition and offset, maybe its topic, but never its stream. */
export function checkDistinguishable(
  table: Table,
  stream: string,
  branch: string,
  ranges: readonly ReplayRange[],
): void {
  const offsets = restoreOffsets(table, branch)
  const hasTopic = rowRangeOf(table, ranges).coordinates.topic !== noTopic
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
      'another stream has filled the same table from the same offsets of a log, and rows do not say ' +
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

function coordinatesOf(schema: Schema): RowRange['coordinates'] | undefined {
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

function conditionOf(coordinates: RowRange['coordinates'], ranges: readonly ReplayRange[]): string {
  const terms = ranges.map(({ topic, partition, from, to }) => {
    const ofTopic =
      coordinates.topic === noTopic ? '' : `${coordinates.topic} = ${quoteLiteral(topic)} AND `
    return `(${ofTopic}${coordinates.partition} = ${partition} AND ${coordinates.offset} >= ${from} AND ${coordinates.offset} < ${to})`
  })
  return `(${terms.join(' OR ')})`
}
