/**
 * The hot segments of one running stream, which queries read before their rows are committed. The runner
 * publishes the rows that it has spooled and reports commits; a pin takes the segments of that moment.
 *
 * L1 (docs/spec/live.md): records are in a segment within the interval after they were read. L4: a segment
 * is removed only after the table has its commit, and stays readable for earlier pins.
 */
import type { TableFreshness } from '../../catalog/scan/index.ts'
import { formatIdentifier, type TableIdentifier } from '../../catalog/format/index.ts'
import type { Clock } from '../../common/index.ts'
import { cutRange, type OffsetRange } from '../offsets/offset-range.ts'
import type { SpooledRows, SpooledTable, StreamingRows } from '../stream/streaming-rows.ts'
import { partitionKey } from '../offsets/topic-partition.ts'
import { HeldFolder } from './held-folder.ts'
import { HotSegment } from './hot-segment.ts'

/** For this long after a query, segments are made more often: they cost a little more, but are likely to be read. */
const queriedLatelyMs = 5_000
const queriedShare = 4

/** The newest row that queries may see. */
export interface NewestRow {
  /** The record's own timestamp. */
  readonly timestampMs: number
  readonly arrivedMs: number
}

/** The state of a stream that a pin keeps. */
export interface StreamView {
  readonly stream: string
  readonly hasSeveralTopics: boolean
  readonly segments: readonly HotSegment[]
  readonly newest: NewestRow | undefined
  /** Folders to hold while the segments are read. */
  readonly folders: ReadonlySet<HeldFolder>
}

export interface StreamSegmentsOptions {
  readonly stream: string
  /** The table that the stream writes. */
  readonly table: TableIdentifier
  readonly hasSeveralTopics: boolean
  readonly clock: Clock
  readonly intervalMs: number
  /** Called when queries can read the segments, and when they no longer can. */
  readonly onBegin: (stream: StreamSegments) => void
  readonly onEnd: (stream: StreamSegments) => void
}

export class StreamSegments implements StreamingRows {
  readonly #options: StreamSegmentsOptions
  readonly #folders = new Map<string, HeldFolder>()
  #run: HeldFolder | undefined
  #releasing: Promise<unknown> = Promise.resolve()
  #segments: readonly HotSegment[] = []
  /** Where the next segment begins. */
  readonly #reached = new Map<string, bigint>()
  #current: { readonly rows: SpooledRows; recordCount: number; spoolCount: number } | undefined
  #publishedMs = Number.NEGATIVE_INFINITY
  #queriedMs = Number.NEGATIVE_INFINITY
  #newest: NewestRow | undefined
  #committedMs: number | undefined

  constructor(options: StreamSegmentsOptions) {
    this.#options = options
  }

  /** The run begins; `directory` will hold all its files. */
  begin(directory: string): void {
    this.#run = new HeldFolder(directory)
    this.#options.onBegin(this)
  }

  /** Milliseconds until `rows` have to be published; undefined when there is nothing new in them. */
  dueInMs(rows: SpooledRows | undefined): number | undefined {
    if (rows === undefined) return undefined
    const published = this.#current?.rows === rows ? this.#current.recordCount : 0
    if (rows.recordCount === published) return undefined
    const { clock, intervalMs } = this.#options
    const nowMs = clock.monotonic()
    const waitMs =
      nowMs - this.#queriedMs < queriedLatelyMs ? intervalMs / queriedShare : intervalMs
    return Math.max(0, this.#publishedMs + waitMs - nowMs)
  }

  /** Called when all records of `rows` are in spools and none waits for a column. */
  publish(rows: SpooledRows, directory: string, { table, sideFields, format }: SpooledTable): void {
    const { clock } = this.#options
    if (this.#current?.rows !== rows) this.#current = { rows, recordCount: 0, spoolCount: 0 }
    const current = this.#current
    this.#publishedMs = clock.monotonic()
    if (rows.recordCount > current.recordCount) {
      this.#newest = { timestampMs: rows.newestTimestampMs, arrivedMs: clock.now() }
    }
    const spools = rows.spools.slice(current.spoolCount)
    const ranges = rows.ranges.flatMap((range) => this.#beyondReached(range))
    current.recordCount = rows.recordCount
    current.spoolCount = rows.spools.length
    if (ranges.length === 0) return
    const folder = this.#folder(directory)
    const { coordinateKeys } = format
    const content = { folder, spools, ranges, table, sideFields, coordinateKeys }
    folder.hold()
    this.#segments = [...this.#segments, new HotSegment(content)]
  }

  /** Called when the table holds everything below the ends of these ranges, visible to queries that load it from now on. */
  committed({
    ranges,
    newestTimestampMs,
  }: Pick<SpooledRows, 'newestTimestampMs' | 'ranges'>): void {
    this.#committedMs = Math.max(this.#committedMs ?? 0, newestTimestampMs)
    const ends = new Map(ranges.map((range) => [partitionKey(range), range.to]))
    const isUncommitted = (segment: HotSegment): boolean =>
      !segment.ranges.every((range) => range.to <= (ends.get(partitionKey(range)) ?? -1n))
    this.#keep(isUncommitted)
  }

  /** Called when the stream rewinds to its table, because uncommitted records will be read again. */
  drop(): void {
    this.#keep(() => false)
    this.#reached.clear()
    this.#current = undefined
  }

  /** Deletes a folder of the run as soon as no segment and no query needs it. */
  async removeFolder(directory: string): Promise<void> {
    const folder = this.#folder(directory)
    this.#folders.delete(directory)
    await folder.retire()
  }

  /** The run is over. */
  async end(): Promise<void> {
    this.drop()
    this.#options.onEnd(this)
    await this.#releasing
    await this.#run?.retire()
  }

  view(): StreamView {
    const { stream, hasSeveralTopics, clock } = this.#options
    this.#queriedMs = clock.monotonic()
    const segments = this.#segments
    const folders = new Set(segments.map((segment) => segment.folder))
    if (this.#run !== undefined) folders.add(this.#run)
    return { stream, hasSeveralTopics, segments, newest: this.#newest, folders }
  }

  /** Removes all other segments and releases their folders. */
  #keep(isKept: (segment: HotSegment) => boolean): void {
    const removed = this.#segments.filter((segment) => !isKept(segment))
    this.#segments = this.#segments.filter(isKept)
    const released = Promise.all(removed.map(({ folder }) => folder.release()))
    // A folder that cannot be deleted now is deleted with the run's folder.
    this.#releasing = Promise.allSettled([this.#releasing, released])
  }

  /** Undefined until there is a row. */
  freshness(): TableFreshness | undefined {
    const { clock, table } = this.#options
    if (this.#newest === undefined) return undefined
    const ageMs = (timestampMs: number): number => Math.max(0, clock.now() - timestampMs)
    return {
      table: formatIdentifier(table),
      newestRowAgeMs: ageMs(this.#newest.timestampMs),
      newestCommittedAgeMs: this.#committedMs === undefined ? undefined : ageMs(this.#committedMs),
    }
  }

  #beyondReached(range: OffsetRange): readonly OffsetRange[] {
    const key = partitionKey(range)
    const rest = cutRange(range, this.#reached.get(key))
    if (rest === undefined) return []
    this.#reached.set(key, range.to)
    return [rest]
  }

  #folder(directory: string): HeldFolder {
    const folder = this.#folders.get(directory) ?? new HeldFolder(directory)
    this.#folders.set(directory, folder)
    return folder
  }
}
