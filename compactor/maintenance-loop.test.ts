import { describe, expect, it } from 'vitest'
import type { DataFile, Schema, Snapshot, TableMetadata } from '../catalog/format/index.ts'
import {
  commitAction,
  ConflictError,
  type DataFileRewriter,
  expireSnapshots,
  FastAppend,
  ObjectStoreCatalog,
} from '../catalog/index.ts'
import { type LogFields, NotFoundError, seededRandom } from '../common/index.ts'
import { MemoryFileIO } from '../io/index.ts'
import { InstantClock } from '../tests/support/instant-clock.ts'
import { tableHealth } from './table-health.ts'
import { MaintenanceLoop, type MaintenancePolicy, snapshotsOlderThan } from './maintenance-loop.ts'

const policy: MaintenancePolicy = { intervalMs: 1_000, snapshotsMax: 10, snapshotAgeMsMin: 600 }
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'n', required: false, type: { type: 'long' } }],
}

function history(
  agesMs: readonly number[],
  properties: Record<string, string> = {},
): TableMetadata {
  const snapshots = agesMs.map(
    (age, index): Snapshot => ({
      snapshotId: BigInt(index + 1),
      sequenceNumber: BigInt(index + 1),
      timestampMs: BigInt(1e12 - age),
    }),
  )
  return { snapshots, properties } as unknown as TableMetadata
}

describe('snapshotsOlderThan()', () => {
  const day = 86_400_000
  const many = Array.from({ length: 13 }, (_, index) => (13 - index) * 100)
  const ageOf = (metadata: TableMetadata): number | undefined => {
    const time = snapshotsOlderThan(metadata, 1e12, policy)
    return time === undefined ? undefined : 1e12 - Number(time)
  }

  it('follows the age of the table, or five days', () => {
    expect(ageOf(history([4 * day, 1]))).toBeUndefined()
    expect(ageOf(history([6 * day, 1]))).toBe(5 * day)
    const own = { 'history.expire.max-snapshot-age-ms': String(3 * day) }
    expect(ageOf(history([4 * day, 1], own))).toBe(3 * day)
  })

  it.each(['5d', '-1', '', 'abc', '1.5', '1e3', ' 5 '])('refuses an age of %j', (age) => {
    for (const name of ['max-snapshot-age-ms', 'max-ref-age-ms', 'min-snapshots-to-keep']) {
      const property = `history.expire.${name}`
      expect(() => ageOf(history([6 * day, 1], { [property]: age }))).toThrow(property)
    }
  })

  it('reads an age beyond 2^53 as it stands: nothing is that old', () => {
    const never = { 'history.expire.max-snapshot-age-ms': String(2n ** 63n - 1n) }
    expect(ageOf(history([6 * day, 1], never))).toBeUndefined()
  })

  it('never makes a commit for the sake of the newest snapshot', () => {
    expect(ageOf(history([6 * day]))).toBeUndefined()
  })

  it('bounds the number where the table states no age, with some slack', () => {
    expect(ageOf(history(many))).toBe(1_000)
    expect(ageOf(history(many.slice(1)))).toBeUndefined()
    expect(ageOf(history(many, { 'history.expire.max-snapshot-age-ms': '100000000' }))).toBe(
      undefined,
    )
  })

  it('keeps snapshots that somebody may be reading, however many there are', () => {
    const fresh = Array.from({ length: 40 }, (_, index) => 40 - index)
    expect(ageOf(history(fresh))).toBeUndefined()
    expect(ageOf(history([700, ...fresh]))).toBe(600)
  })
})

