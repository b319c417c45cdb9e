/**
 * What may happen to a table, its branches and its history between a replay and its publishing, or in the
 * middle of either: no record of the range is lost and none is there twice.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { executeReplay, type Lake, publishBranch, type ReplayRequest } from '../../app/index.ts'
import { currentSchema, type TableIdentifier } from '../../catalog/format/index.ts'
import {
  type Catalog,
  commitAction,
  expireSnapshots,
  OverwriteFiles,
  type Table,
  type TableUpdate,
  UpdateSchema,
} from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import { systemClock } from '../../common/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { openReplayTools } from '../../app/open-replay.ts'
import { rewriteRows } from '../../replay/range-files.ts'
import { rowRangeOf } from '../../replay/row-range.ts'
import { withRangeTools } from '../../replay/range-tools.ts'
import { withCommit, withRival } from '../support/catalog-lake.ts'
import {
  events,
  expectedRows as expected,
  lenientSchema,
  letters,
  openReplayLake,
  type ReplayLake,
  replayRequest as request,
} from '../support/replay-lake.ts'

let on: ReplayLake
let lake: Lake

beforeEach(async () => {
  on = await openReplayLake()
  lake = on.lake
})
afterEach(() => on.close())

const strict = (): StreamSettings => on.stream({ maxRecords: 1_000 })
const lenient = (): StreamSettings => on.stream({ schema: lenientSchema, maxRecords: 1_000 })
const inRange = (partition: number, offset: number): boolean =>
  partition === 0 && offset >= 25 && offset < 75
const letterBranch = 'fix@web.events'

async function fill(from: number, to: number): Promise<void> {
  await on.produce(from, to)
  await on.fixture.run(strict())
}

async function change(updates: readonly TableUpdate[], table = events): Promise<void> {
  await on.fixture.catalog.commitTable({ identifier: table, requirements: [], updates })
}

/** A way back, with the offsets that belong there. */
async function bookmark(table: TableIdentifier = events): Promise<() => Promise<void>> {
  const { metadata } = await on.fixture.catalog.loadTable(table)
  const { snapshotId = 0n } = metadata.refs['main'] ?? {}
  const key = 'tidewater.offsets.main'
  const updates = { [key]: metadata.properties[key] ?? '' }
  return () =>
    change(
      [
        { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId, type: 'branch' } },
        { action: 'set-properties', updates },
      ],
      table,
    )
}

async function expireAllBut(retainLast: number, table = events): Promise<void> {
  await systemClock.sleep(5)
  const olderThanMs = BigInt(systemClock.now())
  await expireSnapshots(on.fixture.catalog, table, lake, { olderThanMs, retainLast })
}

function through(catalog: Catalog): Lake {
  return { ...lake, catalog }
}

const all = (to: number): readonly string[] =>
  [0, 1].flatMap((partition) => Array.from({ length: to }, (_, id) => `${partition}:${id}`))

/** Rows and letters by place, in order; a record that is both is there twice. */
async function places(): Promise<readonly string[]> {
  const rows = (await on.rowsOf()).map(([partition, offset]) => `${partition}:${offset}`)
  const found = [...rows, ...(await on.letterPlaces())]
  const order = (place: string): number => {
    const [partition, offset] = place.split(':').map(Number)
    return (partition ?? 0) * 1e6 + (offset ?? 0)
  }
  return found.sort((left, right) => order(left) - order(right))
}

