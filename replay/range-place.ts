/**
 * In which columns the rows of a range say which record they came from, and whether other rows say the same.
 *
 * P2: a replay is refused where those columns do not identify the rows of the range.
 * P10: the columns are those that the stream's commits recorded, by id; a column's name proves nothing.
 */
import { formatIdentifier } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import type { ErrorFacts } from '../common/index.ts'
import {
  firstOffsetOf,
  type OffsetMap,
  partitionKey,
  type PlaceColumns,
  placedSince,
  placesOf,
  restoreOffsets,
  type StreamOffsets,
} from '../ingest/index.ts'
import { hasBranch } from './branch-head.ts'
import { type ReplayRange, ReplayRefusedError } from './replay-ranges.ts'

/** Whose rows: a stream's, of these ranges. */
export interface RangeOfStream {
  readonly stream: string
  readonly ranges: readonly ReplayRange[]
}

/** Field ids. */
export interface RangePlace {
  readonly partition: number
  readonly offset: number
  /** Undefined where no column says the topic. */
  readonly topic: number | undefined
  /** The partitions with rows from before the topic had its column. */
  readonly withoutTopic: ReadonlySet<string>
}

/**
 * The columns that all rows of the range on `refs` are in. Throws ReplayRefusedError where rows do not say which
 * records they came from, or say it in different columns.
 */
export function placeOfRange(table: Table, of: RangeOfStream, refs: readonly string[]): RangePlace {
  const facts = { table: formatIdentifier(table.identifier), stream: of.stream }
  const states = refs
    .filter((ref) => hasBranch(table.metadata, ref))
    .map((ref) => restoreOffsets(table, ref))
  const written = states.flatMap((state) => writtenIn(state, of, facts))
  const [first] = written
  if (first === undefined) return newestPlace(states, of, facts)
  const { partition, offset } = first.columns
  const other = written.find(
    ({ columns }) => columns.partition !== partition || columns.offset !== offset,
  )
  if (other !== undefined) {
    const { offsets, range } = other
    throw new ReplayRefusedError(
      'the rows of the range say in different columns which records they came from, because metadata was changed ' +
        'between them; replay the parts one by one',
      { facts: { ...facts, partition: partitionKey(range), changed: sinceOf(offsets, range) } },
    )
  }
  const topic =
    written.map(({ columns }) => columns.topic).findLast((id) => id !== undefined) ??
    topicColumn(states, offset)
  return {
    partition,
    offset,
    topic,
    withoutTopic: new Set(
      written
        .filter(({ columns }) => columns.topic !== topic)
        .map(({ range }) => partitionKey(range)),
    ),
  }
}

interface WrittenRange {
  readonly offsets: StreamOffsets
  readonly range: ReplayRange
  readonly columns: PlaceColumns
}

function writtenIn(
  state: OffsetMap,
  { stream, ranges }: RangeOfStream,
  facts: ErrorFacts,
): readonly WrittenRange[] {
  const offsets = state.get(stream)
  if (offsets === undefined) return []
  return ranges.flatMap((range) =>
    placesOf(offsets, range).map((columns) => {
      if (columns === undefined) throw withoutPlace(facts, offsets, range)
      return { offsets, range, columns }
    }),
  )
}

/** For records that the stream has no row of, because it began behind them. */
function newestPlace(
  states: readonly OffsetMap[],
  { stream, ranges }: RangeOfStream,
  facts: ErrorFacts,
): RangePlace {
  const offsets = states.map((state) => state.get(stream)).find((each) => each !== undefined)
  const [range] = ranges
  const columns = offsets?.places?.at(-1)?.columns
  if (columns !== undefined) return { topic: undefined, ...columns, withoutTopic: new Set() }
  if (offsets !== undefined && range !== undefined) throw withoutPlace(facts, offsets, range)
  throw new ReplayRefusedError('the table holds no offsets of this stream', { facts })
}

/** The column of the topic that any stream has filled beside the offset's. */
function topicColumn(states: readonly OffsetMap[], offset: number): number | undefined {
  return states
    .flatMap((state) => [...state.values()].flatMap(({ places = [] }) => places))
    .findLast(({ columns }) => columns?.offset === offset && columns.topic !== undefined)?.columns
    ?.topic
}

function withoutPlace(
  facts: ErrorFacts,
  offsets: StreamOffsets,
  range: ReplayRange,
): ReplayRefusedError {
  const { from, to } = range
  const since = sinceOf(offsets, range)
  const isEver = offsets.places?.at(-1)?.columns !== undefined
  if (!isEver) {
    return new ReplayRefusedError(
      'the table does not say which records its rows came from, so a range cannot be replayed in place; ' +
        'set metadata: struct and fill a new table',
      { facts: { ...facts, missing: '_kafka' } },
    )
  }
  return new ReplayRefusedError(
    'rows of the range do not say which records they came from: they were written with metadata: none, or while ' +
      'the table lacked the metadata columns. Begin where they say it, or fill a new table',
    { facts: { ...facts, partition: partitionKey(range), from, to, begin: since } },
  )
}

function sinceOf(offsets: StreamOffsets, { topic, partition }: ReplayRange): bigint {
  return placedSince(offsets, topic, partition)
}

/**
 * Throws ReplayRefusedError where rows of the range could come from another topic or stream: a row has its
 * partition and offset, maybe its topic, but never its stream.
 */
export function checkDistinguishable(table: Table, of: RangeOfStream, branch: string): void {
  const { stream, ranges } = of
  const ours = placeOfRange(table, of, [branch])
  const facts = { table: formatIdentifier(table.identifier), stream }
  for (const [other, others] of restoreOffsets(table, branch)) {
    const mixed = [...others.topics].flatMap(([topic, { nextOffsets }]) =>
      ranges.flatMap((range) => {
        if (other === stream && topic === range.topic) return []
        const first = firstOffsetOf(others, topic, range.partition)
        const next = nextOffsets.get(range.partition) ?? 0n
        const [from, to] = [larger(range.from, first), smaller(range.to, next)]
        const common = { ...range, topic, from, to }
        const places = from < to ? placesOf(others, common) : []
        return places.some((place) => isSame(ours, range, topic, place)) ? [common] : []
      }),
    )
    const [common] = mixed
    if (common === undefined) continue
    const { from, to } = common
    throw new ReplayRefusedError(
      other === stream
        ? 'the stream has read several topics and the table does not say which topic a row came from'
        : 'another stream has filled the same table from the same offsets of a log, and rows do not say ' +
            'which stream they came from',
      { facts: { ...facts, other, partition: partitionKey(common), from, to } },
    )
  }
}

/** Whether rows of `topic` that were written in `place` would be taken for rows of the range. */
function isSame(
  ours: RangePlace,
  range: ReplayRange,
  topic: string,
  place: PlaceColumns | undefined,
): boolean {
  if (place?.partition !== ours.partition || place.offset !== ours.offset) return false
  if (ours.topic === undefined) return true
  if (place.topic === ours.topic) return topic === range.topic
  return ours.withoutTopic.has(partitionKey(range))
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
