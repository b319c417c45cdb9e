/** Compaction on a whole lake: beside a sink, beside deletes, and judged by DuckDB on the files alone. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSnapshot } from '../../catalog/format/index.ts'
import {
  commitAction,
  deletePathFieldId,
  deletePosFieldId,
  positionDeleteFile,
  readManifestEntries,
  readSnapshotManifests,
  RowDelta,
  type Table,
  type TableCommit,
} from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import {
  CommitStateUnknownError,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import {
  type CompactorTools,
  rewriteOptions,
  type RewriteReport,
  rewriteTable,
} from '../../compactor/index.ts'
import type { FileIO } from '../../io/index.ts'
import {
  allRows,
  createDataFileRewriter,
  FileCache,
  openSandboxedEngine,
  plainText,
} from '../../sql/index.ts'
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

  it('[K4] takes deleted rows out for good, and the delete files with them', async () => {
    await open()
    await fill()
    await deleteRows('2024-01-01', 2)
    expect(await liveDeletes()).toHaveLength(1)
    const report = await compact()
    expect(report.groups.map(({ rowsDeleted }) => rowsDeleted)).toEqual([2n, 0n, 0n])
    expect(report.deleteFilesRemoved).toBe(1n)
    expect(await liveDeletes()).toEqual([])
    expect(currentSnapshot((await table()).metadata)?.summary).toMatchObject({
      'total-records': '238',
      'total-delete-files': '0',
      'total-position-deletes': '0',
    })
    expect(await places()).toHaveLength(238)
    expect((await compact()).groups).toEqual([])
  })

  it('[Q12] deleted rows are hidden in the locked-down process too', async () => {
    await open()
    await fill()
    await deleteRows('2024-01-03', 3)
    const cache = new FileCache({
      io: lake.io,
      directory: join(lake.directory, 'cache'),
      bytesMax: 1e9,
    })
    const engine = await openSandboxedEngine({
      catalog: lake.catalog,
      io: lake.io,
      cache,
      limits: {
        memoryBytesMax: 200e6,
        threads: 1,
        tempBytesMax: 50e6,
        rowsMax: 10,
        resultBytesMax: 1e6,
      },
      mode: 'auto',
      concurrency: 1,
      queuedMax: 1,
      timeoutMs: 240_000,
    })
    try {
      const rows = await allRows(await engine.query('SELECT count(*) FROM web.events'))
      expect(rows.map((row) => row.map(plainText))).toEqual([['237']])
    } finally {
      await engine.close()
    }
  })

  it('[K7] a row that is deleted while its file is rewritten stays deleted', async () => {
    let rival: (() => Promise<void>) | undefined
    await open((io) =>
      afterUpload(io, async () => {
        const run = rival
        rival = undefined
        await run?.()
      }),
    )
    await fill()
    rival = () => deleteRows('2024-01-02', 1)
    const report = await compact()
    expect(report.groups.map(({ rowsDeleted }) => rowsDeleted)).toEqual([0n, 1n, 0n])
    expect(await places()).toHaveLength(239)
    expect(await unreferencedDataFiles()).toEqual([])
  })

  it.each([true, false])(
    '[K8] deletes nothing when nobody knows whether the commit landed (landed: %s)',
    async (landed) => {
      await open()
      await fill()
      const before = await places()
      const catalog = new Proxy(lake.catalog, {
        get: (target, property) => {
          if (property === 'commitTable') {
            return async (commit: TableCommit) => {
              if (landed) await target.commitTable(commit)
              throw new CommitStateUnknownError('no answer')
            }
          }
          const value: unknown = Reflect.get(target, property)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
      const rewrite = rewriteTable({ ...tools(), catalog }, identifier, {
        options: (properties) => rewriteOptions(properties),
      })
      await expect(rewrite).rejects.toThrow(CommitStateUnknownError)
      expect(await places()).toEqual(before)
      expect(await unreferencedDataFiles()).toHaveLength(landed ? 0 : 3)
    },
  )
})

let broken = false

/** Position deletes of the first rows of one live file of the day, as an upsert would commit them. */
async function deleteRows(day: string, count: number): Promise<void> {
  const { metadata } = await table()
  const { tasks } = await planScan(lake.io, await table())
  const victim = tasks.find(({ file }) => file.filePath.includes(day))?.file
  if (victim === undefined) throw new Error(`no file of ${day}`)
  const local = join(lake.directory, 'deletes.parquet')
  await lake.database.withConnection(async (connection) => {
    await connection.run(
      `COPY (SELECT '${victim.filePath}' AS file_path, range::BIGINT AS pos FROM range(${count}))
       TO '${local}' (FORMAT parquet, FIELD_IDS {file_path: ${deletePathFieldId}, pos: ${deletePosFieldId}})`,
    )
  })
  const filePath = `${metadata.location}/data/deletes-${day}.parquet`
  const stored = await lake.io.upload(local, filePath)
  const { specId, partition } = victim
  const file = positionDeleteFile({
    filePath,
    fileSizeInBytes: BigInt(stored.sizeBytes),
    specId,
    partition,
    recordCount: BigInt(count),
    referencedFiles: [victim.filePath],
    posMin: 0n,
    posMax: BigInt(count - 1),
  })
  const changes = {
    baseSnapshotId: metadata.currentSnapshotId,
    deletes: [{ file, referencedFiles: [victim.filePath] }],
  }
  const commit = { io: lake.io, clock: systemClock, random: systemRandom }
  await commitAction(lake.catalog, identifier, new RowDelta(commit, { changes }), commit)
}

async function liveDeletes(): Promise<readonly string[]> {
  const { tasks } = await planScan(lake.io, await table())
  return tasks.flatMap(({ deletes }) => deletes.map(({ filePath }) => filePath))
}

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
