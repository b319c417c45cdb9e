/**
 * The streaming layer of this process: its running streams, and the rows of them that a query sees.
 *
 * L2 (docs/spec/live.md): a pin is taken before the table is loaded. A segment that is not in the pin was
 * in the table before; one that is committed afterwards is in the pin, and its rows are cut off.
 */
import { currentSchema, mainBranch } from '../../catalog/format/index.ts'
import type { DataFileWriter, Table, WrittenFile } from '../../catalog/index.ts'
import type {
  StreamingFile,
  StreamingRange,
  StreamingScan,
  StreamingState,
  StreamingLayer,
  StreamingPin,
} from '../../catalog/scan/index.ts'
import { type Clock, CorruptDataError } from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { restoreOffsets } from '../offsets/checkpoint.ts'
import { isSameRange, type OffsetRange } from '../offsets/offset-range.ts'
import { nextOffsetOf, type OffsetMap, type StreamOffsets } from '../offsets/offset-map.ts'
import { replacedColumn } from '../schema/inferred-columns.ts'
import { cutSegments } from './cut-segments.ts'
import { type HotSegment, type TypedRun, typedRuns } from './hot-segment.ts'
import { StreamSegments, type NewestRow, type StreamView } from './stream-segments.ts'

export interface LiveLayerOptions {
  /** Types segments; an engine of its own, so that queries and commits do not wait for each other. */
  readonly writer: DataFileWriter
  readonly clock: Clock
  /** Records are in a segment at most this long after they were read. */
  readonly intervalMs: number
}

export interface LiveLayer extends StreamingLayer {
  /** The segments of one run of the stream; undefined when it writes to a branch that plain queries do not read. */
  attach(settings: StreamSettings): StreamSegments | undefined
}

export function createLiveLayer({ writer, clock, intervalMs }: LiveLayerOptions): LiveLayer {
  const streams = new Set<StreamSegments>()
  return {
    attach: (settings) => {
      if (settings.output.branch !== mainBranch) return undefined
      return new StreamSegments({
        stream: settings.name,
        table: settings.output.table,
        hasSeveralTopics: settings.input.topics.length > 1,
        clock,
        intervalMs,
        onBegin: (stream) => streams.add(stream),
        onEnd: (stream) => streams.delete(stream),
      })
    },
    freshness: () => [...streams].flatMap((stream) => stream.freshness() ?? []),
    pin: () => {
      const views = [...streams].map((stream) => stream.view())
      return createPin(views, writer, clock)
    },
  }
}

function createPin(
  views: readonly StreamView[],
  writer: DataFileWriter,
  clock: Clock,
): StreamingPin {
  const held = views.flatMap((view) => [...view.folders])
  for (const folder of held) folder.hold()
  return {
    rowsAfter: (table) => rowsAfter(views, table, writer, clock.now()),
    release: async () => {
      await Promise.all(held.splice(0).map((folder) => folder.release()))
    },
  }
}

async function rowsAfter(
  views: readonly StreamView[],
  table: Table,
  writer: DataFileWriter,
  nowMs: number,
): Promise<StreamingScan | undefined> {
  const stored = offsetsOf(table)
  const cuts = views.flatMap((view) => {
    const segments = view.segments.filter((segment) => isReadableBy(segment, table))
    // With unreadable offsets it is unknown which rows the table has, so no streaming rows are shown.
    const cut = cutSegments(segments, (partition) =>
      stored === undefined ? -1n : nextOffsetOf(stored.get(view.stream), partition),
    )
    const isOurs = segments.length > 0 || stored?.has(view.stream) === true
    return isOurs ? [{ view, cut }] : []
  })
  if (cuts.length === 0 && (stored === undefined || stored.size === 0)) return undefined
  const files: StreamingFile[] = []
  for (const { view, cut } of cuts) {
    for (const run of typedRuns([...cut.pieces.keys()], writer)) {
      const ranges = rangesOf(view, run, cut.pieces)
      for (const file of await run.files) files.push(streamingFile(file, ranges))
    }
  }
  return { files, state: streamingState(stored ?? new Map(), cuts, nowMs) }
}

