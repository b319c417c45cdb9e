/**
 * What `tide stream offsets NAME set` would change (docs/spec/exactly-once.md, E13): from the offsets that the
 * table holds, what the log has and the request, to the offsets after it. Pure.
 */
import { LakeError, ValidationError } from '../../common/index.ts'
import { differing, type BranchOffsets } from './checkpoint.ts'
import type { LogIdentity } from './log-faults.ts'
import {
  nextOffsetOf,
  type OffsetMap,
  type StreamOffsets,
  type TopicOffsets,
} from './offset-map.ts'
import { type OffsetBounds, partitionKey, type TopicPartition } from './topic-partition.ts'

/** Where a partition, or each of a topic, is to be read from. */
export interface OffsetTarget {
  readonly topic: string
  /** Undefined for all partitions of the topic. */
  readonly partition: number | undefined
  readonly place: bigint | 'earliest' | 'latest'
}

/** The log as it is now. */
export interface LogState {
  readonly identity: LogIdentity
  readonly partitions: readonly TopicPartition[]
  /** By partition key. */
  readonly bounds: ReadonlyMap<string, OffsetBounds>
}

export type OffsetsRequest =
  | { readonly kind: 'targets'; readonly targets: readonly OffsetTarget[] }
  /** The offsets of the stream that a snapshot records. */
  | { readonly kind: 'snapshot'; readonly snapshotId: bigint; readonly offsets: StreamOffsets }

export interface OffsetChange extends TopicPartition {
  /** Undefined where the table has no offset, or one of another topic. */
  readonly before: bigint | undefined
  readonly after: bigint
  /** Offsets of records that are in the log and would not be read. */
  readonly skipped: bigint
  /** Offsets that the log has lost already. */
  readonly lost: bigint
  /** Offsets whose records are in the table and would be read again. */
  readonly repeated: bigint
  /** True where the table was beyond the end of the log, whose next records get offsets that it has already. */
  readonly isCut: boolean
}

export interface OffsetsPlan {
  readonly stream: string
  /** Only those that move. */
  readonly changes: readonly OffsetChange[]
  /** What the table was filled from instead, where that changes. */
  readonly identity: readonly string[]
  /** Streams of the table that go back with this one to what the rows of a branch reach that was rolled back. */
  readonly others: readonly string[]
  /** The offsets of all streams afterwards. */
  readonly after: OffsetMap
  /** False when the table says all of it already. */
  readonly isChange: boolean
}

/** The offsets cannot be set so; the message says why and what to do. */
export class OffsetsRefusedError extends LakeError {
  readonly code = 'offsets-refused'
}

/** `T:P=N`, `T:P=earliest`, `T=latest`. */
export function parseOffsetTarget(text: string): OffsetTarget {
  const match = /^([A-Za-z0-9._-]+)(?::(\d{1,9}))?=(earliest|latest|\d{1,18})$/.exec(text)
  const [, topic, partition, place] = match ?? []
  if (topic !== undefined && place !== undefined) {
    if (place === 'earliest' || place === 'latest') {
      return { topic, partition: partition === undefined ? undefined : Number(partition), place }
    }
    if (partition !== undefined) {
      return { topic, partition: Number(partition), place: BigInt(place) }
    }
  }
  throw new ValidationError(
    'expected topic:partition=offset, topic:partition=earliest|latest or topic=earliest|latest, such as ' +
      `orders:0=1200 or orders=latest, found "${text}"`,
  )
}

export function formatOffsetTarget({ topic, partition, place }: OffsetTarget): string {
  return `${partition === undefined ? topic : partitionKey({ topic, partition })}=${place}`
}

/** Throws OffsetsRefusedError. */
export function planOffsets(
  stream: string,
  held: Pick<BranchOffsets, 'reached' | 'recorded'>,
  log: LogState,
  request: OffsetsRequest,
): OffsetsPlan {
  const { reached, recorded } = held
  const before = reached.get(stream)
  const next =
    request.kind === 'snapshot'
      ? { ...before, ...withinLog(request.offsets, log) }
      : withTargets(stream, before, log, request.targets)
  const changes = changesOf(before, next, log)
  const after = new Map(reached).set(stream, next)
  const others = differing(recorded ?? reached, reached).filter((each) => each !== stream)
  const isRecorded = recorded === undefined || differing(recorded, after).length === 0
  return {
    stream,
    changes,
    identity: identityChanges(before, next),
    others,
    after,
    isChange: differing(reached, after).length > 0 || !isRecorded,
  }
}

