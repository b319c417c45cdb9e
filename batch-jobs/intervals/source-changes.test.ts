import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { currentSnapshot, type DataFile, type NestedField } from '../../catalog/format/index.ts'
import {
  commitAction,
  FastAppend,
  OverwriteFiles,
  positionDeleteFile,
  RewriteFiles,
  RowDelta,
  type Table,
} from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import { seededRandom, systemClock } from '../../common/index.ts'
import { sourceStateOf } from './model-state.ts'
import { changedTimes, eventTimeField } from './source-changes.ts'
import { isoTime } from './interval.ts'

let lake: SqlLake
const name = 'web.events'
const random = seededRandom(3)

beforeEach(async () => {
  lake = await openSqlLake()
  await lake.create(name, ['id long', 'ts timestamptz', 'note string'])
})

afterEach(() => lake.close())

function rows(...times: readonly string[]): Promise<Table> {
  const values = times.map(
    (each) => `(1::BIGINT, ${each === 'null' ? 'NULL' : `'${each}'`}::TIMESTAMPTZ)`,
  )
  return lake.append(name, `SELECT * FROM (VALUES ${values.join(', ')}) t(id, ts)`)
}

function field(table: Table): NestedField {
  const found = eventTimeField(table.metadata, 'ts')
  if (found === undefined) throw new Error('no field')
  return found
}

async function changedSince(before: Table): Promise<readonly string[] | 'unknown'> {
  const table = await lake.load(name)
  const spans = await changedTimes(lake, table, sourceStateOf(before.metadata), field(table))
  return spans === 'unknown'
    ? spans
    : spans.map(({ startMs, endMs }) => `${isoTime(startMs)} ${isoTime(endMs)}`)
}

async function files(table: Table) {
  return (await planScan(lake.io, table)).tasks.map(({ file }) => file)
}

/** Takes a snapshot out of the table's history, as expiry does. */
async function expire(...ids: readonly (bigint | undefined)[]): Promise<void> {
  const snapshotIds = ids.flatMap((id) => id ?? [])
  await lake.update(name, [{ action: 'remove-snapshots', snapshotIds }])
}

