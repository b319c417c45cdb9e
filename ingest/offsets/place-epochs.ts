/**
 * By which columns the rows of a stream say which record they came from. A column's name proves nothing:
 * records may have a key of that name, and other clients add columns. So each commit of a stream records
 * the ids of the columns that it filled, beside its offsets (docs/spec/replay.md, P10).
 *
 * An epoch is a time in which the same columns were filled. Most tables have one, which begins with the
 * stream's first record.
 */
import type { NestedField } from '../../catalog/format/index.ts'
import type { OffsetRange } from './offset-range.ts'
import type { OffsetMap, StreamOffsets, TopicOffsets } from './offset-map.ts'

/** Ids of columns, or of members of a struct. */
export interface PlaceColumns {
  readonly partition: number
  readonly offset: number
  readonly topic?: number
  readonly timestamp?: number
}

/** By topic and partition. */
export type PartitionOffsets = ReadonlyMap<string, ReadonlyMap<number, bigint>>

export interface PlaceEpoch {
  /** Undefined where rows do not say which record they came from. */
  readonly columns: PlaceColumns | undefined
  /** The first offset of a partition in this epoch; a partition that is not named begins with its log. */
  readonly since: PartitionOffsets
  /** The next offset when the epoch ended; undefined in the newest. */
  readonly until?: PartitionOffsets
}

const noOffsets: PartitionOffsets = new Map()
/** Processes with other settings each may commit in turns; the list is in every snapshot. */
const endedEpochsMax = 8

/**
 * The epochs after a commit of `ranges` whose rows were filled in `columns`. `before` has the positions at which
 * partitions are begun by this commit.
 */
export function notePlaces(
  before: StreamOffsets,
  columns: PlaceColumns | undefined,
  ranges: readonly OffsetRange[],
): readonly PlaceEpoch[] {
  const epochs = epochsOf(before)
  const last = epochs.at(-1)
  const next = nextOffsets(before.topics)
  if (last === undefined) return [{ columns, since: next }]
  if (!isSamePlace(last.columns, columns)) {
    const ended = [...epochs.slice(0, -1), { ...last, until: next }]
    return [...joinOldest(ended), { columns, since: next }]
  }
  const since = withEarlier(last.since, ranges)
  return since === last.since ? epochs : [...epochs.slice(0, -1), { ...last, since }]
}

/**
 * The epochs after offsets were set back to `next` without rows: what was written beyond them is remembered, because
 * rows of it may still be there.
 */
export function endEpoch(
  { topics, places }: StreamOffsets,
  next: ReadonlyMap<string, TopicOffsets>,
): readonly PlaceEpoch[] | undefined {
  const last = places?.at(-1)
  if (places === undefined || last === undefined) return places
  const ended = [...places.slice(0, -1), { ...last, until: nextOffsets(topics) }]
  return [...joinOldest(ended), { columns: last.columns, since: nextOffsets(next) }]
}

/** The columns of all epochs that wrote rows of the range: undefined among them where rows do not say it. */
export function placesOf(
  offsets: StreamOffsets,
  range: OffsetRange & { readonly from: bigint },
): readonly (PlaceColumns | undefined)[] {
  const { topic, partition, from, to } = range
  return epochsOf(offsets)
    .filter(({ since, until }) => {
      const begin = offsetIn(since, topic, partition) ?? 0n
      const end = until === undefined ? to : (offsetIn(until, topic, partition) ?? 0n)
      return from < end && to > begin && begin < end
    })
    .map(({ columns }) => columns)
}

/** The first offset from which on all rows of the partition are in the columns of the newest epoch. */
export function placedSince(offsets: StreamOffsets, topic: string, partition: number): bigint {
  const last = epochsOf(offsets).at(-1)
  return (last === undefined ? undefined : offsetIn(last.since, topic, partition)) ?? 0n
}

/** The first offset of the partition that the stream has a row of; 0 where it is not recorded. */
export function firstOffsetOf(offsets: StreamOffsets, topic: string, partition: number): bigint {
  const [first] = epochsOf(offsets)
  return (first === undefined ? undefined : offsetIn(first.since, topic, partition)) ?? 0n
}

