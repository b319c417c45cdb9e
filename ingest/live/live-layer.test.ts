/** Any interleaving of reading, publishing, commits, rewinds and queries, against the log itself. */
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assignFreshIds } from '../../catalog/format/index.ts'
import {
  type DataFileWriter,
  ObjectStoreCatalog,
  offsetsPropertyKey,
  type Table,
} from '../../catalog/index.ts'
import type { StreamingRange, StreamingScan } from '../../catalog/scan/index.ts'
import { parseStreamSettings } from '../settings/stream-document.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { variableSource } from '../../settings/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { InstantClock } from '../../tests/support/instant-clock.ts'
import type { PendingSpool } from '../spool/spool-writer.ts'
import { formatOffsetMap } from '../offsets/offset-map.ts'
import { inferredColumnsProperty } from '../schema/inferred-columns.ts'
import { createLiveLayer, type LiveLayer } from './live-layer.ts'
import type { StreamSegments } from './stream-segments.ts'

const settings: StreamSettings = parseStreamSettings({
  text: `
name: s
input: { embedded: { directory: log, topics: [t] } }
output: { iceberg: { table: web.events } }`,
  file: undefined,
  variables: variableSource({}),
  overrides: [],
  directory: '/',
}).settings

let empty: Table
let folder: string
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tide-live-'))
  const catalog = new ObjectStoreCatalog({ io: new MemoryFileIO(), warehouse: 'memory://w' })
  await catalog.createNamespace(['web'])
  const id = { id: 0, name: 'id', required: false, type: { type: 'long' } } as const
  const { schema } = assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields: [id] })
  empty = await catalog.createTable({ identifier: { namespace: ['web'], name: 'events' }, schema })
})

/** The table as it is once these offsets are committed. */
function tableAt(next: readonly (number | undefined)[]): Table {
  const known = next.flatMap((offset, partition): [number, bigint][] =>
    offset === undefined ? [] : [[partition, BigInt(offset)]],
  )
  if (known.length === 0) return empty
  const topics = new Map([['t', { topicId: 'id', nextOffsets: new Map(known) }]])
  const text = formatOffsetMap(new Map([['s', { clusterId: 'c', topics }]]))
  const properties = { ...empty.metadata.properties, [offsetsPropertyKey('main')]: text }
  return { ...empty, metadata: { ...empty.metadata, properties } }
}

/** Files stand for themselves: the "typed" file is the spool, and its name says what is in it. */
const writer: DataFileWriter = {
  write: async ({ spools }) => ({
    files: spools.map(({ path, rowCount }) => ({
      localPath: path,
      partition: [],
      recordCount: BigInt(rowCount),
      fileSizeInBytes: 1n,
      columnSizes: new Map(),
      valueCounts: new Map(),
      nullValueCounts: new Map(),
      nanValueCounts: new Map(),
      lowerBounds: new Map(),
      upperBounds: new Map(),
      splitOffsets: [],
    })),
    refused: [],
  }),
}

const tableParts = (table: Table): Parameters<StreamSegments['publish']>[2] => ({
  table,
  sideFields: [],
  format: { coordinateKeys: { offset: '$o', timestamp: '$t', partition: '$p', record: '$r' } },
})

function spool(path: string, rowCount: number): PendingSpool {
  return { path, rowCount, sizeBytes: 1, rowBytesMax: 1, written: Promise.resolve() }
}

interface Batch {
  readonly spools: PendingSpool[]
  readonly ranges: { topic: string; partition: number; from: bigint | undefined; to: bigint }[]
  recordCount: number
  readonly newestTimestampMs: number
}

/** A stream over a log whose records are their offsets: what the runner does, without the work. */
class Sink {
  readonly committed: (number | undefined)[] = [undefined, undefined]
  readonly #layer: LiveLayer
  #live: StreamSegments
  #read: number[] = [0, 0]
  /** What the table will hold once every sealed batch is committed. */
  #assumed: (number | undefined)[] = [undefined, undefined]
  #batch: Batch = newBatch()
  #unspooled: string[] = []
  #sealed: Batch[] = []

  constructor(layer: LiveLayer, run: string) {
    this.#layer = layer
    this.#live = this.#attach(run)
  }

