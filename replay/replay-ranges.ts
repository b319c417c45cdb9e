/**
 * Which part of the log a replay reads again: a half-open range per partition, from the request, the offsets
 * of the table and the records that the log still has. Pure.
 *
 * P1: a range ends at or before the table's own next offset, because the sink writes the records from there
 *     on; and it begins where the log still has records, because rows that cannot be read again must not be
 *     removed.
 */
import { type ErrorFacts, LakeError, ValidationError } from '../common/index.ts'
import {
  nextOffsetOf,
  type StreamOffsets,
  type OffsetBounds,
  partitionKey,
  type TopicPartition,
} from '../ingest/index.ts'

/** The coordinates of a record in the log, as in `--to-offset T:P=N`. */
export interface RecordCoordinates extends TopicPartition {
  readonly offset: bigint
}

export type ReplayFrom =
  | { readonly kind: 'earliest' }
  /** Only these partitions. */
  | { readonly kind: 'offsets'; readonly coordinates: readonly RecordCoordinates[] }
  | { readonly kind: 'time'; readonly timestampMs: number }

export type ReplayUntil =
  /** Up to the offsets of the table, which also end the partitions that `offsets` leaves out. */
  | { readonly kind: 'latest' }
  | { readonly kind: 'offsets'; readonly coordinates: readonly RecordCoordinates[] }
  | { readonly kind: 'time'; readonly timestampMs: number }

export interface ReplayRange extends TopicPartition {
  readonly from: bigint
  /** The first offset that is not read again. */
  readonly to: bigint
}

/** The bounds of the log and the offsets of times in it, by `partitionKey`. */
export interface LogFacts {
  readonly bounds: ReadonlyMap<string, OffsetBounds>
  /** The first offset at or after the time of `from` or `until`; undefined values: no record is that late. */
  readonly fromTimes: ReadonlyMap<string, bigint | undefined>
  readonly untilTimes: ReadonlyMap<string, bigint | undefined>
}

/** The requested replay cannot be done; the message says why and what to do. */
export class ReplayRefusedError extends LakeError {
  readonly code = 'replay-refused'
}

/** The ranges that are not empty, by topic and partition. Throws ReplayRefusedError. */
export function resolveRanges(
  committed: StreamOffsets,
  from: ReplayFrom,
  until: ReplayUntil,
  log: LogFacts,
): readonly ReplayRange[] {
  const partitions = partitionsOf(committed)
  checkCoordinates(from, partitions, '--to-offset')
  checkCoordinates(until, partitions, '--until')
  checkEnds(from, until)
  const ranges: ReplayRange[] = []
  for (const partition of partitions) {
    const next = nextOffsetOf(committed, partition) ?? 0n
    const begin = beginOf(from, partition, next, log)
    if (begin === undefined) continue
    const range = { ...partition, from: begin, to: endOf(until, partition, next, log) }
    const isNamed = [from, until].some((end) => isNamedIn(end, partition))
    if (!checkRange(range, next, log, isNamed)) continue
    checkReused(range, committed)
    ranges.push(range)
  }
  if (ranges.length > 0) return ranges
  throw new ReplayRefusedError(
    'there is nothing to replay: the table holds no offset of the requested range',
    { facts: { committed: partitions.map((one) => describe(committed, one)).join(',') } },
  )
}

/** `T:P=N`, as the command line has it. */
export function parseRecordCoordinates(text: string): RecordCoordinates {
  const match = /^(.+):(\d{1,9})=(\d{1,18})$/.exec(text)
  const [, topic, partition, offset] = match ?? []
  if (topic === undefined || partition === undefined || offset === undefined) {
    throw new ValidationError(
      `expected topic:partition=offset such as flights:0=1200, found "${text}"`,
    )
  }
  return { topic, partition: Number(partition), offset: BigInt(offset) }
}

/** The request as one text, equal for equal requests: a replay continues only with an equal request. */
export function requestText(from: ReplayFrom, until: ReplayUntil): string {
  return `${endText(from)} until ${endText(until)}`
}

function endText(end: ReplayFrom | ReplayUntil): string {
  switch (end.kind) {
    case 'earliest':
    case 'latest':
      return end.kind
    case 'time':
      return new Date(end.timestampMs).toISOString()
    case 'offsets':
      return end.coordinates
        .map((record) => `${partitionKey(record)}=${record.offset}`)
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
      return coordinatesOf(from.coordinates, partition)?.offset
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
      return coordinatesOf(until.coordinates, partition)?.offset ?? next
    case 'time': {
      const byTime = untilTimes.get(partitionKey(partition)) ?? next
      return byTime < next ? byTime : next
    }
  }
}

