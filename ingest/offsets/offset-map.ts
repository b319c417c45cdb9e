/**
 * What a table records of the logs that it was filled from: per stream the cluster, the topic ids and the
 * next offset of each partition. It is written to the snapshot summary and, in the same commit, to a table
 * property keyed by branch, so that neither expiry nor another writer can lose it
 * (docs/spec/exactly-once.md, E1 and E2).
 *
 * Text form: {"<stream>": {"cluster-id": "…", "places": [{"columns": {"partition": 3, "offset": 4}}],
 * "topics": {"<topic>": {"topic-id": "…", "next-offsets": {"0": 12, "1": 7}}}}}; numbers are 64-bit integers.
 * `places` says by which columns rows are found again (`place-epochs.ts`).
 */
import {
  asBigint,
  CorruptDataError,
  isJsonObject,
  type Json,
  parseJson,
  stringifyJson,
} from '../../common/index.ts'
import {
  endEpoch,
  type PartitionOffsets,
  type PlaceColumns,
  type PlaceEpoch,
} from './place-epochs.ts'
import type { PartitionPosition, TopicPartition } from './topic-partition.ts'

export interface TopicOffsets {
  readonly topicId: string
  readonly nextOffsets: ReadonlyMap<number, bigint>
  /** Below these the table may have rows of an earlier log, too, whose records had the same offsets. */
  readonly reusedBelow?: ReadonlyMap<number, bigint>
}

export interface StreamOffsets {
  readonly clusterId: string
  readonly topics: ReadonlyMap<string, TopicOffsets>
  /** Oldest first; absent where no rows were committed with these offsets. */
  readonly places?: readonly PlaceEpoch[]
}

/** By stream name. */
export type OffsetMap = ReadonlyMap<string, StreamOffsets>

export function nextOffsetOf(
  offsets: StreamOffsets | undefined,
  partition: TopicPartition,
): bigint | undefined {
  return offsets?.topics.get(partition.topic)?.nextOffsets.get(partition.partition)
}

/** `offsets` with the partitions in `advanced` set to their new next offsets. */
export function advanceOffsets(
  offsets: StreamOffsets | undefined,
  identity: { readonly clusterId: string; readonly topicIds: ReadonlyMap<string, string> },
  advanced: readonly (TopicPartition & { readonly nextOffset: bigint })[],
): StreamOffsets {
  const topics = new Map(offsets?.topics)
  let isSetBack = false
  for (const { topic, partition, nextOffset } of advanced) {
    const before = topics.get(topic)
    const topicId = identity.topicIds.get(topic) ?? before?.topicId ?? ''
    isSetBack ||= nextOffset < (before?.nextOffsets.get(partition) ?? nextOffset)
    const nextOffsets = new Map(before?.nextOffsets).set(partition, nextOffset)
    topics.set(topic, { ...before, topicId, nextOffsets })
  }
  const places = isSetBack && offsets !== undefined ? endEpoch(offsets, topics) : offsets?.places
  return { clusterId: identity.clusterId, topics, ...(places === undefined ? {} : { places }) }
}

/** `offsets` with the positions of the partitions that it lacks; those of a new stream have no rows yet. */
export function startOffsets(
  offsets: StreamOffsets | undefined,
  identity: { readonly clusterId: string; readonly topicIds: ReadonlyMap<string, string> },
  starts: readonly PartitionPosition[],
): StreamOffsets {
  const missing = starts.filter((start) => nextOffsetOf(offsets, start) === undefined)
  const advanced = missing.map((start) => ({ ...start, nextOffset: start.position }))
  const begun = advanceOffsets(offsets, identity, advanced)
  return offsets === undefined ? { ...begun, places: [] } : begun
}

