/**
 * The record of a replay in its table: the property `tidewater.replay.<branch>`, written in the commit that
 * creates the branch. The progress of the replay is not in it, because the branch's own offsets record that.
 *
 * P3: a replay continues only with the request, ranges and rules that it began with, including the dead-letter
 *     table.
 */
import { createHash } from 'node:crypto'
import { formatIdentifier, type TableIdentifier } from '../catalog/format/index.ts'
import {
  asBigint,
  CorruptDataError,
  isJsonObject,
  type Json,
  parseJson,
  stringifyJson,
} from '../common/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import {
  nextOffsetOf,
  advanceOffsets,
  type OffsetMap,
  replayPropertyKey,
  type StreamOffsets,
} from '../ingest/index.ts'
import type { ReplayRange } from './replay-ranges.ts'

export interface ReplayRecord {
  readonly stream: string
  /** The branch that the rows came from and go back to. */
  readonly target: string
  /** The user's request as text. */
  readonly request: string
  readonly ranges: readonly ReplayRange[]
  /** Digest of the settings that decide what a record becomes. */
  readonly rules: string
  /** `namespace.table` of the dead letters. */
  readonly deadLetterTable: string
  /** Branch of the dead-letter table. Tables share that table, so the name contains the table of the stream. */
  readonly letterBranch: string
  /** Tables that had the stream's dead letters before: letters of the range there become stale. */
  readonly olderLetterTables: readonly string[]
  /** When the replay was planned. */
  readonly beganMs?: number
  /** The last publishing; the target's history decides whether it is still in effect. */
  readonly published?: ReplayPublication
}

export interface ReplayPublication {
  /** The head of the branch. */
  readonly head: bigint
  readonly target: string
  /** Of the target's snapshot that published: a longer history without that snapshot was rolled back. */
  readonly sequenceNumber: bigint
}

/** A replay's branch cannot have `@` in its name, so no two replays share a letter branch. */
export function letterBranchOf(branch: string, table: TableIdentifier): string {
  return `${branch}@${formatIdentifier(table)}`
}

/** Property of the dead-letter table: the publishing of rows whose letters are in it. */
export function publishedPropertyKey(letterBranch: string): string {
  return `tidewater.published.${letterBranch}`
}

export function formatReplayRecord(record: ReplayRecord): string {
  const { ranges, published, olderLetterTables, ...rest } = record
  return stringifyJson({
    ...rest,
    ...(olderLetterTables.length === 0 ? {} : { olderLetterTables }),
    ranges: ranges.map(({ topic, partition, from, to }) => ({ topic, partition, from, to })),
    ...(published === undefined ? {} : { published: { ...published } }),
  })
}

/** Undefined for a branch that no replay made. */
export function readReplayRecord(
  properties: Readonly<Record<string, string>>,
  branch: string,
): ReplayRecord | undefined {
  const key = replayPropertyKey(branch)
  const text = Object.hasOwn(properties, key) ? properties[key] : undefined
  if (text === undefined) return undefined
  const json = parseJson(text, key)
  if (!isJsonObject(json) || !Array.isArray(json['ranges'])) throw unreadable(key, text)
  const textMember = (name: string): string => {
    const value = json[name]
    if (typeof value === 'string') return value
    throw unreadable(key, text)
  }
  const published = json['published']
  const older = json['olderLetterTables']
  const began = json['beganMs']
  return {
    stream: textMember('stream'),
    target: textMember('target'),
    request: textMember('request'),
    rules: textMember('rules'),
    deadLetterTable: textMember('deadLetterTable'),
    letterBranch: textMember('letterBranch'),
    olderLetterTables: Array.isArray(older) ? older.map(String) : [],
    ranges: json['ranges'].map((range) => rangeOf(range, key, text)),
    ...(began === undefined ? {} : { beganMs: Number(began) }),
    ...(published === undefined ? {} : { published: publicationOf(published, key, text) }),
  }
}

/** A digest of all settings that decide what a record becomes. */
export function rulesDigest({ schema, metadata, errors, input }: StreamSettings): string {
  const rules = {
    schema: schema as unknown as Json,
    metadata,
    tolerance: errors.tolerance,
    deadLetterTable: formatIdentifier(errors.deadLetterTable),
    topics: [...input.topics],
  }
  return createHash('sha256').update(stringifyJson(rules)).digest('hex').slice(0, 16)
}

/** `offsets` with the stream set back to where the ranges begin. */
export function rewoundOffsets(
  offsets: OffsetMap,
  stream: string,
  source: StreamOffsets,
  ranges: readonly ReplayRange[],
): OffsetMap {
  const identity = {
    clusterId: source.clusterId,
    topicIds: new Map([...source.topics].map(([topic, { topicId }]) => [topic, topicId])),
  }
  const begins = ranges.map((range) => ({ ...range, nextOffset: range.from }))
  return new Map(offsets).set(stream, advanceOffsets(offsets.get(stream), identity, begins))
}

/** Offsets of the ranges that the branch does not hold yet. */
export function replayLag(offsets: StreamOffsets | undefined, record: ReplayRecord): bigint {
  return record.ranges.reduce((sum, range) => {
    const next = nextOffsetOf(offsets, range) ?? range.from
    return next < range.to ? sum + (range.to - next) : sum
  }, 0n)
}

function rangeOf(json: Json, key: string, text: string): ReplayRange {
  if (!isJsonObject(json) || typeof json['topic'] !== 'string') throw unreadable(key, text)
  return {
    topic: json['topic'],
    partition: Number(json['partition']),
    from: asBigint(json['from'] ?? null, key),
    to: asBigint(json['to'] ?? null, key),
  }
}

function publicationOf(json: Json, key: string, text: string): ReplayPublication {
  if (!isJsonObject(json) || typeof json['target'] !== 'string') throw unreadable(key, text)
  return {
    head: asBigint(json['head'] ?? null, key),
    target: json['target'],
    sequenceNumber: asBigint(json['sequenceNumber'] ?? null, key),
  }
}

function unreadable(key: string, text: string): CorruptDataError {
  return new CorruptDataError('the record of a replay is not readable', { facts: { key, text } })
}
