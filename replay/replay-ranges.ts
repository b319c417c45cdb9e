/**
 * Which part of the log a replay reads again: from the user's words, what the table holds and what the
 * log still has, to a half-open range per partition. Pure.
 *
 * P1: a range ends at or before the table's own next offset, because what lies behind it is the sink's
 *     to write; and begins where the log still has records, because rows that cannot be read again must
 *     not be taken out.
 */
import { LakeError, ValidationError } from '../common/index.ts'
import {
  nextOffsetOf,
  type StreamOffsets,
  type OffsetBounds,
  partitionKey,
  type TopicPartition,
} from '../ingest/index.ts'

/** One place in the log, as `--to-offset T:P=N` names it. */
export interface OffsetPlace extends TopicPartition {
  readonly offset: bigint
}

export type ReplayFrom =
  | { readonly kind: 'earliest' }
  /** Only the partitions that are named. */
  | { readonly kind: 'offsets'; readonly places: readonly OffsetPlace[] }
  | { readonly kind: 'time'; readonly timestampMs: number }

export type ReplayUntil =
  /** As far as the table has come; partitions that `offsets` leaves out, too. */
  | { readonly kind: 'latest' }
  | { readonly kind: 'offsets'; readonly places: readonly OffsetPlace[] }
  | { readonly kind: 'time'; readonly timestampMs: number }

export interface ReplayRange extends TopicPartition {
  readonly from: bigint
  /** The first offset that is not read again. */
  readonly to: bigint
}

/** What the log says of itself, by `partitionKey`. */
export interface LogFacts {
  readonly bounds: ReadonlyMap<string, OffsetBounds>
  /** The first offset at or after the time of `from` or `until`; undefined values: none is that late. */
  readonly fromTimes: ReadonlyMap<string, bigint | undefined>
  readonly untilTimes: ReadonlyMap<string, bigint | undefined>
}

/** The replay asked for cannot be done; the message says why and the way out. */
export class ReplayRefusedError extends LakeError {
  readonly code = 'replay-refused'
}

/** Ranges that hold something, by topic and partition. Throws ReplayRefusedError. */
export function resolveRanges(
  committed: StreamOffsets,
  from: ReplayFrom,
  until: ReplayUntil,
  log: LogFacts,
): readonly ReplayRange[] {
  const known = partitionsOf(committed)
  checkPlaces(from, known, '--to-offset')
  checkPlaces(until, known, '--until')
  const ranges: ReplayRange[] = []
  for (const partition of known) {
    const next = nextOffsetOf(committed, partition) ?? 0n
    const begin = beginOf(from, partition, next, log)
    if (begin === undefined) continue
    const range = { ...partition, from: begin, to: endOf(until, partition, next, log) }
    if (checkRange(range, next, log)) ranges.push(range)
  }
  if (ranges.length > 0) return ranges
  throw new ReplayRefusedError(
    'there is nothing to replay: the table holds no offset of the range asked for',
    { facts: { committed: known.map((one) => describe(committed, one)).join(',') } },
  )
}

/** `T:P=N`, as the command line has it. */
export function parseOffsetPlace(text: string): OffsetPlace {
  const match = /^(.+):(\d{1,9})=(\d{1,18})$/.exec(text)
  const [, topic, partition, offset] = match ?? []
  if (topic === undefined || partition === undefined || offset === undefined) {
    throw new ValidationError(
      `expected topic:partition=offset such as flights:0=1200, found "${text}"`,
    )
  }
  return { topic, partition: Number(partition), offset: BigInt(offset) }
}

/** The request in one text, the same for the same request: a replay goes on only under the same words. */
export function requestText(from: ReplayFrom, until: ReplayUntil): string {
  return `${wordsOf(from)} until ${wordsOf(until)}`
}

function wordsOf(end: ReplayFrom | ReplayUntil): string {
  switch (end.kind) {
    case 'earliest':
    case 'latest':
      return end.kind
    case 'time':
      return new Date(end.timestampMs).toISOString()
    case 'offsets':
      return end.places
        .map((place) => `${partitionKey(place)}=${place.offset}`)
        .sort()
        .join(',')
  }
}

function beginOf(
  from: ReplayFrom,
  partition: TopicPartition,
  next: bigint,
  { bounds, fromTimes }: LogFacts,
): bigint | undefined {
  switch (from.kind) {
    case 'earliest':
      return bounds.get(partitionKey(partition))?.earliest
    case 'offsets':
      return placeOf(from.places, partition)?.offset
    case 'time':
      return fromTimes.get(partitionKey(partition)) ?? next
  }
}

function endOf(
  until: ReplayUntil,
  partition: TopicPartition,
  next: bigint,
  { untilTimes }: LogFacts,
): bigint {
  switch (until.kind) {
    case 'latest':
      return next
    case 'offsets':
      return placeOf(until.places, partition)?.offset ?? next
    case 'time': {
      const byTime = untilTimes.get(partitionKey(partition)) ?? next
      return byTime < next ? byTime : next
    }
  }
}

/** False for a range that holds nothing. */
function checkRange(range: ReplayRange, next: bigint, { bounds }: LogFacts): boolean {
  const { topic, partition, from, to } = range
  const limits = bounds.get(partitionKey(range))
  const facts = { topic, partition, from, to, committed: next, ...limits }
  if (to > next) {
    throw new ReplayRefusedError(
      'the replay would end beyond what the table holds, and the sink would write those records again; ' +
        'end it at the committed offset or before',
      { facts },
    )
  }
  if (limits === undefined) {
    throw new ReplayRefusedError('the log has no such partition any more', { facts })
  }
  if (from >= to) return false
  if (from < limits.earliest) {
    throw new ReplayRefusedError(
      'the log no longer holds the range (retention): its rows could be taken out but not read again; ' +
        'begin at the earliest offset (--to-earliest)',
      { facts },
    )
  }
  if (to <= limits.latest) return true
  throw new ReplayRefusedError(
    'the log ends before the range does; was the topic truncated or restored from a backup?',
    { facts },
  )
}

function checkPlaces(
  end: ReplayFrom | ReplayUntil,
  known: readonly TopicPartition[],
  flag: string,
): void {
  if (end.kind !== 'offsets') return
  const keys = new Set(known.map(partitionKey))
  const seen = new Set<string>()
  for (const place of end.places) {
    const key = partitionKey(place)
    if (!keys.has(key)) {
      throw new ReplayRefusedError(`${flag} names a partition that the table holds nothing of`, {
        facts: { found: key, known: [...keys].join(',') },
      })
    }
    if (seen.has(key)) {
      throw new ReplayRefusedError(`${flag} names a partition twice`, { facts: { found: key } })
    }
    seen.add(key)
  }
}

function placeOf(
  places: readonly OffsetPlace[],
  { topic, partition }: TopicPartition,
): OffsetPlace | undefined {
  return places.find((place) => place.topic === topic && place.partition === partition)
}

export function partitionsOf(offsets: StreamOffsets): readonly TopicPartition[] {
  return [...offsets.topics].flatMap(([topic, { nextOffsets }]) =>
    [...nextOffsets.keys()].sort((a, b) => a - b).map((partition) => ({ topic, partition })),
  )
}

function describe(offsets: StreamOffsets, partition: TopicPartition): string {
  return `${partitionKey(partition)}=${nextOffsetOf(offsets, partition) ?? 0n}`
}