/** Throws OffsetsRefusedError for a plan that puts records into the table again. */
export function refuseRepeats(stream: string, { changes }: OffsetsPlan): void {
  const repeating = changes.filter(({ repeated }) => repeated > 0n)
  const [first] = repeating
  if (first === undefined) return
  const count = repeating.reduce((sum, { repeated }) => sum + repeated, 0n)
  const places = repeating.map((change) => `--to-offset ${partitionKey(change)}=${change.after}`)
  throw new OffsetsRefusedError(
    `the records of ${count} offsets are in the table and would be in it twice. To read them again in place of ` +
      `their rows: tide stream replay ${stream} ${places.join(' ')} --into BRANCH; to have them twice: --allow-duplicates`,
    { facts: { partition: partitionKey(first), before: first.before, after: first.after } },
  )
}

function withTargets(
  stream: string,
  before: StreamOffsets | undefined,
  log: LogState,
  targets: readonly OffsetTarget[],
): StreamOffsets {
  const placed = placesOf(stream, log, targets)
  const { clusterId, topicIds } = log.identity
  const isOtherCluster = before !== undefined && before.clusterId !== clusterId
  const topics = new Map(before?.topics)
  const named = new Set(targets.map(({ topic }) => topic))
  const needed = isOtherCluster ? [...topicIds.keys()] : [...named]
  for (const topic of needed) {
    const own = log.partitions.filter((each) => each.topic === topic)
    const old = topics.get(topic)
    const isSame = old !== undefined && !isOtherCluster && old.topicId === topicIds.get(topic)
    if (!isSame) requireAll(stream, topic, own, placed, old !== undefined)
    const nextOffsets = new Map(isSame ? old.nextOffsets : [])
    for (const partition of own) {
      const place = placed.get(partitionKey(partition))
      if (place !== undefined) nextOffsets.set(partition.partition, place)
    }
    const reusedBelow = reusedBelowOf(topic, old, isSame, log)
    topics.set(topic, {
      topicId: topicIds.get(topic) ?? '',
      nextOffsets,
      ...(reusedBelow.size === 0 ? {} : { reusedBelow }),
    })
  }
  // A stream that is new to the table has no rows in it whose places would not be recorded.
  return { ...(before ?? { places: [] }), clusterId, topics }
}

/** Below which offsets the log gives, or has given, other records than those of the rows in the table. */
function reusedBelowOf(
  topic: string,
  old: TopicOffsets | undefined,
  isSame: boolean,
  { bounds }: LogState,
): ReadonlyMap<number, bigint> {
  const reused = new Map(old?.reusedBelow)
  for (const [partition, next] of old?.nextOffsets ?? []) {
    const latest = bounds.get(partitionKey({ topic, partition }))?.latest ?? next
    if (isSame && next <= latest) continue
    if (next > (reused.get(partition) ?? 0n)) reused.set(partition, next)
  }
  return reused
}

/** By partition key; what is said of one partition goes before what is said of its topic. */
function placesOf(
  stream: string,
  { identity, partitions, bounds }: LogState,
  targets: readonly OffsetTarget[],
): ReadonlyMap<string, bigint> {
  const places = new Map<string, bigint>()
  const ordered = [...targets].sort((a, b) => Number(a.partition ?? -1) - Number(b.partition ?? -1))
  const seen = new Set<string>()
  for (const target of ordered) {
    const { topic, partition, place } = target
    const meant = partitions.filter(
      (each) => each.topic === topic && (partition === undefined || each.partition === partition),
    )
    if (meant.length === 0) throw unknownTarget(stream, target, identity, partitions)
    const name = formatOffsetTarget({ ...target, place: 0n })
    if (seen.has(name)) throw new OffsetsRefusedError(`${name.slice(0, -2)} is named twice`)
    seen.add(name)
    for (const each of meant) {
      const limits = bounds.get(partitionKey(each)) ?? { earliest: 0n, latest: 0n }
      if (typeof place !== 'bigint') places.set(partitionKey(each), limits[place])
      else if (place >= limits.earliest && place <= limits.latest) {
        places.set(partitionKey(each), place)
      } else {
        throw new OffsetsRefusedError(
          'the log has no such offset; it goes from earliest to latest',
          {
            facts: { target: formatOffsetTarget(target), ...limits },
          },
        )
      }
    }
  }
  return places
}

