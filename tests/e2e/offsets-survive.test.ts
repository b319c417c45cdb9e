/**
 * A stream's position lives in its table's snapshots, so every other kind of commit must leave it where
 * ingest finds it: rewrites, deletes, branches published, and expiry of all snapshots that stated it.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { DataFile } from '../../catalog/format/index.ts'
import {
  commitAction,
  expireSnapshots,
  FastAppend,
  ManageRefs,
  OverwriteFiles,
  PublishBranch,
  RewriteFiles,
  type Table,
  type TransactionAction,
} from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { restoreOffsets } from '../../ingest/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture

beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
})
afterEach(() => lake.close())

const identifier = { namespace: ['web'], name: 'events' }
const tools = { clock: systemClock, random: systemRandom, logger: silentLogger }
const stream = `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
output: { iceberg: { table: web.events, commit: { interval: 10s } } }
`

let produced = 0

async function streamTen(): Promise<void> {
  const values = Array.from({ length: 10 }, () => `{"id":${produced++}}`)
  await lake.log.appendValues({ topic: 'events', partition: 0 }, values)
  await lake.run(lake.settings(stream))
}

const load = (): Promise<Table> => lake.catalog.loadTable(identifier)
const commit = <P>(action: TransactionAction<P>): Promise<Table> =>
  commitAction(lake.catalog, identifier, action, tools)

async function nextOffset(): Promise<bigint | undefined> {
  const offsets = restoreOffsets(await load(), 'main')
  return offsets.get('events')?.topics.get('events')?.nextOffsets.get(0)
}

/** The same bytes under a new name: as good as any rewrite. */
async function copyOf(file: DataFile): Promise<DataFile> {
  const filePath = file.filePath.replace(/\.parquet$/, '-again.parquet')
  await lake.io.write(filePath, await lake.io.read(file.filePath))
  return { ...file, filePath }
}

async function fileAt(index: number, ref = 'main'): Promise<DataFile> {
  const { tasks } = await planScan(lake.io, await load(), { ref })
  const file = tasks[index]?.file
  if (file === undefined) throw new Error('no such file')
  return file
}

it('[E2] every commit but its own, and expiry, leave a stream where it was', async () => {
  produced = 0
  const parts = { io: lake.io, ...tools }
  await streamTen()
  await streamTen()

  const first = await fileAt(0)
  const startingSnapshotId = (await load()).metadata.currentSnapshotId ?? 0n
  const rewrite = { startingSnapshotId, removed: [first], added: [await copyOf(first)] }
  await commit(new RewriteFiles(parts, rewrite))
  expect(await nextOffset()).toBe(20n)
  await streamTen()

  await commit(new ManageRefs({ changes: [{ kind: 'create', type: 'branch', name: 'replay' }] }))
  const replayed = await fileAt(0, 'replay')
  const baseSnapshotId = (await load()).metadata.refs['replay']?.snapshotId
  const changes = { baseSnapshotId, removed: [replayed], added: [await copyOf(replayed)] }
  // What the branch says of offsets is its own business.
  const summary = { 'tidewater.offsets': '{}' }
  await commit(new OverwriteFiles(parts, { branch: 'replay', changes, summary }))
  await commit(new PublishBranch(parts, { from: 'replay', fastForward: 'never' }))
  expect(await nextOffset()).toBe(30n)
  await streamTen()
  await commit(new ManageRefs({ changes: [{ kind: 'remove', name: 'replay' }] }))

  await commit(new FastAppend(parts, { files: [] }))
  const { snapshotIds } = await expireSnapshots(lake.catalog, identifier, parts, {
    olderThanMs: 1n << 60n,
  })
  expect(snapshotIds).toHaveLength(7)
  const { snapshots } = (await load()).metadata
  expect(snapshots.map((one) => one.summary?.['tidewater.offsets'])).toEqual([undefined])
  expect(await nextOffset()).toBe(40n)
  await streamTen()
  const rows = await lake.rows('web.events', 'id')
  expect(rows.map((row) => Number(row['id'])).sort((left, right) => left - right)).toEqual(
    Array.from({ length: 50 }, (_, index) => index),
  )
})