/** A lake in memory whose rewriter fails. */
async function lake(tables?: readonly string[]) {
  const clock = new InstantClock()
  const io = new MemoryFileIO({ clock })
  const catalog = new ObjectStoreCatalog({ io, warehouse: 'memory://m/wh', clock })
  await catalog.createNamespace(['a'])
  const events: [string, LogFields | undefined][] = []
  const note = (event: string, fields?: LogFields): void => void events.push([event, fields])
  const failure = {
    of: (path: string | undefined): Error => new Error(`cannot read ${path}`),
  }
  const rewriter: DataFileRewriter = {
    rewrite: async ({ inputs }) => {
      await Promise.resolve()
      throw failure.of(inputs[0]?.file.filePath)
    },
  }
  const tools = { io, clock, random: seededRandom(3) }
  const append = async (name: string): Promise<void> => {
    const filePath = `memory://m/wh/a/${name}/data/${clock.now()}.parquet`
    clock.advance(1)
    const file: DataFile = {
      content: 'data',
      filePath,
      fileFormat: 'PARQUET',
      specId: 0,
      partition: [],
      recordCount: 1n,
      fileSizeInBytes: 10n,
    }
    await io.write(filePath, new Uint8Array(10))
    const identifier = { namespace: ['a'], name }
    await commitAction(catalog, identifier, new FastAppend(tools, { files: [file] }), tools)
  }
  const create = async (name: string, commits: number): Promise<void> => {
    await catalog.createTable({ identifier: { namespace: ['a'], name }, schema })
    for (let commit = 0; commit < commits; commit++) await append(name)
  }
  const logger = { debug: note, info: note, warn: note, error: note, with: () => logger }
  const loop = new MaintenanceLoop(
    { ...tools, catalog, rewriter, logger, workDirectory: '/tmp/tidewater-maintenance-test' },
    policy,
    tables?.map((name) => ({ namespace: ['a'], name })),
  )
  return { append, catalog, clock, create, events, failure, io, loop }
}