function unknownTarget(
  stream: string,
  target: OffsetTarget,
  { topicIds }: LogIdentity,
  partitions: readonly TopicPartition[],
): OffsetsRefusedError {
  const isTopic = topicIds.has(target.topic)
  return new OffsetsRefusedError(
    isTopic ? 'the topic has no such partition' : 'the stream does not read this topic',
    {
      facts: {
        stream,
        target: formatOffsetTarget(target),
        existing: (isTopic
          ? partitions.filter(({ topic }) => topic === target.topic).map(partitionKey)
          : [...topicIds.keys()]
        ).join(','),
      },
    },
  )
}

/** A partition that is not named would be read from its beginning, which the request does not say. */
function requireAll(
  stream: string,
  topic: string,
  partitions: readonly TopicPartition[],
  placed: ReadonlyMap<string, bigint>,
  isOther: boolean,
): void {
  const missing = partitions.filter((partition) => !placed.has(partitionKey(partition)))
  if (missing.length === 0) return
  throw new OffsetsRefusedError(
    isOther
      ? 'the table was filled from another topic of this name: the offsets of all its partitions have to be set'
      : 'the table has no offset of this topic yet: those of all its partitions have to be set',
    {
      facts: {
        stream,
        topic,
        missing: missing.map(partitionKey).join(','),
        all: `${topic}=earliest`,
      },
    },
  )
}

/** What retention has taken since cannot be read: the stream begins at what is left. */
function withinLog(offsets: StreamOffsets, { identity, bounds }: LogState): StreamOffsets {
  const topics = new Map(offsets.topics)
  for (const [topic, { topicId, nextOffsets }] of offsets.topics) {
    if (offsets.clusterId !== identity.clusterId || identity.topicIds.get(topic) !== topicId)
      continue
    const kept = [...nextOffsets].map(([partition, next]): [number, bigint] => {
      const earliest = bounds.get(partitionKey({ topic, partition }))?.earliest ?? next
      return [partition, next < earliest ? earliest : next]
    })
    topics.set(topic, { topicId, nextOffsets: new Map(kept) })
  }
  return { ...offsets, topics }
}

function changesOf(
  before: StreamOffsets | undefined,
  next: StreamOffsets,
  { bounds }: LogState,
): readonly OffsetChange[] {
  return [...next.topics].flatMap(([topic, { topicId, nextOffsets }]) => {
    const isSame =
      before?.clusterId === next.clusterId && before.topics.get(topic)?.topicId === topicId
    return [...nextOffsets].flatMap(([partition, after]): OffsetChange[] => {
      const old = isSame ? nextOffsetOf(before, { topic, partition }) : undefined
      if (isSame && old === after) return []
      const limits = bounds.get(partitionKey({ topic, partition })) ?? { earliest: 0n, latest: 0n }
      return [{ topic, partition, before: old, after, ...countsOf(old, after, limits) }]
    })
  })
}

function countsOf(
  before: bigint | undefined,
  after: bigint,
  { earliest, latest }: OffsetBounds,
): Pick<OffsetChange, 'isCut' | 'lost' | 'repeated' | 'skipped'> {
  const readable = before === undefined || before < earliest ? earliest : before
  const end = before !== undefined && before > latest ? latest : before
  return {
    lost: before !== undefined && before < earliest ? earliest - before : 0n,
    skipped: after > readable ? after - readable : 0n,
    repeated: end !== undefined && after < end ? end - after : 0n,
    isCut: before !== undefined && before > latest,
  }
}

function identityChanges(
  before: StreamOffsets | undefined,
  next: StreamOffsets,
): readonly string[] {
  if (before === undefined) return []
  const cluster =
    before.clusterId === next.clusterId
      ? []
      : [`cluster ${before.clusterId} becomes ${next.clusterId}`]
  const topics = [...next.topics].flatMap(([topic, { topicId }]) => {
    const old = before.topics.get(topic)?.topicId
    if (old === undefined || old === topicId) return []
    return [`topic ${topic} was ${old} and is ${topicId}; rows of the old one stay`]
  })
  return [...cluster, ...topics]
}