/** False also for rows with a column that got another type since: their stream is about to read them again. */
function isReadableBy({ tableUuid, content }: HotSegment, { metadata }: Table): boolean {
  if (tableUuid !== metadata.tableUuid) return false
  return replacedColumn(metadata, currentSchema(content.table.metadata)) === undefined
}

interface ViewCut {
  readonly view: StreamView
  readonly cut: ReturnType<typeof cutSegments<HotSegment>>
}

function offsetsOf(table: Table): OffsetMap | undefined {
  try {
    return restoreOffsets(table, mainBranch)
  } catch (error) {
    if (error instanceof CorruptDataError) return undefined
    throw error
  }
}

function isWhole(segment: HotSegment, pieces: readonly OffsetRange[]): boolean {
  return segment.ranges.every((range) => pieces.some((piece) => isSameRange(piece, range)))
}

/** Undefined when the query reads all that the run holds. */
function rangesOf(
  { hasSeveralTopics }: StreamView,
  { segments }: TypedRun,
  pieces: ReadonlyMap<HotSegment, readonly OffsetRange[]>,
): readonly StreamingRange[] | undefined {
  const taken = segments.map((segment) => pieces.get(segment) ?? [])
  if (segments.every((segment, index) => isWhole(segment, taken[index] ?? []))) return undefined
  return taken.flat().map(({ topic, partition, from, to }) => ({
    topic: hasSeveralTopics ? topic : undefined,
    partition,
    from,
    to,
  }))
}

function streamingFile(
  file: WrittenFile,
  ranges: readonly StreamingRange[] | undefined,
): StreamingFile {
  const { localPath, recordCount, nullValueCounts, lowerBounds, upperBounds } = file
  return {
    path: localPath,
    recordCount,
    nullValueCounts,
    lowerBounds,
    upperBounds,
    ...(ranges === undefined ? {} : { ranges }),
  }
}

function streamingState(
  stored: OffsetMap,
  cuts: readonly ViewCut[],
  nowMs: number,
): StreamingState {
  const streams = new Set([...stored.keys(), ...cuts.map(({ view }) => view.stream)])
  // Two streams may read the same topic into one table.
  const label = (stream: string, key: string): string =>
    (streams.size > 1 ? `${stream}:` : '') + key.replace(/:(\d+)$/, '/$1')
  const offsets: Record<string, bigint> = {}
  for (const [stream, offsetsOfStream] of stored) {
    for (const [key, offset] of nextOffsets(offsetsOfStream)) offsets[label(stream, key)] = offset
  }
  for (const { view, cut } of cuts) {
    for (const [key, offset] of cut.next) {
      if (offset >= 0n) offsets[label(view.stream, key)] = offset
    }
  }
  const gaps = cuts.flatMap(({ view, cut }) => cut.gaps.map((key) => label(view.stream, key)))
  return { offsets, ...ages(cuts, nowMs), ...(gaps.length === 0 ? {} : { gaps }) }
}

function nextOffsets(stored: StreamOffsets): readonly (readonly [string, bigint])[] {
  return [...stored.topics].flatMap(([topic, { nextOffsets: byPartition }]) =>
    [...byPartition].map(([partition, offset]): [string, bigint] => [
      `${topic}:${partition}`,
      offset,
    ]),
  )
}

/** The newest row that a stream has shown stays visible, first as a streaming row and then as a committed one. */
function ages(
  cuts: readonly ViewCut[],
  nowMs: number,
): Pick<StreamingState, 'newestRowAgeMs' | 'newestArrivalAgeMs'> {
  const rows = cuts.flatMap(({ view }): NewestRow[] =>
    view.newest === undefined ? [] : [view.newest],
  )
  if (rows.length === 0) return {}
  const newest = (times: readonly number[]): number => Math.max(0, nowMs - Math.max(...times))
  return {
    newestRowAgeMs: newest(rows.map(({ timestampMs }) => timestampMs)),
    newestArrivalAgeMs: newest(rows.map(({ arrivedMs }) => arrivedMs)),
  }
}