export function formatOffsetMap(offsets: OffsetMap): string {
  const streams: Record<string, Json> = {}
  for (const [stream, { clusterId, topics, places }] of sorted(offsets)) {
    const topicsJson: Record<string, Json> = {}
    for (const [topic, { topicId, nextOffsets, reusedBelow }] of sorted(topics)) {
      topicsJson[topic] = {
        'topic-id': topicId,
        'next-offsets': byPartition(nextOffsets),
        ...(reusedBelow === undefined ? {} : { 'reused-below': byPartition(reusedBelow) }),
      }
    }
    streams[stream] = {
      'cluster-id': clusterId,
      ...(places === undefined ? {} : { places: places.map(placeJson) }),
      topics: topicsJson,
    }
  }
  return stringifyJson(streams)
}

/** Without the places: a person who sets the property writes offsets only. */
export function formatPositions(offsets: OffsetMap): string {
  return formatOffsetMap(
    new Map([...offsets].map(([stream, { clusterId, topics }]) => [stream, { clusterId, topics }])),
  )
}

/** Reads the text form; `where` is named in the error. */
export function parseOffsetMap(text: string, where: string): OffsetMap {
  const streams = new Map<string, StreamOffsets>()
  for (const [stream, entry] of members(parseJson(text, where), where)) {
    const fields = new Map(members(entry, where))
    const topics = new Map<string, TopicOffsets>()
    for (const [topic, value] of members(fields.get('topics'), where)) {
      const topicFields = new Map(members(value, where))
      const reused = topicFields.get('reused-below')
      topics.set(topic, {
        topicId: String(topicFields.get('topic-id') ?? ''),
        nextOffsets: partitionOffsets(topicFields.get('next-offsets'), where),
        ...(reused === undefined ? {} : { reusedBelow: partitionOffsets(reused, where) }),
      })
    }
    const places = fields.get('places')
    streams.set(stream, {
      clusterId: String(fields.get('cluster-id') ?? ''),
      topics,
      ...(Array.isArray(places) ? { places: places.map((each) => placeOf(each, where)) } : {}),
    })
  }
  return streams
}

function placeJson({ columns, since, until }: PlaceEpoch): Json {
  return {
    columns: columns === undefined ? null : { ...columns },
    ...(since.size === 0 ? {} : { since: byTopic(since) }),
    ...(until === undefined ? {} : { until: byTopic(until) }),
  }
}

function placeOf(json: Json, where: string): PlaceEpoch {
  const fields = new Map(members(json, where))
  const until = fields.get('until')
  return {
    columns: columnsOf(fields.get('columns') ?? null, where),
    since: topicOffsets(fields.get('since') ?? {}, where),
    ...(until === undefined ? {} : { until: topicOffsets(until, where) }),
  }
}

function columnsOf(json: Json, where: string): PlaceColumns | undefined {
  if (json === null) return undefined
  const ids = new Map(members(json, where).map(([name, id]) => [name, Number(id)]))
  const [partition, offset] = [ids.get('partition'), ids.get('offset')]
  if (partition === undefined || offset === undefined) return undefined
  const [topic, timestamp] = [ids.get('topic'), ids.get('timestamp')]
  return {
    partition,
    offset,
    ...(topic === undefined ? {} : { topic }),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

function byTopic(offsets: PartitionOffsets): Json {
  return Object.fromEntries(sorted(offsets).map(([topic, of]) => [topic, byPartition(of)]))
}

function topicOffsets(json: Json, where: string): PartitionOffsets {
  return new Map(members(json, where).map(([topic, of]) => [topic, partitionOffsets(of, where)]))
}

function byPartition(offsets: ReadonlyMap<number, bigint>): Json {
  const ordered = [...offsets].sort(([a], [b]) => a - b)
  return Object.fromEntries(ordered.map(([partition, offset]) => [String(partition), offset]))
}

function partitionOffsets(json: Json | undefined, where: string): ReadonlyMap<number, bigint> {
  return new Map(
    members(json, where).map(([partition, offset]) => [Number(partition), asBigint(offset, where)]),
  )
}

function members(value: Json | undefined, where: string): [string, Json][] {
  if (isJsonObject(value)) return Object.entries(value)
  throw new CorruptDataError('stored offsets are not readable', { facts: { where } })
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}
