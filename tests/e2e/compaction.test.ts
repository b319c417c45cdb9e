/** Compaction on a whole lake: beside a sink, beside deletes, and judged by DuckDB on the files alone. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  currentSnapshot,
  readManifestEntries,
  readSnapshotManifests,
  type Table,
} from '../../catalog/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import {
  type CompactorTools,
  rewriteOptions,
  type RewriteReport,
  rewriteTable,
} from '../../compactor/index.ts'
import type { FileIO } from '../../io/index.ts'
import { createDataFileRewriter } from '../../sql/index.ts'
import { type LakeFixture, liveFiles, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture

afterEach(() => lake.close())

const stream = `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: web.events, partition_by: ["day(ts)"], commit: { interval: 1s, max_records: 20 } } }
`
const identifier = { namespace: ['web'], name: 'events' }

async function open(wrap?: (io: FileIO) => FileIO): Promise<void> {
  lake = await openLakeFixture(wrap === undefined ? {} : { wrap })
  await lake.log.createTopic('events', 2)
}

let produced = 0

async function produce(count: number): Promise<void> {
  for (const partition of [0, 1]) {
    const values = Array.from({ length: count / 2 }, () => {
      const id = produced++
      const day = 1 + (id % 3)
      return `{"id":${id},"ts":"2024-01-0${day}T00:00:00Z","note":${id % 7 === 0 ? null : `"n${id}"`}}`
    })
    await lake.log.appendValues({ topic: 'events', partition }, values)
  }
}

/** 240 rows in six commits, each with a file for each of three days. */
async function fill(): Promise<void> {
  for (let commit = 0; commit < 6; commit++) {
    await produce(40)
    await lake.run(lake.settings(stream))
  }
}

function tools(): CompactorTools {
  return {
    catalog: lake.catalog,
    io: lake.io,
    rewriter: createDataFileRewriter(lake.database),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    workDirectory: join(lake.directory, 'compaction'),
  }
}

function compact(given: Readonly<Record<string, string>> = {}): Promise<RewriteReport> {
  return rewriteTable(tools(), identifier, {
    options: (properties) => rewriteOptions(properties, given),
  })
}

const places = (): Promise<readonly Record<string, unknown>[]> =>
  lake.rows('web.events', 'id, ts, note, _kafka.partition AS p, _kafka."offset" AS o')

const table = (): Promise<Table> => lake.catalog.loadTable(identifier)

describe('rewriteTable()', () => {
  beforeEach(() => {
    produced = 0
  })

  it('[K6] keeps every row and every offset, and finds nothing to do the second time', async () => {
    await open()
    await fill()
    const before = await places()
    const offsets = (await table()).metadata.properties['tidewater.offsets.main']
    const filesBefore = await liveFiles(lake.catalog, lake.io, 'web.events')
    const report = await compact()
    expect(report.groups.map(({ partition, reasons }) => [partition, reasons])).toEqual([
      ['ts_day=2024-01-01', ['small-files']],
      ['ts_day=2024-01-02', ['small-files']],
      ['ts_day=2024-01-03', ['small-files']],
    ])
    expect(report.groups.reduce((sum, group) => sum + group.filesBefore, 0)).toBe(
      filesBefore.length,
    )
    expect(await liveFiles(lake.catalog, lake.io, 'web.events')).toHaveLength(3)
    expect(await places()).toEqual(before)
    const after = await table()
    expect(currentSnapshot(after.metadata)?.summary).toMatchObject({
      operation: 'replace',
      'total-records': '240',
      'total-data-files': '3',
    })
    expect(after.metadata.properties['tidewater.offsets.main']).toBe(offsets)

    const second = await compact()
    expect(second.groups).toEqual([])
    expect((await table()).metadata.currentSnapshotId).toBe(after.metadata.currentSnapshotId)

    await produce(20)
    const result = await lake.run(lake.settings(stream))
    expect(result.recordsRead).toBe(20)
    expect(await places()).toHaveLength(260)
  })

  it('[K6] runs beside a sink without a row lost, doubled or delayed', async () => {
    await open()
    await produce(200)
    await lake.run(lake.settings(stream))
    const state = { isDone: false }
    const sink = (async () => {
      for (let round = 0; round < 6; round++) {
        await produce(60)
        await lake.run(lake.settings(stream))
      }
      state.isDone = true
    })()
    let commits = 0
    while (!state.isDone) {
      const report = await compact({ 'min-input-files': '2', 'partial-progress.enabled': 'true' })
      commits += report.groups.length
    }
    await sink
    expect(commits).toBeGreaterThan(3)
    const rows = await places()
    expect(rows).toHaveLength(560)
    expect(new Set(rows.map(({ p, o }) => `${String(p)}:${String(o)}`)).size).toBe(560)
    expect(rows.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 560 }, (_, index) => index),
    )
  })

  it('a dry run says the same and changes nothing', async () => {
    await open()
    await fill()
    const before = (await table()).metadataLocation
    const plan = await rewriteTable(tools(), identifier, {
      options: (properties) => rewriteOptions(properties),
      dryRun: true,
    })
    expect(plan).toMatchObject({ isDryRun: true })
    expect(plan.groups).toHaveLength(3)
    expect((await table()).metadataLocation).toBe(before)
    const done = await compact()
    expect(done.groups.map(({ filesBefore }) => filesBefore)).toEqual(
      plan.groups.map(({ filesBefore }) => filesBefore),
    )
  })

  it('[K7] plans again when another rewrite took its files, and leaves no file behind', async () => {
    let rival: (() => Promise<unknown>) | undefined
    await open((io) =>
      afterUpload(io, async () => {
        const run = rival
        rival = undefined
        await run?.()
      }),
    )
    await fill()
    const before = await places()
    rival = () => compact()
    const report = await compact()
    expect(report.groups).toEqual([])
    expect(await places()).toEqual(before)
    expect(await liveFiles(lake.catalog, lake.io, 'web.events')).toHaveLength(3)
    expect(await unreferencedDataFiles()).toEqual([])
  })

  it('[K8] deletes what it uploaded when it fails', async () => {
    await open((io) =>
      afterUpload(io, async (location) => {
        if (broken && location.includes('2024-01-02')) throw new Error('the disk is gone')
      }),
    )
    await fill()
    broken = true
    await expect(compact()).rejects.toThrow('the disk is gone')
    broken = false
    expect(await unreferencedDataFiles()).toEqual([])
    expect((await places()).length).toBe(240)
  })
})

let broken = false

/** Calls `hook` after each upload that a compaction does. */
function afterUpload(inner: FileIO, hook: (location: string) => Promise<void>): FileIO {
  return new Proxy(inner, {
    get: (target, property) => {
      if (property === 'upload') {
        return async (path: string, location: string) => {
          const stored = await target.upload(path, location)
          if (path.includes('rewrite-')) await hook(location)
          return stored
        }
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** Data files of the table's folder that no snapshot knows. */
async function unreferencedDataFiles(): Promise<readonly string[]> {
  const { metadata } = await table()
  const known = new Set<string>()
  for (const snapshot of metadata.snapshots) {
    for (const manifest of await readSnapshotManifests({ io: lake.io }, snapshot)) {
      for (const entry of await readManifestEntries({ io: lake.io }, metadata, manifest)) {
        known.add(entry.dataFile.filePath)
      }
    }
  }
  const found: string[] = []
  for await (const { location } of lake.io.list(`${metadata.location}/data/`)) {
    if (!known.has(location)) found.push(location)
  }
  return found
}