describe('main between a replay and its publishing', () => {
  it('[P8] was rolled back, and the sink has written the range again', async () => {
    await fill(0, 20)
    const back = await bookmark()
    await fill(20, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    await back()
    await on.fixture.run(strict())
    expect(await publishBranch(lake, events, 'fix')).toMatchObject({ isRedone: true })
    expect(await on.rowsOf()).toEqual(expected(100, inRange))
    expect(await places()).toEqual(all(100))
  })

  it('[P9] had its letters rolled back', async () => {
    await fill(0, 20)
    const back = await bookmark(letters)
    await fill(20, 100)
    await executeReplay(lake, on.stream(), request(25, 75))
    await back()
    await publishBranch(lake, events, 'fix', { dropBranch: true })
    const found = await on.letterPlaces()
    expect(found.filter((place) => place.startsWith('0:'))).toEqual([
      '0:0',
      '0:10',
      '0:30',
      '0:40',
      '0:50',
      '0:60',
      '0:70',
    ])
    expect(await on.rowsOf()).toEqual(expected(100, () => false))
  })

  it('[P8] has expired, and the fork was the root of the table', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    // The snapshots between the fork and the branch's head stay.
    for (const name of ['fix', 'fix.base']) {
      const retention = { minSnapshotsToKeep: 100 }
      await on.changeRefs([{ kind: 'set-retention', name, retention }])
    }
    for (const from of [100, 110]) await fill(from, from + 10)
    await expireAllBut(1)
    await publishBranch(lake, events, 'fix')
    expect(await on.rowsOf()).toEqual(expected(120, inRange))
  })

  it('[P6] was given rows of the range where it held none, by another replay', async () => {
    // One record of the range, and main has a letter of it.
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(30, 31, 'fix'))
    await executeReplay(lake, lenient(), request(30, 31, 'fix2'))
    await publishBranch(lake, events, 'fix')
    const published = await publishBranch(lake, events, 'fix2')
    expect(published).toMatchObject({ isRedone: true })
    expect(await on.rowsOf()).toEqual(expected(100, (p, offset) => p === 0 && offset === 30))
    expect(await places()).toEqual(all(100))
  })

  it('[P6] is given such rows while the publishing is under way, fresh or redone', async () => {
    await fill(0, 100)
    for (const into of ['a', 'b', 'c']) {
      await executeReplay(lake, lenient(), request(30, 31, into))
    }
    const rival = (into: string) => () => publishBranch(lake, events, into)
    const { catalog } = on.fixture
    await publishBranch(through(withRival(catalog, rival('a'))), events, 'b')
    await publishBranch(through(withRival(catalog, rival('a'))), events, 'c')
    expect(await on.rowsOf()).toEqual(expected(100, (p, offset) => p === 0 && offset === 30))
    await on.compact()
    await executeReplay(lake, lenient(), request(40, 41, 'd'))
    await executeReplay(lake, lenient(), request(40, 41, 'e'))
    // Neither has the fork in its history: both are computed anew.
    await fill(100, 110)
    await fill(110, 120)
    await expireAllBut(1)
    const racing = through(withRival(catalog, rival('d')))
    expect(await publishBranch(racing, events, 'e')).toMatchObject({ isRedone: true })
    const isMended = (p: number, offset: number): boolean =>
      p === 0 && (offset === 30 || offset === 40)
    expect(await on.rowsOf()).toEqual(expected(120, isMended))
    expect(await places()).toEqual(all(120))
  })

  it('[P8] is compacted and expired while the publishing is under way', async () => {
    await fill(0, 40)
    await fill(40, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    const rival = async (): Promise<void> => {
      await on.compact()
      await expireAllBut(1)
    }
    await publishBranch(through(withRival(on.fixture.catalog, rival)), events, 'fix')
    expect(await on.rowsOf()).toEqual(expected(100, inRange))
    expect(await places()).toEqual(all(100))
  })

  it('[P2] was filled by another stream too, whose rows nobody could tell apart', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    await on.fixture.log.createTopic('others', 2)
    await on.produce(0, 100, 'others')
    const other = on.stream({ name: 'others', maxRecords: 1_000 })
    const rival = (): Promise<unknown> => on.fixture.run({ ...other, output: strict().output })
    await expect(
      publishBranch(through(withRival(on.fixture.catalog, rival)), events, 'fix'),
    ).rejects.toThrow(/another stream has filled the same table/)
    const before = await on.rowsOf()
    expect(before).toHaveLength(2 * 180)
    await expect(publishBranch(lake, events, 'fix')).rejects.toThrow(
      /another stream has filled the same table/,
    )
    expect(await on.rowsOf()).toEqual(before)
    expect(await on.letterPlaces()).toHaveLength(20)
  })

  it('[P5] has had a column renamed, whose values stay', async () => {
    const inferred = (): StreamSettings => on.stream({ schema: '', maxRecords: 1_000 })
    await on.produce(0, 100)
    await on.fixture.run(inferred())
    const rename = new UpdateSchema([{ kind: 'rename-column', path: ['id'], name: 'key' }])
    await commitAction(on.fixture.catalog, events, rename, lake)
    await executeReplay(lake, inferred(), request(25, 75))
    await publishBranch(lake, events, 'fix')
    // The stream's key still has the old name; its values follow the column.
    const columns = '_kafka.partition AS p, _kafka.offset AS o, key AS id'
    const found = await on.fixture.rows('web.events', columns)
    expect(found.map(({ p, o, id }) => [Number(p), Number(o), Number(id)])).toEqual(
      [0, 1].flatMap((p) => Array.from({ length: 100 }, (_, id) => [p, id, id])),
    )
  })
})

