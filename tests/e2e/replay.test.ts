/**
 * The invariants of docs/spec/replay.md on embedded parts: a range read again into a branch, compared and
 * published while a sink and a compaction go on; killed in the middle and started again.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  diffReplay,
  executeReplay,
  type Lake,
  previewReplay,
  publishBranch,
  type ReplayRequest,
} from '../../app/index.ts'
import { expireSnapshots } from '../../catalog/index.ts'
import { type Clock, systemClock } from '../../common/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import {
  events,
  expectedRows as expected,
  fields,
  lenientSchema,
  letters,
  openReplayLake,
  type ReplayLake,
  replayRequest as request,
  strictSchema,
} from '../support/replay-lake.ts'
import { withCommit } from '../support/catalog-lake.ts'
import { eventually } from '../support/eventually.ts'
import { tide } from '../support/tide.ts'

let on: ReplayLake
let fixture: ReplayLake['fixture']
let lake: Lake

beforeEach(async () => {
  on = await openReplayLake()
  fixture = on.fixture
  lake = on.lake
})
afterEach(() => on.close())

const stream = (schema: string, maxRecords?: number): StreamSettings =>
  on.stream({ schema, ...(maxRecords === undefined ? {} : { maxRecords }) })
const strict = (): StreamSettings => stream(strictSchema)
/** The mended rule: what was refused for 1.5 becomes 2. */
const lenient = (): StreamSettings => stream(lenientSchema)
const produce: ReplayLake['produce'] = (from, to) => on.produce(from, to)
const rowsOf: ReplayLake['rowsOf'] = (ref) => on.rowsOf(ref)
const letterPlaces: ReplayLake['letterPlaces'] = (ref) => on.letterPlaces(ref)
const compact = (): Promise<void> => on.compact()

async function tideRecord(args: string, directory: string): Promise<unknown> {
  const { code, stdout, stderr } = await tide(`${args} -o json`, { directory })
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout)
}

const never = (): boolean => false
const inRange = (partition: number, offset: number): boolean =>
  partition === 0 && offset >= 25 && offset < 75

