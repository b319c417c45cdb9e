/**
 * The invariants of docs/spec/exactly-once.md on embedded parts: each is met by a fault that would
 * break it. The same on real Kafka and MinIO, with kill -9, is in tests/integration.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, currentSnapshot } from '../../catalog/format/index.ts'
import { commitAction, FastAppend, UpdateSchema } from '../../catalog/index.ts'
import { type Clock, CorruptDataError, systemClock, systemRandom } from '../../common/index.ts'
import { OffsetConflictError } from '../../ingest/index.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'
import { eventually } from '../support/eventually.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture
let faulty: FaultyFileIO
/** In place of the time of a delay, when a test sets it. */
let held: Promise<void> | undefined

beforeEach(async () => {
  held = undefined
  const sleep: Clock['sleep'] = (ms, signal) => held ?? systemClock.sleep(ms, signal)
  lake = await openLakeFixture({
    wrap: (inner) => {
      faulty = new FaultyFileIO(inner, { clock: { ...systemClock, sleep } })
      return faulty
    },
  })
  await lake.log.createTopic('events', 2)
})
afterEach(() => lake.close())

const identifier = { namespace: ['web'], name: 'events' }
const tools = { clock: systemClock, random: systemRandom }
const pointer = /_catalog\/tables\/web\/events\.json$/

function stream(maxRecords = 1000): string {
  return `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: ${maxRecords} } } }
`
}

const wideStream = stream(10).replace('topics: [events]', 'topics: [wide]')

/** Appends in calls of ten, so that a poll brings several batches. */
async function produce(from: number, count: number, poison: readonly number[] = []): Promise<void> {
  for (let start = from; start < from + count; start += 10) {
    const values = Array.from({ length: Math.min(10, from + count - start) }, (_, index) => {
      const id = start + index
      return poison.includes(id) ? `poison ${id}` : `{"id":${id}}`
    })
    await lake.log.appendValues({ topic: 'events', partition: 0 }, values)
  }
}

async function ids(): Promise<readonly number[]> {
  const rows = await lake.rows('web.events', 'id')
  return rows.map((row) => Number(row['id'])).sort((left, right) => left - right)
}

async function letterOffsets(): Promise<readonly number[]> {
  const rows = await lake.rows('web.events__dlq', '"offset" AS o')
  return rows.map((row) => Number(row['o'])).sort((left, right) => left - right)
}

const numbers = (from: number, to: number, without: readonly number[] = []): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index).filter(
    (id) => !without.includes(id),
  )