describe('a publishing', () => {
  it('[P6] that was rolled back is done anew, and --drop-branch drops nothing that is not on main', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    const back = await bookmark()
    await publishBranch(lake, events, 'fix')
    await back()
    expect(await on.rowsOf()).toEqual(expected(100, () => false))
    const again = await publishBranch(lake, events, 'fix', { dropBranch: true })
    expect(again).toMatchObject({ isChanged: true })
    expect(await on.rowsOf()).toEqual(expected(100, inRange))
    expect(await places()).toEqual(all(100))
  })

  it('[P6] whose trace has expired is believed where main holds its rows, and asked about where not', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    const back = await bookmark()
    await publishBranch(lake, events, 'fix')
    await fill(100, 110)
    await expireAllBut(1)
    const before = await on.fixture.catalog.loadTable(events)
    expect(await publishBranch(lake, events, 'fix')).toMatchObject({ isChanged: false })
    const after = await on.fixture.catalog.loadTable(events)
    expect(after.metadataLocation).toBe(before.metadataLocation)

    // Rolled back, written again, and nothing left that tells.
    await back()
    await on.fixture.run(strict())
    await fill(110, 120)
    await expireAllBut(1)
    await expect(publishBranch(lake, events, 'fix', { dropBranch: true })).rejects.toThrow(
      /holds other rows of the range now.*--restart/,
    )
    expect((await on.fixture.catalog.loadTable(events)).metadata.refs['fix']).toBeDefined()
    await executeReplay(lake, lenient(), { ...request(25, 75), restart: true })
    await publishBranch(lake, events, 'fix')
    expect(await on.rowsOf()).toEqual(expected(120, inRange))
    expect(await places()).toEqual(all(120))
  })

  it('[P6] is refused for a branch that is made anew meanwhile, and to another target', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    await expect(publishBranch(lake, events, 'fix', { target: 'other' })).rejects.toThrow(
      /the branch that it was taken from.*target=other/,
    )
    const stopped = AbortSignal.abort()
    const rival = async (): Promise<void> => {
      await executeReplay(lake, lenient(), { ...request(25, 75), restart: true, signal: stopped })
    }
    const racing = through(withRival(on.fixture.catalog, rival))
    await expect(publishBranch(racing, events, 'fix')).rejects.toThrow(/moved or replaced/)
    expect(await on.rowsOf()).toEqual(expected(100, () => false))
    // The same, where the exchange is computed anew.
    await executeReplay(lake, lenient(), request(25, 75))
    await on.compact()
    await expect(
      publishBranch(through(withRival(on.fixture.catalog, rival)), events, 'fix'),
    ).rejects.toThrow(/moved or replaced/)
    expect(await on.rowsOf()).toEqual(expected(100, () => false))
  })

  it('[P9] that two make at once is made once, its letters too', async () => {
    await on.produce(0, 100)
    // A letter by both rules, beside those that only the strict one makes.
    await on.fixture.log.appendValues({ topic: 'events', partition: 0 }, ['no json'])
    await on.fixture.run(lenient())
    await executeReplay(lake, strict(), request(25, 101))
    const rival = (): Promise<unknown> => publishBranch(lake, events, 'fix')
    await publishBranch(through(withRival(on.fixture.catalog, rival)), events, 'fix')
    expect(await on.rowsOf()).toEqual(
      expected(100, (partition, offset) => partition === 1 || offset < 25),
    )
    expect((await places()).filter((place) => place !== '0:100')).toEqual(all(100))
    expect((await on.letterPlaces()).filter((place) => place === '0:100')).toHaveLength(1)
  })

  it('[P8] that is computed anew does not pass over what others did on the branch', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    const { metadata } = await on.fixture.catalog.loadTable(events)
    const base = { baseSnapshotId: metadata.refs['fix']?.snapshotId, added: [] }
    const nothing = new OverwriteFiles(lake, { branch: 'fix', changes: base })
    await commitAction(on.fixture.catalog, events, nothing, lake)
    await on.compact()
    await expect(publishBranch(lake, events, 'fix')).rejects.toThrow(/others have changed/)
    expect(await on.rowsOf()).toEqual(expected(100, () => false))
  })

  it('[P6] goes back to the branch that the stream writes, and its files outlive the branch', async () => {
    const dev = (settings: StreamSettings): StreamSettings => ({
      ...settings,
      output: { ...settings.output, branch: 'dev' },
    })
    await on.produce(0, 50)
    await on.fixture.run(dev(strict()))
    await on.produce(50, 100)
    await on.fixture.run(dev(strict()))
    await executeReplay(lake, dev(lenient()), request(25, 75))
    await publishBranch(lake, events, 'fix', { dropBranch: true })
    for (const table of [events, letters]) await expireAllBut(1, table)
    const { metadata } = await on.fixture.catalog.loadTable(events)
    expect(Object.keys(metadata.refs)).toEqual(['dev'])
    expect(metadata.snapshots).toHaveLength(1)
    expect(await on.rowsOf('dev')).toEqual(expected(100, inRange))
    expect(await on.letterPlaces()).toHaveLength(15)
  })

  it('[P9] that stops between any two commits leaves each record a row or a letter, or both', async () => {
    await fill(0, 100)
    // Of these, the first half becomes rows, and the next replay makes letters of them again.
    for (const [into, settings] of [
      ['fix', lenient()],
      ['back', strict()],
    ] as const) {
      await executeReplay(lake, settings, request(25, 75, into))
      for (let commits = 0; ; commits++) {
        expect(commits).toBeLessThan(5)
        const stopping = withCommit(on.fixture.catalog, async (commit, attempt) => {
          if (attempt <= 1) return on.fixture.catalog.commitTable(commit)
          return Promise.reject(new Error('stopped here'))
        })
        const error = await publishBranch(through(stopping), events, into).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        expect([...new Set(await places())]).toEqual(all(100))
        if (error === undefined) break
        expect(String(error)).toContain('stopped here')
      }
      expect(await places()).toEqual(all(100))
    }
    expect(await on.rowsOf()).toEqual(expected(100, () => false))
  })
})