describe('a replay', () => {
  it('[P5] gives a range the rows of the mended rule and leaves main as it is until published', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    const plan = await previewReplay(lake, lenient(), request(25, 75))
    expect(plan.ranges).toEqual([
      { topic: 'events', partition: 0, from: 25n, to: 75n, rows: 45n, deadLetters: 5n },
    ])
    const before = await rowsOf('main')
    expect(before).toEqual(expected(100, never))

    const report = await executeReplay(lake, lenient(), request(25, 75))
    expect(report).toMatchObject({ isChanged: true, recordsRead: 50, rowsCommitted: 50 })
    expect(await rowsOf('main')).toEqual(before)
    expect(await rowsOf('fix')).toEqual(expected(100, inRange))

    const diff = await diffReplay(lake, events, 'fix')
    expect(diff).toMatchObject({ onlyBase: 0n, onlyBranch: 5n, differing: 0n, same: 45n })
    expect(diff).toMatchObject({ deadLettersBase: 5n, deadLettersBranch: 0n })
    expect(diff.samples[0]).toMatchObject({ kind: 'only-branch', partition: 0, offset: 30n })

    const published = await publishBranch(lake, events, 'fix', { dropBranch: true })
    expect(published).toMatchObject({ isChanged: true, isRedone: false })
    expect(await rowsOf('main')).toEqual(expected(100, inRange))
    const { metadata } = await fixture.catalog.loadTable(events)
    expect(Object.keys(metadata.refs)).toEqual(['main'])
    expect(Object.keys(metadata.properties).filter((key) => key.includes('fix'))).toEqual([])
  })

  it('[P3, P4] done twice is done once, and goes on only under the words and rules it began with', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    const once = await fixture.catalog.loadTable(events)
    const lettersOnce = await fixture.catalog.loadTable(letters)
    const again = await executeReplay(lake, lenient(), request(25, 75))
    expect(again).toMatchObject({ isChanged: false, recordsRead: 0 })
    expect((await fixture.catalog.loadTable(events)).metadataLocation).toBe(once.metadataLocation)
    const lettersAgain = await fixture.catalog.loadTable(letters)
    expect(lettersAgain.metadataLocation).toBe(lettersOnce.metadataLocation)

    await expect(executeReplay(lake, lenient(), request(25, 76))).rejects.toThrow(
      /belongs to another replay.*--restart/,
    )
    await expect(executeReplay(lake, strict(), request(25, 75))).rejects.toThrow(
      /settings have changed since this replay began/,
    )
    const restarted = { ...request(25, 75), restart: true }
    await executeReplay(lake, strict(), restarted)
    expect(await rowsOf('fix')).toEqual(expected(100, never))
    expect(await letterPlaces('fix@web.events')).toEqual(await letterPlaces('main'))

    // And a second replay of the same range, published after the first, changes no row.
    await executeReplay(lake, lenient(), { ...request(25, 75), restart: true })
    await publishBranch(lake, events, 'fix')
    const first = await rowsOf('main')
    await executeReplay(lake, lenient(), request(25, 75, 'fix2'))
    await publishBranch(lake, events, 'fix2')
    expect(await rowsOf('main')).toEqual(first)
    expect(first).toEqual(expected(100, inRange))
  })

  it('[P6, P7] is published beside a running sink whose rows and offsets stay', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    const stopping = new AbortController()
    const sink = fixture.run(stream(strictSchema, 10), {
      until: 'stopped',
      signal: stopping.signal,
    })
    let produced = 100
    const publishing = publishBranch(lake, events, 'fix')
    for (; produced < 300; produced += 20) await produce(produced, produced + 20)
    expect((await publishing).isChanged).toBe(true)
    for (; produced < 400; produced += 20) await produce(produced, produced + 20)
    await eventually(async () => (await rowsOf('main')).length >= expected(400, inRange).length)
    stopping.abort()
    await sink
    expect(await rowsOf('main')).toEqual(expected(400, inRange))
    const { metadata } = await fixture.catalog.loadTable(events)
    const offsets = metadata.properties['tidewater.offsets.main'] ?? ''
    expect(offsets).toContain('"next-offsets":{"0":400,"1":400}')
    // The branch's snapshots, which say otherwise, are not in main's history.
    const main = new Map(metadata.snapshots.map((one) => [one.snapshotId, one]))
    for (
      let one = main.get(metadata.refs['main']?.snapshotId ?? 0n);
      one !== undefined;
      one = main.get(one.parentSnapshotId ?? 0n)
    ) {
      expect(one.summary?.['tidewater.replay']).toBeUndefined()
    }
  })

  it('[P8] is put on the newest state where a compaction has rewritten files of the range', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    await produce(100, 140)
    await fixture.run(strict())
    await compact()
    const published = await publishBranch(lake, events, 'fix')
    expect(published).toMatchObject({ isChanged: true, isRedone: true })
    expect(await rowsOf('main')).toEqual(expected(140, inRange))
    const diff = await diffReplay(lake, events, 'fix')
    expect(diff).toMatchObject({ onlyBase: 0n, onlyBranch: 5n, differing: 0n, same: 45n })
    expect(Object.keys((await fixture.catalog.loadTable(events)).metadata.refs).sort()).toEqual([
      'fix',
      'fix.base',
      'main',
    ])
  })

  it('[P8] is published where the snapshot it began at has left the history of main', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    for (const from of [100, 110, 120]) {
      await produce(from, from + 10)
      await fixture.run(strict())
    }
    await expireSnapshots(fixture.catalog, events, lake, {
      olderThanMs: BigInt(Date.now()),
      retainLast: 1,
    })
    const diff = await diffReplay(lake, events, 'fix')
    expect(diff).toMatchObject({ onlyBase: 0n, onlyBranch: 5n, differing: 0n, same: 45n })
    const published = await publishBranch(lake, events, 'fix')
    expect(published).toMatchObject({ isChanged: true, isRedone: true })
    expect(await rowsOf('main')).toEqual(expected(130, inRange))
  })

  it('[P7, P8] is published though a sink and a compaction come first again and again', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    // More than an ordinary commit tries, and each time all files are others.
    const races = 24
    let produced = 100
    let lost = 0
    const rival = async (): Promise<void> => {
      await produce(produced, produced + 20)
      produced += 20
      await fixture.run(stream(strictSchema, 10))
      await compact()
    }
    const catalog = withCommit(fixture.catalog, async (commit) => {
      if (commit.identifier.name === events.name && lost < races) {
        lost++
        await rival()
      }
      return fixture.catalog.commitTable(commit)
    })
    const clock: Clock = { ...systemClock, sleep: () => Promise.resolve() }
    const published = await publishBranch({ ...lake, catalog, clock }, events, 'fix')
    expect(published).toMatchObject({ isChanged: true, isRedone: true })
    expect(lost).toBe(races)
    expect(await rowsOf('main')).toEqual(expected(produced, inRange))
  })

  it('[P5] tells on the command line what it would do, what it did, and what differs', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    const { directory } = fixture
    await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: warehouse }\n')
    await mkdir(join(directory, 'streams'))
    await writeFile(
      join(directory, 'streams', 'events.yaml'),
      `name: events
input: { embedded: { directory: ../log, topics: [events] } }
${lenientSchema}
output: { iceberg: { table: web.events } }\n`,
    )
    const range = '--to-offset events:0=25 --until events:0=75 --into fix'
    const main = await rowsOf('main')
    const dry = await tide(`stream replay events ${range} -o json`, { directory })
    expect(dry.stderr).toContain('a dry run: nothing was changed')
    expect(JSON.parse(dry.stdout)).toEqual([
      {
        topic: 'events',
        partition: 0,
        from: 25,
        to: 75,
        records_max: 50,
        rows: 45,
        dead_letters: 5,
      },
    ])
    expect((await fixture.catalog.loadTable(events)).metadata.refs['fix']).toBeUndefined()
    const done = await tide(`stream replay events ${range} --execute --diff -o json`, { directory })
    expect(done.code, done.stderr).toBe(0)
    expect(JSON.parse(done.stdout)).toMatchObject({ only_branch: 5, same: 45, differing: 0 })
    expect(await rowsOf('main')).toEqual(main)
    const published = await tideRecord('table publish web.events --branch fix', directory)
    expect(published).toMatchObject({ changed: true, target: 'main', redone: false })
    expect(await tideRecord('table publish web.events --branch fix', directory)).toMatchObject({
      changed: false,
    })
    expect(await rowsOf('main')).toEqual(expected(100, inRange))
    for (const [args, words, exit] of [
      [`stream replay nothing ${range}`, /there is no stream nothing/, 2],
      ['stream replay events --into b', /say where the replay begins/, 2],
      ['stream replay events --to-earliest --into main', /a branch of its own/, 1],
      [`stream replay events ${range} --dry-run --execute`, /exclude each other/, 2],
      ['stream replay events --to-offset events:0 --into b', /expected topic:partition=offset/, 2],
      ['table diff web.events --branch main', /no replay made this branch/, 1],
    ] as const) {
      const { code, stderr } = await tide(args, { directory })
      expect(code, args).toBe(exit)
      expect(stderr).toMatch(words)
    }
  })

  it('[P2] tells rows of several topics apart, in plain columns as in the struct', async () => {
    await fixture.log.createTopic('more', 1)
    await produce(0, 40)
    const values = Array.from({ length: 40 }, (_, id) => `{"id":${id},"v":${id * 3}}`)
    await fixture.log.appendValues({ topic: 'more', partition: 0 }, values)
    const both = (coercion: string): StreamSettings =>
      fixture.settings(`
name: events
input: { embedded: { directory: log, topics: [events, more], start_offset: earliest } }
metadata: columns
schema: { mode: declared, coercion: ${coercion}, ${fields} }
output: { iceberg: { table: web.events } }`)
    await fixture.run(both('strict'))
    const count = async (): Promise<unknown> =>
      fixture.rows('web.events', '_kafka_topic AS t, _kafka_partition AS p, id, v')
    const before = await count()
    const plan = await previewReplay(lake, both('lenient'), request(0, 40))
    expect(plan.ranges).toMatchObject([{ partition: 0, rows: 36n, deadLetters: 4n }])
    await executeReplay(lake, both('lenient'), request(0, 40))
    const diff = await diffReplay(lake, events, 'fix')
    expect(diff).toMatchObject({ onlyBase: 0n, onlyBranch: 4n, differing: 0n, same: 36n })
    expect(diff.samples[0]).toMatchObject({ topic: 'events', partition: 0, offset: 0n })
    expect(await count()).toEqual(before)
    await publishBranch(lake, events, 'fix')
    expect(await count()).toHaveLength(36 + 36 + 40 + 4)
  })

  it('[P6] published again changes nothing, also when main was compacted since', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    await publishBranch(lake, events, 'fix')
    await compact()
    const before = await fixture.catalog.loadTable(events)
    const again = await publishBranch(lake, events, 'fix')
    expect(again).toMatchObject({ isChanged: false, isRedone: false })
    expect((await fixture.catalog.loadTable(events)).metadataLocation).toBe(before.metadataLocation)
    expect(await rowsOf('main')).toEqual(expected(100, inRange))
  })

  it('[P6] published again changes no row, even when nothing remembers the first time', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    await executeReplay(lake, lenient(), request(25, 75))
    const key = 'tidewater.replay.fix'
    const record = (await fixture.catalog.loadTable(events)).metadata.properties[key] ?? ''
    await compact()
    expect(await publishBranch(lake, events, 'fix')).toMatchObject({ isRedone: true })
    await fixture.catalog.commitTable({
      identifier: events,
      requirements: [],
      updates: [{ action: 'set-properties', updates: { [key]: record } }],
    })
    await produce(100, 110)
    await fixture.run(strict())
    await expireSnapshots(fixture.catalog, events, lake, {
      olderThanMs: BigInt(Date.now()),
      retainLast: 1,
    })
    await publishBranch(lake, events, 'fix')
    expect(await rowsOf('main')).toEqual(expected(110, inRange))
  })

  it('[P9] moves letters as it moves rows: none is lost, none is there twice', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    const all = await letterPlaces('main')
    expect(all).toHaveLength(20)
    const kept = all.filter((place) => !['0:30', '0:40', '0:50', '0:60', '0:70'].includes(place))
    await executeReplay(lake, lenient(), request(25, 75))
    expect(await letterPlaces('main')).toEqual(all)
    expect(await letterPlaces('fix@web.events')).toEqual(kept)
    await publishBranch(lake, events, 'fix', { dropBranch: true })
    expect(await letterPlaces('main')).toEqual(kept)
    // Back again: what were rows become letters.
    await executeReplay(lake, strict(), request(25, 75, 'back'))
    await publishBranch(lake, events, 'back', { dropBranch: true })
    expect(await letterPlaces('main')).toEqual(all)
    expect(await rowsOf('main')).toEqual(expected(100, never))
    // The sink's own letters are still known: it goes on without repeating or skipping one.
    await produce(100, 120)
    await fixture.run(strict())
    expect(await letterPlaces('main')).toHaveLength(24)
  })

  it('[P6] is refused while it is unfinished, and on a target that has gone back', async () => {
    await produce(0, 100)
    await fixture.run(strict())
    const early = (await fixture.catalog.loadTable(events)).metadata
    await produce(100, 120)
    await fixture.run(strict())
    const signal = AbortSignal.abort()
    await executeReplay(lake, lenient(), { ...request(90, 110), signal })
    expect(await rowsOf('fix')).toHaveLength(expected(120, never).length - 18)
    await expect(publishBranch(lake, events, 'fix')).rejects.toThrow(/has not finished/)
    await executeReplay(lake, lenient(), request(90, 110))
    const isMended = (partition: number, offset: number): boolean =>
      partition === 0 && offset >= 90 && offset < 110
    expect(await rowsOf('fix')).toEqual(expected(120, isMended))

    const { snapshotId = 0n } = early.refs['main'] ?? {}
    const offsets = early.properties['tidewater.offsets.main'] ?? ''
    await fixture.catalog.commitTable({
      identifier: events,
      requirements: [],
      updates: [
        { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId, type: 'branch' } },
        { action: 'set-properties', updates: { 'tidewater.offsets.main': offsets } },
      ],
    })
    await expect(publishBranch(lake, events, 'fix')).rejects.toThrow(
      /has gone back behind the range/,
    )
    expect(await rowsOf('main')).toEqual(expected(100, never))
  })

  it('[P1] reads nothing beyond what the table holds and nothing that the log has lost', async () => {
    await produce(0, 50)
    await fixture.run(strict())
    await produce(50, 60)
    await expect(previewReplay(lake, strict(), request(0, 51))).rejects.toThrow(
      /beyond what the table holds.*to=51 committed=50/,
    )
    const coordinates = [{ topic: 'events', partition: 7, offset: 0n }]
    const nowhere: ReplayRequest = { ...request(0, 1), from: { kind: 'offsets', coordinates } }
    await expect(previewReplay(lake, strict(), nowhere)).rejects.toThrow(/holds nothing of/)
    const all = await previewReplay(lake, strict(), {
      from: { kind: 'earliest' },
      until: { kind: 'latest' },
      into: 'fix',
    })
    expect(all.ranges.map(({ from, to }) => [from, to])).toEqual([
      [0n, 50n],
      [0n, 50n],
    ])
  })

  it('[P2] is refused where rows do not say which records they came from', async () => {
    await produce(0, 20)
    await fixture.run(stream('metadata: none'))
    await expect(previewReplay(lake, stream('metadata: none'), request(0, 10))).rejects.toThrow(
      /does not say which records.*missing=_kafka/,
    )
  })

  it('[P2] is refused where another stream has filled the table, or the log is another one', async () => {
    await produce(0, 20)
    await fixture.run(strict())
    await fixture.log.deleteTopic('events')
    await fixture.log.createTopic('events', 2)
    await produce(0, 20)
    await expect(previewReplay(lake, strict(), request(0, 10))).rejects.toThrow(
      /deleted and made again/,
    )
    await fixture.run({ ...strict(), name: 'other' })
    await expect(
      previewReplay(lake, { ...strict(), name: 'other' }, request(0, 10)),
    ).rejects.toThrow(/another stream has filled the same table/)
  })
})