  #attach(run: string): StreamSegments {
    const live = this.#layer.attach(settings)
    if (live === undefined) throw new Error('not attached')
    live.begin(run)
    return live
  }

  read(partition: number, count: number): void {
    const from = this.#read[partition] ?? 0
    const to = from + count
    this.#read[partition] = to
    // Every fifth record is a dead letter.
    for (let at = from; at < to; at++) if (at % 5 !== 0) this.#unspooled.push(`${partition}.${at}`)
    const range = this.#batch.ranges.find((each) => each.partition === partition)
    if (range !== undefined) range.to = BigInt(to)
    else {
      const start = this.#assumed[partition]
      const begin = start === undefined ? undefined : BigInt(start)
      this.#batch.ranges.push({ topic: 't', partition, from: begin, to: BigInt(to) })
    }
    this.#batch.recordCount += count
  }

  publish(): void {
    if (this.#unspooled.length > 0) {
      this.#batch.spools.push(spool(this.#unspooled.join(','), this.#unspooled.length))
    }
    this.#unspooled = []
    this.#live.publish(this.#batch, folder, tableParts(empty))
  }

  seal(): void {
    this.publish()
    for (const { partition, to } of this.#batch.ranges) this.#assumed[partition] = Number(to)
    this.#sealed.push(this.#batch)
    this.#batch = newBatch()
  }

  /** The oldest sealed batch lands; `told`: and the stream hears of it. */
  commit(told: boolean): void {
    const batch = this.#sealed.shift()
    if (batch === undefined) return
    for (const { partition, to } of batch.ranges) this.committed[partition] = Number(to)
    if (told) this.#live.committed(batch)
    else this.rewind()
  }

  /** Another worker was first. */
  foreignCommit(partition: number, count: number): void {
    this.committed[partition] = (this.committed[partition] ?? 0) + count
    this.rewind()
  }

  rewind(): void {
    this.#live.drop()
    this.#sealed = []
    this.#batch = newBatch()
    this.#unspooled = []
    this.#assumed = [...this.committed]
    this.#read = this.committed.map((offset) => offset ?? 0)
  }

  async restart(): Promise<void> {
    await this.#live.end()
    this.#live = this.#attach('/nowhere')
    this.rewind()
  }

  readTo(): readonly number[] {
    return this.#read
  }
}

function newBatch(): Batch {
  return { spools: [], ranges: [], recordCount: 0, newestTimestampMs: 0 }
}

/** Rows of the answer as `partition.offset`, those of the snapshot included. */
function answer(
  rows: StreamingScan | undefined,
  committed: readonly (number | undefined)[],
): string[] {
  const stored = committed.flatMap((end = 0, partition) =>
    Array.from({ length: end }, (_, at) => `${partition}.${at}`).filter((_, at) => at % 5 !== 0),
  )
  const isTaken = (row: string, ranges: readonly StreamingRange[]): boolean => {
    const [partition, offset] = row.split('.').map(Number)
    return ranges.some(
      (range) =>
        range.partition === partition &&
        BigInt(offset ?? 0) >= (range.from ?? 0n) &&
        BigInt(offset ?? 0) < range.to,
    )
  }
  const live = (rows?.files ?? []).flatMap(({ path, ranges }) =>
    path.split(',').filter((row) => ranges === undefined || isTaken(row, ranges)),
  )
  return [...stored, ...live].sort()
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constant('read'), fc.nat(1), fc.integer({ min: 1, max: 9 })),
  },
  { weight: 4, arbitrary: fc.constant(['publish'] as const) },
  { weight: 3, arbitrary: fc.constant(['seal'] as const) },
  { weight: 3, arbitrary: fc.constant(['commit'] as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(['lost'] as const, ['rewind'] as const, ['restart'] as const),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant('foreign'), fc.nat(1), fc.integer({ min: 1, max: 4 })),
  },
  { weight: 10, arbitrary: fc.constantFrom(['pin'] as const, ['load'] as const, ['ask'] as const) },
)

async function act(
  sink: Sink,
  [kind, partition = 0, count = 0]: readonly [string, number?, number?],
): Promise<void> {
  if (kind === 'read') sink.read(partition, count)
  else if (kind === 'publish') sink.publish()
  else if (kind === 'seal') sink.seal()
  else if (kind === 'commit') sink.commit(true)
  else if (kind === 'lost') sink.commit(false)
  else if (kind === 'rewind') sink.rewind()
  else if (kind === 'foreign') sink.foreignCommit(partition, count)
  else if (kind === 'restart') await sink.restart()
}

