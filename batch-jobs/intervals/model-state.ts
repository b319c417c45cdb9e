/**
 * What a model's table records of its runs: the last run, what it read, and which intervals are done, each
 * with the state of the sources that it was computed from. It is written to the snapshot summary and, in
 * the same commit, to a table property keyed by branch, as a stream's offsets are
 * (docs/spec/batch-jobs.md, B1).
 */
import {
  currentSnapshot,
  mainBranch,
  type Snapshot,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import { ancestorsOf, offsetsProperty } from '../../catalog/index.ts'
import {
  asBigint,
  CorruptDataError,
  isJsonObject,
  type Json,
  type JsonObject,
  parseJson,
  stringifyJson,
} from '../../common/index.ts'
import { isoTime, type Span } from './interval.ts'

/** A table as it was read. */
export interface SourceState {
  readonly tableUuid: string
  /** Undefined for a table without a snapshot. */
  readonly snapshotId: bigint | undefined
  readonly sequenceNumber: bigint
  /** The offsets that its streams had committed, as the table's property holds them. */
  readonly offsets: string | undefined
}

/** By `namespace.table`. */
export type SourceStates = ReadonlyMap<string, SourceState>

export interface DoneSpan extends Span {
  /** The tables with event time that the span was computed from. */
  readonly sources: SourceStates
}

/** The key and strategy that a history was kept by: under others its rows would be other rows. */
export interface HistoryBasis {
  readonly uniqueKey: readonly string[]
  readonly strategy: string
}

export interface ModelState {
  readonly model: string
  readonly runId: string
  readonly startedMs: number
  /** Checksum of the model's text and config at that run. */
  readonly checksum: string
  /** All tables that the run read. */
  readonly sources: SourceStates
  readonly done: readonly DoneSpan[]
  /** Set for a snapshot model; tables of early releases lack it. */
  readonly history?: HistoryBasis
}

export const stateSummaryKey = 'tidewater.model-state'
export const statePropertyKey = `tidewater.model-state.${mainBranch}`

/**
 * The state that belongs to the rows on `main`. It is read from the newest ancestor that has one, so that a
 * rollback also restores the intervals; the property is used only when expiry has left no such ancestor.
 */
export function modelStateOf(metadata: TableMetadata): ModelState | undefined {
  let oldest: Snapshot | undefined
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    const text = snapshot.summary?.[stateSummaryKey]
    if (text !== undefined) return parseModelState(text, `snapshot ${snapshot.snapshotId}`)
    oldest = snapshot
  }
  const isCutOff = oldest?.parentSnapshotId !== undefined
  const property = metadata.properties[statePropertyKey]
  return isCutOff && property !== undefined
    ? parseModelState(property, `property ${statePropertyKey}`)
    : undefined
}

export function formatModelState(state: ModelState): string {
  return stringifyJson({
    model: state.model,
    'run-id': state.runId,
    started: isoTime(state.startedMs),
    checksum: state.checksum,
    sources: sourcesToJson(state.sources),
    intervals: state.done.map((span) => ({
      start: isoTime(span.startMs),
      end: isoTime(span.endMs),
      sources: sourcesToJson(span.sources),
    })),
    ...(state.history === undefined
      ? {}
      : {
          history: {
            'unique-key': state.history.uniqueKey,
            strategy: state.history.strategy,
          },
        }),
  })
}

export function parseModelState(text: string, where: string): ModelState {
  const json = objectOf(parseJson(text, where), where)
  const { intervals } = json
  const list: readonly Json[] = Array.isArray(intervals) ? (intervals as readonly Json[]) : []
  const history = json['history']
  return {
    model: String(json['model']),
    runId: String(json['run-id']),
    startedMs: timeOf(json['started'], where),
    checksum: String(json['checksum']),
    sources: sourcesFromJson(json['sources'], where),
    done: list.map((each) => {
      const span = objectOf(each, where)
      return {
        startMs: timeOf(span['start'], where),
        endMs: timeOf(span['end'], where),
        sources: sourcesFromJson(span['sources'], where),
      }
    }),
    ...(history === undefined ? {} : { history: historyFromJson(history, where) }),
  }
}

function historyFromJson(json: Json, where: string): HistoryBasis {
  const { 'unique-key': key, strategy } = objectOf(json, where)
  if (!Array.isArray(key) || typeof strategy !== 'string') throw unreadable(where)
  return { uniqueKey: (key as readonly Json[]).map(String), strategy }
}

export function sourceStateOf(metadata: TableMetadata): SourceState {
  const snapshot = currentSnapshot(metadata)
  return {
    tableUuid: metadata.tableUuid,
    snapshotId: metadata.currentSnapshotId,
    sequenceNumber: snapshot?.sequenceNumber ?? 0n,
    offsets: offsetsProperty(metadata, mainBranch),
  }
}

export function sameSource(left: SourceState | undefined, right: SourceState | undefined): boolean {
  return left?.tableUuid === right?.tableUuid && left?.snapshotId === right?.snapshotId
}

export function sameSources(left: SourceStates, right: SourceStates): boolean {
  return (
    left.size === right.size &&
    [...left].every(([name, state]) => sameSource(state, right.get(name)))
  )
}

function sourcesToJson(sources: SourceStates): Readonly<Record<string, Json>> {
  const sorted = [...sources].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(
    sorted.map(([name, state]) => [
      name,
      {
        'table-uuid': state.tableUuid,
        'snapshot-id': state.snapshotId ?? null,
        'sequence-number': state.sequenceNumber,
        ...(state.offsets === undefined ? {} : { offsets: state.offsets }),
      },
    ]),
  )
}

function sourcesFromJson(json: Json | undefined, where: string): SourceStates {
  return new Map(
    Object.entries(objectOf(json, where)).map(([name, value]) => {
      const state = objectOf(value, where)
      const snapshotId = state['snapshot-id'] ?? null
      const { offsets } = state
      return [
        name,
        {
          tableUuid: String(state['table-uuid']),
          snapshotId: snapshotId === null ? undefined : asBigint(snapshotId, where),
          sequenceNumber: asBigint(state['sequence-number'], where),
          offsets: typeof offsets === 'string' ? offsets : undefined,
        },
      ]
    }),
  )
}

function timeOf(json: Json | undefined, where: string): number {
  const ms = typeof json === 'string' ? Date.parse(json) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw unreadable(where)
}

function objectOf(json: Json | undefined, where: string): JsonObject {
  if (isJsonObject(json)) return json
  throw unreadable(where)
}

function unreadable(where: string): CorruptDataError {
  return new CorruptDataError('the stored state of a model is not readable', { facts: { where } })
}
