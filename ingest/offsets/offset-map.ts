/**
 * What a table records of the logs that it was filled from: per stream the cluster, the topic ids and the
 * next offset of each partition. It is written to the snapshot summary and, in the same commit, to a table
 * property keyed by branch, so that neither expiry nor another writer can lose it
 * (docs/spec/exactly-once.md, E1 and E2).
 *
 * Text form: {"<stream>": {"cluster-id": "…", "topics": {"<topic>": {"topic-id": "…",
 * "next-offsets": {"0": 12, "1": 7}}}}}; numbers are 64-bit integers.
 */
import {
  asBigint,
  CorruptDataError,
  isJsonObject,
  type Json,
  parseJson,
  stringifyJson,
} from '../../common/index.ts'
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
  for (const { topic, partition, nextOffset } of advanced) {
    const before = topics.get(topic)
    const topicId = identity.topicIds.get(topic) ?? before?.topicId ?? ''
    const nextOffsets = new Map(before?.nextOffsets).set(partition, nextOffset)
    topics.set(topic, { ...before, topicId, nextOffsets })
  }
  return { clusterId: identity.clusterId, topics }
}

/** `offsets` with the positions of the partitions that it lacks. */
export function startOffsets(
  offsets: StreamOffsets | undefined,
  identity: { readonly clusterId: string; readonly topicIds: ReadonlyMap<string, string> },
  starts: readonly PartitionPosition[],
): StreamOffsets {
  const missing = starts.filter((start) => nextOffsetOf(offsets, start) === undefined)
  const advanced = missing.map((start) => ({ ...start, nextOffset: start.position }))
  return advanceOffsets(offsets, identity, advanced)
}

export function formatOffsetMap(offsets: OffsetMap): string {
  const streams: Record<string, Json> = {}
  for (const [stream, { clusterId, topics }] of sorted(offsets)) {
    const byTopic: Record<string, Json> = {}
    for (const [topic, { topicId, nextOffsets, reusedBelow }] of sorted(topics)) {
      byTopic[topic] = {
        'topic-id': topicId,
        'next-offsets': byPartition(nextOffsets),
        ...(reusedBelow === undefined ? {} : { 'reused-below': byPartition(reusedBelow) }),
      }
    }
    streams[stream] = { 'cluster-id': clusterId, topics: byTopic }
  }
  return stringifyJson(streams)
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
    streams.set(stream, { clusterId: String(fields.get('cluster-id') ?? ''), topics })
  }
  return streams
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