describe('branches of a replay', () => {
  it('[P9] of two streams with one dead-letter table may have the same name', async () => {
    await on.fixture.log.createTopic('others', 2)
    const more = 'errors: { dlq: { table: ops.letters } }'
    const shared = { namespace: ['ops'], name: 'letters' }
    const of = (name: string, schema?: string): StreamSettings =>
      on.stream({ name, more, maxRecords: 1_000, ...(schema === undefined ? {} : { schema }) })
    for (const name of ['events', 'others']) {
      await on.produce(0, 100, name)
      await on.fixture.run(of(name, lenientSchema))
    }
    for (const name of ['events', 'others']) {
      await executeReplay(lake, of(name), request(25, 75, 'fix', name))
    }
    for (const name of ['events', 'others']) {
      await publishBranch(lake, { namespace: ['web'], name }, 'fix', { dropBranch: true })
    }
    for (const name of ['events', 'others']) {
      expect(await on.letterPlaces('main', shared, name), name).toEqual([
        '0:30',
        '0:40',
        '0:50',
        '0:60',
        '0:70',
      ])
    }
    const { metadata } = await on.fixture.catalog.loadTable(shared)
    expect(Object.keys(metadata.refs)).toEqual(['main'])
    expect(Object.keys(metadata.properties).filter((key) => key.includes('fix'))).toEqual([])
  })

  it('[P3] are left alone by a stream that writes elsewhere now', async () => {
    await fill(0, 100)
    const signal = AbortSignal.abort()
    await executeReplay(lake, lenient(), { ...request(25, 75), signal })
    const elsewhere = on.stream({
      schema: lenientSchema,
      more: 'errors: { dlq: { table: ops.two } }',
    })
    await expect(executeReplay(lake, elsewhere, request(25, 75))).rejects.toThrow(
      /settings have changed since this replay began/,
    )
    const settings = lenient()
    const output = { ...settings.output, branch: 'dev' }
    await expect(executeReplay(lake, { ...settings, output }, request(25, 75))).rejects.toThrow(
      /writes to another branch.*began=main now=dev/,
    )
  })

  it('[P4] outlive the age that the tables give their branches', async () => {
    await fill(0, 100)
    for (const table of [events, letters]) {
      const updates = { 'history.expire.max-ref-age-ms': '1' }
      await change([{ action: 'set-properties', updates }], table)
    }
    const replay: ReplayRequest = request(25, 75)
    await executeReplay(lake, lenient(), { ...replay, signal: AbortSignal.abort() })
    for (const table of [events, letters]) await expireAllBut(1, table)
    await executeReplay(lake, lenient(), replay)
    for (const table of [events, letters]) await expireAllBut(1, table)
    await publishBranch(lake, events, 'fix')
    expect(await on.rowsOf()).toEqual(expected(100, inRange))
    expect(await places()).toEqual(all(100))
  })

  it('[P4] are missed when somebody removes one, before, in the middle and after', async () => {
    await fill(0, 100)
    const replay = request(25, 75)
    for (const [name, table] of [
      ['fix', events],
      [letterBranch, letters],
    ] as const) {
      const remove = (): Promise<void> => on.changeRefs([{ kind: 'remove', name }], table)
      const restarted = { ...replay, restart: true }
      await executeReplay(lake, on.stream(), restarted)
      await remove()
      await expect(publishBranch(lake, events, 'fix')).rejects.toThrow(/branch.*was removed/)
      await expect(executeReplay(lake, on.stream(), replay)).rejects.toThrow(/was removed/)

      // In the middle: just before the first batch of rows is committed.
      await executeReplay(lake, on.stream(), { ...restarted, signal: AbortSignal.abort() })
      const racing = through(withRival(on.fixture.catalog, remove))
      await expect(executeReplay(racing, on.stream(), replay)).rejects.toThrow(/was removed/)
      expect(await on.rowsOf()).toEqual(expected(100, () => false))
      expect(await places()).toEqual(all(100))
    }
  })

  it('[P4] are started over beside somebody who removes them', async () => {
    await fill(0, 100)
    await executeReplay(lake, on.stream(), request(25, 75))
    const remove = (): Promise<void> => on.changeRefs([{ kind: 'remove', name: 'fix' }])
    const racing = through(withRival(on.fixture.catalog, remove))
    await executeReplay(racing, lenient(), { ...request(25, 75), restart: true })
    await publishBranch(lake, events, 'fix')
    expect(await on.rowsOf()).toEqual(expected(100, inRange))
    expect(await places()).toEqual(all(100))
  })

  it('[P4] leave no letter branch of an earlier name of the table when they are started over', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    const renamed = { ...events, name: 'renamed' }
    await on.fixture.catalog.renameTable(events, renamed)
    const settings = on.stream({
      schema: lenientSchema,
      table: 'web.renamed',
      more: 'errors: { dlq: { table: web.events__dlq } }',
    })
    await executeReplay(lake, settings, { ...request(25, 75), restart: true })
    const { metadata } = await on.fixture.catalog.loadTable(letters)
    expect(Object.keys(metadata.refs).filter((ref) => ref !== 'main')).toEqual(['fix@web.renamed'])
  })

  it('[P4] are not made over a branch of somebody else', async () => {
    await fill(0, 100)
    await on.changeRefs([{ kind: 'create', type: 'branch', name: 'fix.base' }])
    await expect(executeReplay(lake, lenient(), request(25, 75))).rejects.toThrow(
      /no replay created it.*branch=fix.base/,
    )
  })

  it('[P4] do not take up the offsets of an earlier branch of their name', async () => {
    await fill(0, 100)
    await executeReplay(lake, lenient(), request(25, 75))
    const { metadata } = await on.fixture.catalog.loadTable(events)
    const offsets = metadata.properties['tidewater.offsets.fix'] ?? ''
    await change([
      { action: 'remove-snapshot-ref', refName: 'fix' },
      { action: 'remove-snapshot-ref', refName: 'fix.base' },
      { action: 'remove-properties', removals: ['tidewater.replay.fix'] },
    ])
    expect(offsets).not.toBe('')
    await executeReplay(lake, lenient(), request(25, 75))
    expect(await on.rowsOf('fix')).toEqual(expected(100, inRange))
  })

  it('[P4] are emptied once, though two runs of a replay begin together', async () => {
    // The range is one letter: nothing that is taken out says that another run was first.
    await fill(0, 100)
    const replay = request(30, 31)
    await executeReplay(lake, lenient(), { ...replay, signal: AbortSignal.abort() })
    const { metadata } = await on.fixture.catalog.loadTable(events)
    const back = metadata.properties['tidewater.offsets.fix'] ?? ''
    await change([{ action: 'remove-properties', removals: ['tidewater.offsets.fix'] }])
    const rival = async (): Promise<void> => {
      await change([{ action: 'set-properties', updates: { 'tidewater.offsets.fix': back } }])
      await executeReplay(lake, lenient(), replay)
    }
    const racing = through(withRival(on.fixture.catalog, rival))
    await expect(executeReplay(racing, lenient(), replay)).rejects.toThrow(/another run/)
    await publishBranch(lake, events, 'fix')
    expect(await on.rowsOf()).toEqual(expected(100, (p, offset) => p === 0 && offset === 30))
  })
})