/** False for an empty range, which is an error where the request names the partition. */
function checkRange(
  range: ReplayRange,
  next: bigint,
  { bounds }: LogFacts,
  isNamed: boolean,
): boolean {
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
  if (from >= to && isNamed) throw emptyRange(range, next, limits)
  if (from >= to) return false
  if (from < limits.earliest) {
    throw new ReplayRefusedError(
      'the log no longer holds the range (retention): its rows could be removed but not read again; ' +
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

/** Rows of a topic that was made again, or of a log that was cut, have the offsets of others. */
function checkReused({ topic, partition, from, to }: ReplayRange, committed: StreamOffsets): void {
  const below = committed.topics.get(topic)?.reusedBelow?.get(partition)
  if (below === undefined || from >= below) return
  throw new ReplayRefusedError(
    'the table also has rows of an earlier log with these offsets (the topic was made again, or was cut), and they ' +
      'would be taken out for good; begin where only the present log has records',
    { facts: { topic, partition, from, to, begin: below } },
  )
}

function emptyRange(
  { topic, partition, from, to }: ReplayRange,
  next: bigint,
  { earliest, latest }: OffsetBounds,
): ReplayRefusedError {
  const facts = { topic, partition, from, to, committed: next, earliest, latest }
  if (from > to && from > next) {
    return new ReplayRefusedError('the replay would begin beyond what the table holds', { facts })
  }
  return new ReplayRefusedError(
    from > to
      ? 'the replay of a partition would end before it begins'
      : 'there is nothing to replay of a partition that is named: it would end where it begins',
    { facts },
  )
}

function isNamedIn(end: ReplayFrom | ReplayUntil, partition: TopicPartition): boolean {
  return end.kind === 'offsets' && coordinatesOf(end.coordinates, partition) !== undefined
}

/** The two ends must be of the same partitions, in their order. */
function checkEnds(from: ReplayFrom, until: ReplayUntil): void {
  if (from.kind === 'time' && until.kind === 'time' && from.timestampMs >= until.timestampMs) {
    throw new ReplayRefusedError('the replay would end before it begins', {
      facts: {
        from: new Date(from.timestampMs).toISOString(),
        until: new Date(until.timestampMs).toISOString(),
      },
    })
  }
  if (from.kind !== 'offsets' || until.kind !== 'offsets') return
  const other = until.coordinates.find((end) => !isNamedIn(from, end))
  if (other === undefined) return
  throw new ReplayRefusedError(
    '--until ends a partition that --to-offset does not begin; give both for the same partitions',
    {
      facts: {
        partition: partitionKey(other),
        begins: from.coordinates.map(partitionKey).join(','),
      },
    },
  )
}

/** Throws ReplayRefusedError where the log has lost records that a replay has still to read. */
export function checkStillThere(
  ranges: readonly ReplayRange[],
  offsets: StreamOffsets | undefined,
  { bounds }: Pick<LogFacts, 'bounds'>,
): void {
  for (const range of ranges) {
    const next = nextOffsetOf(offsets, range) ?? range.from
    if (next >= range.to) continue
    const limits = bounds.get(partitionKey(range))
    if (limits !== undefined && next >= limits.earliest && range.to <= limits.latest) continue
    const { topic, partition, to } = range
    throw logLost({ topic, partition, next, to, ...limits })
  }
}

/** What a replay cannot finish is thrown away: its target has not been touched. */
export function logLost(facts: ErrorFacts, cause?: unknown): ReplayRefusedError {
  return new ReplayRefusedError(
    'the log no longer holds all that this replay has still to read (retention, or the topic was made again). ' +
      'The table is as it was before the replay: start over with --restart from an offset that the log has, or ' +
      'throw the branch away (tide table discard)',
    { facts, ...(cause === undefined ? {} : { cause }) },
  )
}

function checkCoordinates(
  end: ReplayFrom | ReplayUntil,
  partitions: readonly TopicPartition[],
  flag: string,
): void {
  if (end.kind !== 'offsets') return
  const keys = new Set(partitions.map(partitionKey))
  const seen = new Set<string>()
  for (const record of end.coordinates) {
    const key = partitionKey(record)
    if (!keys.has(key)) {
      throw new ReplayRefusedError(`${flag} names a partition that the table holds nothing of`, {
        facts: { partition: key, partitions: [...keys].join(',') },
      })
    }
    if (seen.has(key)) {
      throw new ReplayRefusedError(`${flag} names a partition twice`, { facts: { partition: key } })
    }
    seen.add(key)
  }
}

function coordinatesOf(
  coordinates: readonly RecordCoordinates[],
  { topic, partition }: TopicPartition,
): RecordCoordinates | undefined {
  return coordinates.find((record) => record.topic === topic && record.partition === partition)
}

export function partitionsOf(offsets: StreamOffsets): readonly TopicPartition[] {
  return [...offsets.topics].flatMap(([topic, { nextOffsets }]) =>
    [...nextOffsets.keys()].sort((a, b) => a - b).map((partition) => ({ topic, partition })),
  )
}

function describe(offsets: StreamOffsets, partition: TopicPartition): string {
  return `${partitionKey(partition)}=${nextOffsetOf(offsets, partition) ?? 0n}`
}