describe('createLiveLayer()', () => {
  it('[L8] shows no row with a column that another one has replaced', async () => {
    const live = createLiveLayer({ writer, clock: new InstantClock(), intervalMs: 1 })
    const sink = new Sink(live, folder)
    sink.read(0, 4)
    sink.publish()
    const filesOf = async (table: Table): Promise<number | undefined> => {
      const pin = live.pin()
      const scan = await pin.rowsAfter(table)
      await pin.release()
      return scan?.files.length
    }
    expect(await filesOf(tableAt([0]))).toBe(1)
    const at = tableAt([0])
    const replaced = { [inferredColumnsProperty]: '{"types":{},"replaced":[1]}' }
    const properties = { ...at.metadata.properties, ...replaced }
    expect(await filesOf({ ...at, metadata: { ...at.metadata, properties } })).toBe(0)
  })

  it('[L2] [L3] [L6] gives each record once up to the offsets it names, whatever happens meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 80, size: 'max' }),
        async (steps) => {
          const clock = new InstantClock(0)
          const layer = createLiveLayer({ writer, clock, intervalMs: 1 })
          const sink = new Sink(layer, '/nowhere')
          let pin: ReturnType<LiveLayer['pin']> | undefined
          let loaded: (number | undefined)[] | undefined
          for (const each of steps) {
            const [kind] = each
            if (kind === 'pin') {
              await pin?.release()
              pin = layer.pin()
              loaded = undefined
            } else if (kind === 'load' && pin !== undefined) loaded ??= [...sink.committed]
            else if (kind === 'ask' && pin !== undefined && loaded !== undefined) {
              // Another query may have typed newer segments together with those of this pin.
              const other = layer.pin()
              await other.rowsAfter(tableAt(sink.committed))
              await other.release()
              const rows = await pin.rowsAfter(tableAt(loaded))
              const ends = [0, 1].map((partition) =>
                Number(rows?.state.offsets?.[`t/${partition}`] ?? loaded?.[partition] ?? 0),
              )
              expect(answer(rows, loaded)).toEqual(answer(undefined, ends))
            } else await act(sink, each as readonly [string, number?, number?])
          }
          // And at rest everything that was published is there.
          sink.publish()
          const rows = await layer.pin().rowsAfter(tableAt(sink.committed))
          expect(rows?.state.gaps).toBeUndefined()
          expect(answer(rows, sink.committed)).toEqual(answer(undefined, sink.readTo()))
        },
      ),
      { numRuns: 250 * fuzzEffort },
    )
  })

  describe('files', () => {
    const isThere = (path: string): Promise<boolean> =>
      access(path).then(
        () => true,
        () => false,
      )

    it('[L4] stay for the pins that were taken before their commit, and go with the last', async () => {
      const layer = createLiveLayer({ writer, clock: new InstantClock(0), intervalMs: 1 })
      const live = layer.attach(settings)
      if (live === undefined) throw new Error('not attached')
      const [run, batch] = [join(folder, 'run'), join(folder, 'run', 'batch')]
      await mkdir(batch, { recursive: true })
      live.begin(run)
      const ranges = [{ topic: 't', partition: 0, from: undefined, to: 3n }]
      const spools = [spool(join(batch, '0.1'), 1)]
      live.publish(
        { spools, ranges, recordCount: 3, newestTimestampMs: 0 },
        batch,
        tableParts(empty),
      )
      const [first, second] = [layer.pin(), layer.pin()]
      // A commit that failed: the batch is done, but its rows are shown until the stream begins anew.
      await live.removeFolder(batch)
      expect(await isThere(batch)).toBe(true)
      live.committed({ ranges, newestTimestampMs: 0 })
      const late = layer.pin()
      await first.release()
      expect(await isThere(batch)).toBe(true)
      expect((await second.rowsAfter(empty))?.files).toHaveLength(1)
      // Taken after the commit: the table it loads has the rows.
      expect((await late.rowsAfter(tableAt([3])))?.files).toEqual([])
      await second.release()
      await second.release()
      expect(await isThere(batch)).toBe(false)
      await live.end()
      expect(await isThere(run)).toBe(true)
      await late.release()
      expect(await isThere(run)).toBe(false)
    })

    it('[L5] are of one table and of main: another of that name, or a branch, sees none', async () => {
      const layer = createLiveLayer({ writer, clock: new InstantClock(0), intervalMs: 1 })
      const live = layer.attach(settings)
      live?.begin(folder)
      const ranges = [{ topic: 't', partition: 0, from: undefined, to: 3n }]
      const rows = { spools: [spool('0.1', 1)], ranges, recordCount: 3, newestTimestampMs: 0 }
      live?.publish(rows, folder, tableParts(empty))
      const other = { ...empty, metadata: { ...empty.metadata, tableUuid: 'another' } }
      expect(await layer.pin().rowsAfter(other)).toBeUndefined()
      expect((await layer.pin().rowsAfter(empty))?.files).toHaveLength(1)
      const output = { ...settings.output, branch: 'replayed' }
      expect(layer.attach({ ...settings, output })).toBeUndefined()
    })
  })

  it('says how old the newest row is, also once it is committed', async () => {
    const clock = new InstantClock(10_000)
    const layer = createLiveLayer({ writer, clock, intervalMs: 500 })
    const live = layer.attach(settings)
    live?.begin('/nowhere')
    const ranges = [{ topic: 't', partition: 0, from: undefined, to: 3n }]
    const rows = { spools: [], ranges, recordCount: 3, newestTimestampMs: 9_000 }
    expect(live?.dueInMs(rows)).toBe(0)
    live?.publish(rows, '/nowhere', tableParts(empty))
    expect(live?.dueInMs(rows)).toBeUndefined()
    rows.recordCount++
    expect(live?.dueInMs(rows)).toBe(500)
    clock.advance(200)
    expect(live?.dueInMs(rows)).toBe(300)
    // Who asks once may ask again.
    await layer.pin().release()
    expect(live?.dueInMs(rows)).toBe(0)
    expect(layer.freshness?.()).toEqual([
      { table: 'web.events', newestRowAgeMs: 1_200, newestCommittedAgeMs: undefined },
    ])
    live?.committed(rows)
    const state = (await layer.pin().rowsAfter(tableAt([3])))?.state
    expect(state).toMatchObject({ newestRowAgeMs: 1_200, newestArrivalAgeMs: 200 })
    expect(layer.freshness?.()).toMatchObject([{ newestCommittedAgeMs: 1_200 }])
  })
})