/** All columns that any stream's commits have filled with the coordinates of records. */
export function placeColumnIds(offsets: OffsetMap): ReadonlySet<number> {
  return new Set(
    [...offsets.values()].flatMap(({ places = [] }) =>
      places.flatMap(({ columns }): readonly number[] => Object.values(columns ?? {})),
    ),
  )
}

/** The top-level columns in which streams have written the place of a record: no record's key fills them. */
export function placeFields(
  fields: readonly NestedField[],
  offsets: OffsetMap,
): readonly NestedField[] {
  const ids = placeColumnIds(offsets)
  return fields.filter(
    ({ id, type }) =>
      ids.has(id) || (type.type === 'struct' && type.fields.some((member) => ids.has(member.id))),
  )
}

export function isSamePlace(a: PlaceColumns | undefined, b: PlaceColumns | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.partition === b.partition && a.offset === b.offset && a.topic === b.topic
}

/** Offsets without epochs were written by a client that records none: nothing is known of their rows. */
function epochsOf({ places, topics }: StreamOffsets): readonly PlaceEpoch[] {
  if (places !== undefined) return places
  const isEmpty = [...topics.values()].every(({ nextOffsets: next }) => next.size === 0)
  return isEmpty ? [] : [{ columns: undefined, since: noOffsets }]
}

/** What is forgotten of the oldest epochs is in which columns their rows are. */
function joinOldest(ended: readonly PlaceEpoch[]): readonly PlaceEpoch[] {
  const joined = ended.slice(0, Math.max(0, ended.length - endedEpochsMax + 1))
  if (joined.length < 2) return ended
  const since = joined.map((epoch) => epoch.since).reduce((a, b) => combine(a, b, smaller))
  const until = joined
    .map((epoch) => epoch.until ?? noOffsets)
    .reduce((a, b) => combine(a, b, larger))
  return [{ columns: undefined, since, until }, ...ended.slice(joined.length)]
}

function combine(
  left: PartitionOffsets,
  right: PartitionOffsets,
  choose: (a: bigint | undefined, b: bigint | undefined) => bigint | undefined,
): PartitionOffsets {
  const topics = new Set([...left.keys(), ...right.keys()])
  return new Map(
    [...topics].map((topic) => {
      const [of, others] = [left.get(topic), right.get(topic)]
      const partitions = new Set([...(of?.keys() ?? []), ...(others?.keys() ?? [])])
      const offsets = [...partitions].flatMap((partition) => {
        const chosen = choose(of?.get(partition), others?.get(partition))
        return chosen === undefined ? [] : [[partition, chosen] as const]
      })
      return [topic, new Map(offsets)]
    }),
  )
}

/** A partition without a beginning begins with its log. */
function smaller(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return undefined
  return a < b ? a : b
}

function larger(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a
}

/** An offset of 0 is the beginning of the log, as is none. */
function nextOffsets(topics: ReadonlyMap<string, TopicOffsets>): PartitionOffsets {
  return new Map(
    [...topics].flatMap(([topic, { nextOffsets: next }]) => {
      const begun = [...next].filter(([, offset]) => offset > 0n)
      return begun.length === 0 ? [] : [[topic, new Map(begun)] as const]
    }),
  )
}

/** `since` with the beginnings of partitions that were set back behind it. */
function withEarlier(since: PartitionOffsets, ranges: readonly OffsetRange[]): PartitionOffsets {
  const earlier = ranges.filter(({ topic, partition, from }) => {
    const begin = offsetIn(since, topic, partition)
    return begin !== undefined && from !== undefined && from < begin
  })
  if (earlier.length === 0) return since
  const changed = new Map([...since].map(([topic, of]) => [topic, new Map(of)]))
  for (const { topic, partition, from = 0n } of earlier) changed.get(topic)?.set(partition, from)
  return changed
}

function offsetIn(offsets: PartitionOffsets, topic: string, partition: number): bigint | undefined {
  return offsets.get(topic)?.get(partition)
}