describe('MaintenanceLoop', () => {
  const unreadable = ['5d', '-1']
  it.each(unreadable)('[K15] refuses an age of %s, expires nothing, compacts on', async (age) => {
    const { append, catalog, clock, create, events, io, loop } = await lake()
    await create('t', 3)
    const identifier = { namespace: ['a'], name: 't' }
    const { metadata } = await catalog.loadTable(identifier)
    const property = 'history.expire.max-snapshot-age-ms'
    const set = async (value: string): Promise<void> => {
      await catalog.commitTable({
        identifier,
        requirements: [],
        updates: [{ action: 'set-properties', updates: { [property]: value } }],
      })
    }
    await set(age)
    clock.advance(1e12)
    const tools = { io, clock, random: seededRandom(4) }
    await expect(expireSnapshots(catalog, identifier, tools)).rejects.toThrow(property)
    const health = await tableHealth({ catalog, io, clock }, identifier)
    const check = health.checks.find((one) => one.check === 'snapshots')
    expect(check?.reason).toContain(`none expires: the table property ${property} must be`)
    expect(check?.cure).toBe(`tide table properties remove a.t ${property}`)

    for (let pass = 0; pass < 3; pass++) await loop.runOnce()
    const refused = events.filter(([event]) => event === 'maintenance.expiry-refused')
    expect(refused).toHaveLength(1)
    expect(refused[0]?.[1]).toMatchObject({ table: 'a.t' })
    expect(refused[0]?.[1]?.['error']).toContain(`${property} must be a whole number`)
    const after = (await catalog.loadTable(identifier)).metadata
    expect(after.snapshots).toHaveLength(metadata.snapshots.length)
    expect(events.filter(([event]) => event === 'maintenance.table-failed')).toEqual([])

    // The rewriter of this lake fails, which shows that it was asked.
    await append('t')
    await append('t')
    await loop.runOnce()
    expect(events.at(-1)?.[1]?.['error']).toContain('cannot read')

    // It is left alone for a while because of that failure; then the three old ones go.
    await set('86400000')
    for (let pass = 0; pass < 4; pass++) await loop.runOnce()
    expect((await catalog.loadTable(identifier)).metadata.snapshots).toHaveLength(2)
  })

  it('[K12] goes on with the other tables and comes back to the failing one ever later', async () => {
    const { catalog, create, events, loop } = await lake()
    await create('bad', 5)
    await create('good', 4)
    for (let pass = 0; pass < 8; pass++) await loop.runOnce()
    expect(
      events.map(([event, fields]) => [event, fields?.['table'], fields?.['passesToSkip']]),
    ).toEqual([
      ['maintenance.table-failed', 'a.bad', 1],
      ['maintenance.table-failed', 'a.bad', 2],
      ['maintenance.table-failed', 'a.bad', 4],
    ])
    expect(events[0]?.[1]?.['error']).toMatch(/cannot read .*bad/)
    const { metadata } = await catalog.loadTable({ namespace: ['a'], name: 'good' })
    expect(metadata.snapshots).toHaveLength(4)
  })

  it('expires by number beside appends and says so', async () => {
    const { append, catalog, clock, create, events, loop } = await lake()
    // Large enough files are none of the compactor's business; four small ones are too few.
    await create('t', 4)
    const identifier = { namespace: ['a'], name: 't' }
    await catalog.commitTable({
      identifier,
      requirements: [],
      updates: [{ action: 'set-properties', updates: { 'write.target-file-size-bytes': '8' } }],
    })
    for (let commit = 0; commit < 20; commit++) await append('t')
    clock.advance(1_000)
    await loop.runOnce()
    const { metadata } = await catalog.loadTable(identifier)
    expect(metadata.snapshots).toHaveLength(10)
    expect(events).toEqual([
      ['maintenance.done', { table: 'a.t', filesBefore: 0, filesAfter: 0, snapshotsExpired: 14 }],
    ])
  })

  it('[K12] expires the snapshots of a table that it cannot rewrite', async () => {
    const { catalog, clock, create, events, loop } = await lake()
    await create('bad', 20)
    clock.advance(1_000)
    await loop.runOnce()
    const { metadata } = await catalog.loadTable({ namespace: ['a'], name: 'bad' })
    expect(metadata.snapshots).toHaveLength(10)
    expect(events.map(([event]) => event)).toEqual(['maintenance.table-failed'])
  })

  it('[K13] looks only at the pointer of a table that has not changed', async () => {
    const { create, io, loop } = await lake()
    await create('t', 4)
    await loop.runOnce()
    const reads: string[] = []
    const read = io.read.bind(io)
    io.read = (location, range) => {
      reads.push(location)
      return read(location, range)
    }
    await loop.runOnce()
    expect(reads.filter((location) => !location.includes('/_catalog/'))).toEqual([])
  })

  it('[K14] gives way without a word to whoever was there first, but not for ever', async () => {
    const { create, events, failure, loop } = await lake()
    await create('t', 5)
    failure.of = () => new NotFoundError('its inputs were replaced and expired')
    for (let pass = 0; pass < 7; pass++) await loop.runOnce()
    expect(new Set(events.map(([event]) => event))).toEqual(new Set(['maintenance.yielded']))
    expect(events).toHaveLength(7)
    failure.of = () => new ConflictError('rival', [])
    await loop.runOnce()
    expect(events.at(-1)?.[0]).toBe('maintenance.table-failed')
  })

  it('[K14] processes that start together do not look together', async () => {
    const { clock, create, loop } = await lake()
    await create('t', 1)
    const { sleep } = clock
    clock.sleep = async (ms, signal) => {
      await new Promise((resolve) => setImmediate(resolve))
      return sleep.call(clock, ms, signal)
    }
    loop.start()
    while (clock.sleepsMs.length < 50) await new Promise((resolve) => setImmediate(resolve))
    await loop.stop()
    const waits = clock.sleepsMs.slice(0, 50)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(policy.intervalMs * 0.8)
    expect(Math.max(...waits)).toBeLessThanOrEqual(policy.intervalMs * 1.2)
    expect(new Set(waits).size).toBeGreaterThan(20)
    const mean = waits.reduce((sum, ms) => sum + ms, 0) / waits.length
    expect(Math.abs(mean / policy.intervalMs - 1)).toBeLessThan(0.1)
  })

  it('keeps only the tables it is given, and waits for those that nobody has made yet', async () => {
    const { create, events, loop } = await lake(['own', 'later'])
    await create('own', 5)
    await create('other', 5)
    await loop.runOnce()
    expect(events.map(([, fields]) => fields?.['table'])).toEqual(['a.own'])
    await create('later', 5)
    await loop.runOnce()
    expect(events.map(([, fields]) => fields?.['table'])).toEqual(['a.own', 'a.later'])
  })

  it('stops at once', async () => {
    const { create, loop } = await lake()
    await create('t', 1)
    loop.start()
    loop.start()
    await loop.stop()
    await expect(loop.runOnce()).rejects.toThrow('maintenance is stopped')
  })
})