describe('a stream', () => {
  it('[E1] moves the offsets in the very snapshot that holds the rows, and in the property', async () => {
    await produce(0, 30)
    await lake.run(lake.settings(stream()))
    const { metadata } = await lake.catalog.loadTable(identifier)
    const summary = currentSnapshot(metadata)?.summary
    expect(summary?.['added-records']).toBe('30')
    expect(summary?.['tidewater.offsets']).toContain('"next-offsets":{"0":30')
    expect(metadata.properties['tidewater.offsets.main']).toBe(summary?.['tidewater.offsets'])
  })

  it('[E2] finds its offsets below a foreign snapshot that carries none', async () => {
    await produce(0, 20)
    await lake.run(lake.settings(stream()))
    const foreign = new FastAppend({ io: lake.io, ...tools }, { files: [] })
    await commitAction(lake.catalog, identifier, foreign, tools)
    // And its writer threw properties away that it did not know.
    const updates = [{ action: 'remove-properties', removals: ['tidewater.offsets.main'] } as const]
    await lake.catalog.commitTable({ identifier, requirements: [], updates })
    await produce(20, 20)
    await lake.run(lake.settings(stream()))
    expect(await ids()).toEqual(numbers(0, 40))
  })

  it('[E2] finds its offsets in the property when its snapshots have expired', async () => {
    await produce(0, 20)
    await lake.run(lake.settings(stream()))
    const foreign = new FastAppend({ io: lake.io, ...tools }, { files: [] })
    await commitAction(lake.catalog, identifier, foreign, tools)
    const { metadata } = await lake.catalog.loadTable(identifier)
    const ours = metadata.snapshots[0]?.snapshotId
    if (ours === undefined) throw new Error('no snapshot')
    const updates = [{ action: 'remove-snapshots', snapshotIds: [ours] } as const]
    await lake.catalog.commitTable({ identifier, requirements: [], updates })
    await produce(20, 20)
    await lake.run(lake.settings(stream()))
    expect(await ids()).toEqual(numbers(0, 40))
  })

  it('[E2] refuses to guess after another engine rolled the branch back', async () => {
    await produce(0, 20)
    await lake.run(lake.settings(stream()))
    await produce(20, 20)
    await lake.run(lake.settings(stream()))
    const { metadata } = await lake.catalog.loadTable(identifier)
    const first = metadata.snapshots[0]?.snapshotId
    if (first === undefined) throw new Error('no snapshot')
    await lake.catalog.commitTable({
      identifier,
      requirements: [],
      updates: [
        { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId: first, type: 'branch' } },
      ],
    })
    await expect(lake.run(lake.settings(stream()))).rejects.toThrow(CorruptDataError)
    expect(await ids()).toEqual(numbers(0, 20))
  })

  it('[E3] stops when another sink was first, and leaves the table as that one left it', async () => {
    await produce(0, 20)
    await lake.run(lake.settings(stream()))
    await produce(20, 20)
    // The slow one has read the offsets and holds its upload; the other commits meanwhile.
    let release = (): void => undefined
    held = new Promise((resolve) => {
      release = resolve
    })
    faulty.inject({ kind: 'delay', on: ['upload'] })
    const slow = lake.run(lake.settings(stream())).catch((error: unknown) => error)
    await eventually(() => faulty.count('upload') >= 2)
    await lake.run(lake.settings(stream()))
    release()
    const { metadata } = await lake.catalog.loadTable(identifier)
    const lost = await slow
    expect(lost).toBeInstanceOf(OffsetConflictError)
    expect(String(lost)).toContain(`snapshot=${currentSnapshot(metadata)?.snapshotId}`)
    expect(await ids()).toEqual(numbers(0, 40))
  })

  it('[E4] keeps the values of a column that another writer renames while a batch is open', async () => {
    await produce(0, 10)
    await lake.run(lake.settings(stream()))
    // 20 records are sealed at once; 10 are read by the old name and wait for the interval.
    await produce(10, 20)
    const late = numbers(30, 40).map((id) => `{"id":${id}}`)
    await lake.log.appendValues({ topic: 'events', partition: 1 }, late)
    const yaml = stream(20).replace('interval: 10s', 'interval: 900ms')
    faulty.inject({ kind: 'delay', on: ['upload'], delayMs: 300 })
    const stop = new AbortController()
    const running = lake.run(lake.settings(yaml), { until: 'stopped', signal: stop.signal })
    await eventually(() => faulty.count('upload') >= 2)
    const rename = new UpdateSchema([{ kind: 'rename-column', path: ['id'], name: 'number' }])
    await commitAction(lake.catalog, identifier, rename, tools)
    const committed = async (): Promise<string | undefined> => {
      const { metadata } = await lake.catalog.loadTable(identifier)
      return metadata.properties['tidewater.offsets.main']
    }
    await eventually(async () => (await committed())?.includes('"1":10'))
    stop.abort()
    await running
    const { metadata } = await lake.catalog.loadTable(identifier)
    const column = currentSchema(metadata).fields[0]
    expect(column?.name).toBe('number')
    const rows = await lake.rows('web.events', '*')
    const values = rows.map((row) => Number(row['number'] ?? row['id']))
    expect(values.sort((left, right) => left - right)).toEqual(numbers(0, 40))
  })

  it('[E4] accounts for every record of a range: rows, letters, and nothing else', async () => {
    const poison = [3, 17, 18, 44, 59]
    await produce(0, 60, poison)
    const result = await lake.run(lake.settings(stream(15)))
    expect(result).toMatchObject({ recordsRead: 60, rowsCommitted: 55, deadLetters: 5 })
    expect(await ids()).toEqual(numbers(0, 60, poison))
    expect(await letterOffsets()).toEqual(poison)
  })

  it('[E5] does not repeat letters whose rows were not committed after them', async () => {
    const poison = [12, 13]
    await produce(0, 10)
    await lake.run(lake.settings(stream()))
    await produce(10, 20, poison)
    const dies = faulty.inject({
      kind: 'fail-before',
      on: ['write'],
      at: /\/web\/events\/metadata\/.*\.avro$/,
      error: () => new Error('the process ends here'),
      times: 1_000,
    })
    await expect(lake.run(lake.settings(stream()))).rejects.toThrow('the process ends here')
    expect(dies.struck).toBeGreaterThan(0)
    expect(await letterOffsets()).toEqual(poison)
    expect(await ids()).toEqual(numbers(0, 10))
    dies.disarm()
    await produce(30, 10, [33])
    await lake.run(lake.settings(stream()))
    expect(await letterOffsets()).toEqual([...poison, 33])
    expect(await ids()).toEqual(numbers(0, 40, [...poison, 33]))
  })

  it('[E7] commits batches in the order they were sealed although the first swap is the slowest', async () => {
    await produceWide()
    // The table's creation comes first.
    faulty.inject({ kind: 'delay', on: ['write'], at: pointer, skip: 1, delayMs: 300 })
    await lake.run(lake.settings(wideStream))
    const { metadata } = await lake.catalog.loadTable(identifier)
    const ranges = metadata.snapshots.flatMap(
      ({ summary }) => JSON.parse(summary?.['tidewater.ranges'] ?? '[]') as readonly Range[],
    )
    expect(ranges.map(({ partition }) => partition)).toEqual(numbers(0, 10))
    expect(metadata.snapshots).toHaveLength(10)
  })

  it.each([
    ['upload', /\/data\//],
    ['write', /\/metadata\/snap-|\/metadata\/.*\.avro/],
    ['write', pointer],
  ] as const)(
    '[E8] begins anew from the table when a %s at %s fails in the middle',
    async (on, at) => {
      await produceWide([55])
      const fault = faulty.inject({ kind: 'fail-before', on: [on], at, skip: 3, times: 2 })
      await lake.run(lake.settings(wideStream))
      expect(fault.struck).toBe(2)
      expect(await ids()).toEqual(numbers(0, 100, [55]))
      expect(await letterOffsets()).toEqual([5])
    },
  )
})

/** Ten records in each of ten partitions: ten batches, hence ten commits, of one poll. */
async function produceWide(poison: readonly number[] = []): Promise<void> {
  await lake.log.createTopic('wide', 10)
  for (let partition = 0; partition < 10; partition++) {
    const values = numbers(partition * 10, partition * 10 + 10).map((id) =>
      poison.includes(id) ? `poison ${id}` : `{"id":${id}}`,
    )
    await lake.log.appendValues({ topic: 'wide', partition }, values)
  }
}

interface Range {
  readonly partition: number
}