describe('changedTimes()', () => {
  it('[B4] gives the times of rows that were appended since', async () => {
    const before = await rows('2026-01-01 10:00:00+00')
    expect(await changedSince(before)).toEqual([])
    await rows('2026-01-01 05:00:00+00', '2026-01-01 05:00:00.0015+00')
    await rows('2026-01-03 00:00:00+00')
    expect(await changedSince(before)).toEqual([
      '2026-01-01T05:00:00Z 2026-01-01T05:00:00.002Z',
      '2026-01-03T00:00:00Z 2026-01-03T00:00:00.001Z',
    ])
  })

  it('[B4] sees rows of the first snapshot, and none in rows without a time', async () => {
    const empty = await lake.load(name)
    await rows('null', 'null')
    expect(await changedSince(empty)).toEqual([])
    await rows('1969-12-31 23:59:59.9999+00')
    expect(await changedSince(empty)).toEqual(['1969-12-31T23:59:59.999Z 1970-01-01T00:00:00Z'])
  })

  it('[B4] finds nothing new in a rewrite, and what went in an overwrite', async () => {
    await rows('2026-01-01 00:00:00+00')
    const before = await rows('2026-01-02 00:00:00+00')
    const [first, second] = await files(before)
    const base = currentSnapshot(before.metadata)?.snapshotId ?? 0n
    if (first === undefined || second === undefined) throw new Error('no files')
    const tools = { io: lake.io, clock: systemClock, random }
    const moved = { ...first, filePath: `${first.filePath}.moved.parquet` }
    const rewrite = new RewriteFiles(tools, {
      startingSnapshotId: base,
      removed: [first],
      added: [moved],
    })
    const rewritten = await commitAction(lake.catalog, before.identifier, rewrite, tools)
    expect(await changedSince(before)).toEqual([])
    const remove = new OverwriteFiles(tools, {
      changes: { baseSnapshotId: rewritten.metadata.currentSnapshotId, removed: [second] },
    })
    await commitAction(lake.catalog, before.identifier, remove, tools)
    const [gone] = (await changedSince(before)) as readonly string[]
    expect(['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']).toContain(gone?.split(' ')[0])
  })

  it('[B4] takes the times of a file that lost rows by position, and knows nothing of deletes for several', async () => {
    await rows('2026-01-01 00:00:00+00')
    const before = await rows('2026-01-02 00:00:00+00', '2026-01-05 00:00:00+00')
    const live = await files(before)
    const tools = { io: lake.io, clock: systemClock, random }
    const lose = async (...targets: readonly DataFile[]): Promise<DataFile> => {
      const referencedFiles = targets.map(({ filePath }) => filePath)
      const file = positionDeleteFile({
        filePath: `${referencedFiles[0]}.${targets.length}.deletes`,
        fileSizeInBytes: 9n,
        specId: 0,
        partition: [],
        recordCount: 1n,
        referencedFiles,
        posMin: 0n,
        posMax: 0n,
      })
      const baseSnapshotId = (await lake.load(name)).metadata.currentSnapshotId
      const changes = { baseSnapshotId, deletes: [{ file, referencedFiles }] }
      await commitAction(lake.catalog, before.identifier, new RowDelta(tools, { changes }), tools)
      return file
    }
    const wide = live.filter((file) => file.recordCount === 2n)
    await lose(...wide)
    expect(await changedSince(before)).toEqual(['2026-01-02T00:00:00Z 2026-01-05T00:00:00.001Z'])
    const thinned = await lake.load(name)
    const remove = new OverwriteFiles(tools, {
      changes: { baseSnapshotId: thinned.metadata.currentSnapshotId, removed: wide },
    })
    await commitAction(lake.catalog, before.identifier, remove, tools)
    expect(await changedSince(thinned)).toEqual(['2026-01-02T00:00:00Z 2026-01-05T00:00:00.001Z'])
    await rows('2026-01-03 00:00:00+00')
    await lose(...(await files(await lake.load(name))))
    expect(await changedSince(thinned)).toBe('unknown')
  })

  it('[B4] does not know after a rollback, in another table of the name, or without bounds', async () => {
    const first = await rows('2026-01-01 00:00:00+00')
    const second = await rows('2026-01-02 00:00:00+00')
    const snapshotId = first.metadata.currentSnapshotId ?? 0n
    await lake.update(name, [
      { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId } },
    ])
    expect(await changedSince(second)).toBe('unknown')
    expect(await changedSince(first)).toEqual([])

    const [file] = await files(first)
    if (file === undefined) throw new Error('no file')
    const { lowerBounds: _l, upperBounds: _u, nullValueCounts: _n, ...bare } = file
    const tools = { io: lake.io, clock: systemClock, random }
    const action = new FastAppend(tools, { files: [{ ...bare, filePath: `${file.filePath}.x` }] })
    await commitAction(lake.catalog, first.identifier, action, tools)
    expect(await changedSince(first)).toBe('unknown')

    const table = await lake.load(name)
    const state = { ...sourceStateOf(first.metadata), tableUuid: 'another' }
    expect(await changedTimes(lake, table, state, field(table))).toBe('unknown')
  })

  it('[B4] goes by age where history has expired, but only in tables that streams fill', async () => {
    const before = await rows('2026-01-01 00:00:00+00')
    const middle = await rows('2026-01-02 00:00:00+00')
    await rows('2026-01-03 00:00:00+00')
    await expire(before.metadata.currentSnapshotId, middle.metadata.currentSnapshotId)
    expect(await changedSince(before)).toBe('unknown')
    await lake.update(name, [
      { action: 'set-properties', updates: { 'tidewater.offsets.main': '{}' } },
    ])
    expect(await changedSince(before)).toEqual([
      '2026-01-02T00:00:00Z 2026-01-02T00:00:00.001Z',
      '2026-01-03T00:00:00Z 2026-01-03T00:00:00.001Z',
    ])
  })

  it('refuses an event time that is no time', async () => {
    const table = await lake.load(name)
    expect(eventTimeField(table.metadata, 'nope')).toBeUndefined()
    expect(() => eventTimeField(table.metadata, 'note')).toThrow(/must be a date, timestamp/)
  })
})