it('[P5] rewriteRows() fails where it would write NULL for what it did not read', async () => {
  await on.produce(0, 20)
  await on.fixture.run(strict())
  const table = await on.fixture.catalog.loadTable(events)
  const { tasks } = await planScan(on.fixture.io, table)
  const files = tasks.map(({ file }) => file)
  const ranges = [{ topic: 'events', partition: 0, from: 5n, to: 8n }]
  const range = rowRangeOf({ stream: 'events', ranges }, ['main'])
  const { metadata } = table
  const schema = currentSchema(metadata)
  const renamed = schema.fields.map((field) =>
    field.name === 'v' ? { ...field, name: 'value' } : field,
  )
  const newer: Table = {
    ...table,
    metadata: { ...metadata, schemas: [{ ...schema, fields: renamed }] },
  }
  await withRangeTools(openReplayTools(on.lake), async (tools) => {
    const written = await rewriteRows(tools, table, 'main', files, range, 'outside')
    expect(written.reduce((sum, file) => sum + file.recordCount, 0n)).toBe(33n)
    // The rows are read by the names that the catalog knows, and written by others.
    const unpinned = { ...tools, pin: () => undefined }
    tools.pin(table)
    await expect(rewriteRows(unpinned, newer, 'main', files, range, 'outside')).rejects.toThrow(
      /without all of their columns.*missing=value/,
    )
  })
})
