/**
 * What a person asks of a replay: ends that fit each other, settings that fit the table, a way on after a signal, a
 * way out after retention, and a way to throw it away. What cannot be done is said before anything is made.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  diffReplay,
  discardBranch,
  executeReplay,
  previewReplay,
  publishBranch,
} from '../../app/index.ts'
import { openReplayTools } from '../../app/open-replay.ts'
import { parseTableName, type TableIdentifier } from '../../catalog/format/index.ts'
import { commitAction, loadTableIfExists, OverwriteFiles } from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import { writeRows } from '../../replay/range-files.ts'
import { withRangeTools } from '../../replay/range-tools.ts'
import { withCommit } from '../support/catalog-lake.ts'
import {
  events,
  expectedRows as expected,
  lenientSchema,
  letters,
  openReplayLake,
  type ReplayLake,
  replayRequest as request,
  strictSchema,
} from '../support/replay-lake.ts'
import { tide, type TideOutcome } from '../support/tide.ts'

let on: ReplayLake

beforeEach(async () => {
  on = await openReplayLake()
})
afterEach(() => on.close())

/** A project over the lake of the test, whose stream `events` fills `web.events` with 40 records of each partition. */
async function project(schema = lenientSchema, more = ''): Promise<void> {
  await on.produce(0, 40)
  await on.fixture.run(on.stream({ schema: strictSchema }))
  await writeProject(schema, more)
}

async function writeProject(schema: string, more = ''): Promise<void> {
  const { directory } = on.fixture
  await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: warehouse }\n')
  await mkdir(join(directory, 'streams'), { recursive: true })
  await writeFile(
    join(directory, 'streams', 'events.yaml'),
    `name: events
input: { embedded: { directory: ../log, topics: [events] } }
${schema}
${more}
output: { iceberg: { table: web.events } }\n`,
  )
}

const run = (args: string): Promise<TideOutcome> => tide(args, { directory: on.fixture.directory })

async function state(): Promise<unknown> {
  const tables = [events, letters].map((name) => loadTableIfExists(on.fixture.catalog, name))
  return (await Promise.all(tables)).map((table) => table?.metadataLocation)
}

describe('the ends of a replay', () => {
  const cases: readonly (readonly [flags: string, why: RegExp, reason: string])[] = [
    [
      '--to-offset events:0=25 --until events:1=35',
      /--until ends a partition that --to-offset does not begin.*partition=events:1 begins=events:0/,
      'dropping the end would replay partition 0 to its end',
    ],
    [
      '--to-offset events:0=25 --until events:0=20',
      /end before it begins.*partition=0 from=25 to=20/,
      'reversed',
    ],
    [
      '--to-offset events:0=5 --to-offset events:1=30 --until events:0=10 --until events:1=30',
      /would end where it begins.*partition=1/,
      'one of two partitions is empty',
    ],
    [
      '--to-offset events:0=45',
      /begin beyond what the table holds.*partition=0/,
      'beyond the table',
    ],
    [
      '--to-offset events:0=5 --until events:0=45',
      /beyond what the table holds.*to=45/,
      'beyond the table',
    ],
    [
      '--to-offset events:7=5',
      /--to-offset names a partition that the table holds nothing of.*events:7/,
      'unknown',
    ],
    ['--to-offset other:0=5', /holds nothing of.*other:0/, 'an unknown topic'],
    ['--to-earliest --until other:0=5', /--until names a partition.*other:0/, 'an unknown topic'],
    [
      '--to-offset events:0=5 --to-offset events:0=6',
      /--to-offset names a partition twice/,
      'twice',
    ],
    [
      '--to-datetime 2026-02-01T00:00:00Z --until 2026-01-01T00:00:00Z',
      /end before it begins.*from=2026-02-01.*until=2026-01-01/,
      'reversed times',
    ],
    [
      '--to-datetime 2100-01-01T00:00:00Z --until events:0=5',
      /end before it begins/,
      'a time behind the end',
    ],
  ]
  it('K6 [P1] that do not fit each other are refused by name, dry and executed, with nothing changed', async () => {
    await project()
    const before = await state()
    for (const [flags, why, reason] of cases) {
      for (const mode of ['', ' --execute']) {
        const { code, stderr } = await run(`stream replay events ${flags} --into fix${mode}`)
        expect(stderr, reason).toMatch(why)
        expect(code, reason).toBe(1)
      }
    }
    expect(await state()).toEqual(before)
  })
})

describe('a dry run', () => {
  interface Case {
    readonly situation: string
    readonly schema?: string
    readonly more?: string
    readonly prepare?: () => Promise<void>
    readonly undo?: () => Promise<unknown>
    readonly why: RegExp
  }
  const cases: readonly Case[] = [
    {
      situation: 'a declared type is not that of the column',
      schema:
        'schema: { mode: declared, fields: [{name: id, type: string}, {name: v, type: long}] }',
      why: /schema declares and the table disagree.*field=id/,
    },
    {
      situation: 'the dead-letter table has other columns',
      more: 'errors: { dlq: { table: ops.other } }',
      why: /dead-letter table exists with other columns/,
    },
    {
      situation: 'the branch exists and no replay made it',
      prepare: () => on.changeRefs([{ kind: 'create', type: 'branch', name: 'fix' }]),
      undo: () => on.changeRefs([{ kind: 'remove', name: 'fix' }]),
      why: /no replay created it/,
    },
    {
      situation: 'the branch has another replay',
      prepare: async () => {
        await executeReplay(on.lake, on.stream({ schema: strictSchema }), request(10, 20))
      },
      undo: () => discardBranch(on.lake, events, 'fix', { execute: true }),
      why: /belongs to another replay.*--restart/,
    },
    {
      situation: 'metadata would be written into other columns',
      more: 'metadata: none',
      why: /metadata: none.*would not say where they came from/,
    },
  ]
  it('K13 [P11] refuses what execute refuses, and neither makes anything', async () => {
    await project()
    await on.fixture.run(
      on.stream({ table: 'ops.other', more: 'errors: { dlq: { table: ops.others } }' }),
    )
    for (const { situation, schema = lenientSchema, more, prepare, undo, why } of cases) {
      await writeProject(schema, more)
      await prepare?.()
      const before = await state()
      const args = 'stream replay events --to-offset events:0=0 --until events:0=30 --into fix'
      for (const mode of ['', ' --execute']) {
        const { code, stderr } = await run(`${args}${mode}`)
        expect(stderr, situation).toMatch(why)
        expect(code, situation).not.toBe(0)
      }
      expect(await state(), situation).toEqual(before)
      await undo?.()
    }
  })

  it('K13 says what a branch holds of the replay already', async () => {
    await project()
    const stream = on.stream({ schema: lenientSchema })
    await executeReplay(on.lake, stream, { ...request(5, 35), signal: AbortSignal.abort() })
    expect(await previewReplay(on.lake, stream, request(5, 35))).toMatchObject({ left: 30n })
    await executeReplay(on.lake, stream, request(5, 35))
    expect(await previewReplay(on.lake, stream, request(5, 35))).toMatchObject({ left: 0n })
  })
})

describe('a replay that a signal ended', () => {
  it('K11 [P12] fails, says how it goes on, and is no result: no diff, no publishing', async () => {
    await project()
    const { directory } = on.fixture
    const args =
      'stream replay events --to-offset events:0=0 --until events:0=30 --into fix --execute'
    for (const diff of ['', ' --diff']) {
      const signal = AbortSignal.abort()
      const ended = await tide(`${args}${diff}`, { directory, signal })
      expect(ended.code).toBe(130)
      expect(ended.stderr).toContain('run the same command again')
      expect(ended.stderr).not.toContain('publish')
      expect(ended.stdout).not.toContain('only_branch')
    }
    for (const verb of ['diff', 'publish']) {
      const { code, stderr } = await run(`table ${verb} web.events --branch fix`)
      expect(code).toBe(1)
      expect(stderr).toMatch(/has not finished.*left=30/)
    }
    const status = await run('stream status')
    expect(status.stderr).toMatch(/replay of events waits on branch fix of web.events: unfinished/)
    expect(status.stderr).not.toContain('publish:')
    expect((await run(args)).code).toBe(0)
    expect((await run('table publish web.events --branch fix')).code).toBe(0)
    const isMended = (partition: number, offset: number): boolean => partition === 0 && offset < 30
    expect(await on.rowsOf()).toEqual(expected(40, isMended))
  })
})

describe('a replay that retention overtakes', () => {
  const lost =
    /no longer holds all that this replay has still to read.*as it was.*--restart.*discard/

  it('K15 [P12] before it goes on: says to start over, and nothing of the sink', async () => {
    await project()
    const stream = on.stream({ schema: lenientSchema })
    await executeReplay(on.lake, stream, { ...request(5, 35), signal: AbortSignal.abort() })
    const before = await on.rowsOf()
    await on.fixture.log.deleteRecords({ topic: 'events', partition: 0 }, 20n)
    for (const replay of [executeReplay, previewReplay]) {
      await expect(replay(on.lake, stream, request(5, 35))).rejects.toThrow(lost)
    }
    await expect(executeReplay(on.lake, stream, request(5, 35))).rejects.not.toThrow(
      /tidewater\.offsets/,
    )
    expect(await on.rowsOf()).toEqual(before)
    await executeReplay(on.lake, stream, { ...request(20, 35), restart: true })
    await publishBranch(on.lake, events, 'fix')
    const isMended = (partition: number, offset: number): boolean =>
      partition === 0 && offset >= 20 && offset < 35
    expect(await on.rowsOf()).toEqual(expected(40, isMended))
  })

  it('K15 while it reads: the same', async () => {
    await project()
    const stream = on.stream({ schema: lenientSchema })
    const before = await on.rowsOf()
    const { catalog: inner, log } = on.fixture
    // Once the range is out of the branch, and before its records are read.
    const catalog = withCommit(inner, async (commit) => {
      const table = await inner.commitTable(commit)
      if (Object.hasOwn(table.metadata.properties, 'tidewater.offsets.fix')) {
        await log.deleteRecords({ topic: 'events', partition: 0 }, 20n)
      }
      return table
    })
    await expect(executeReplay({ ...on.lake, catalog }, stream, request(5, 35))).rejects.toThrow(
      lost,
    )
    expect(await on.rowsOf()).toEqual(before)
  })

  it('K15 and its neighbour, a topic made again', async () => {
    await project()
    const stream = on.stream({ schema: lenientSchema })
    await executeReplay(on.lake, stream, { ...request(5, 35), signal: AbortSignal.abort() })
    await on.fixture.log.deleteTopic('events')
    await on.fixture.log.createTopic('events', 2)
    await expect(executeReplay(on.lake, stream, request(5, 35))).rejects.toThrow(lost)
  })
})

describe('a replay that is not wanted', () => {
  it('K12 [P12] is thrown away with one verb, its letters too, and seen before that', async () => {
    await project()
    const stream = on.stream({ schema: lenientSchema })
    const refsBefore = await refs()
    await executeReplay(on.lake, stream, request(5, 35))
    const health = await run('table health web.events -o json')
    expect(health.stdout).toMatch(/"check":\s*"replays"/)
    expect(health.stdout).toMatch(/fix: finished/)
    expect(health.stdout).toContain('tide table discard web.events --branch fix')
    const status = await run('stream status')
    expect(status.stderr).toMatch(
      /waits on branch fix of web.events: finished.*publish: tide table publish web.events --branch fix.*tide table discard web.events --branch fix/,
    )
    const before = await state()
    const dry = await run('table discard web.events --branch fix')
    expect(dry.code, dry.stderr).toBe(0)
    expect(dry.stderr).toContain('a dry run: nothing was changed')
    expect(dry.stdout).toContain('fix, fix.base')
    expect(await state()).toEqual(before)
    const done = await run('table discard web.events --branch fix --execute')
    expect(done.code, done.stderr).toBe(0)
    expect(await refs()).toEqual(refsBefore)
    expect(await on.rowsOf()).toEqual(expected(40, () => false))
    expect((await run('stream status')).stderr).not.toContain('waits on branch')
    const expired = await run(
      'table expire-snapshots web.events --older-than 0s --retain-last 1 -o json',
    )
    expect(expired.code, expired.stderr).toBe(0)
    expect(
      Number(/"deleted_data_and_delete_files":\s*(\d+)/.exec(expired.stdout)?.[1]),
    ).toBeGreaterThan(0)
  })

  it('K12 waits unfinished, published or without its branch: each state can be thrown away', async () => {
    await project()
    const stream = on.stream({ schema: lenientSchema })
    const before = await refs()
    await executeReplay(on.lake, stream, { ...request(5, 35), signal: AbortSignal.abort() })
    await discardBranch(on.lake, events, 'fix', { execute: true })
    expect(await refs()).toEqual(before)
    await executeReplay(on.lake, stream, request(5, 35))
    await on.changeRefs([{ kind: 'remove', name: 'fix' }])
    expect((await run('stream status')).stderr).toContain('branch removed')
    await discardBranch(on.lake, events, 'fix', { execute: true })
    expect(await refs()).toEqual(before)
    await executeReplay(on.lake, stream, request(5, 35))
    await publishBranch(on.lake, events, 'fix')
    expect((await run('stream status')).stderr).toContain(': published')
    await discardBranch(on.lake, events, 'fix', { execute: true })
    expect(await refs()).toEqual(before)
    const isMended = (partition: number, offset: number): boolean =>
      partition === 0 && offset >= 5 && offset < 35
    expect(await on.rowsOf()).toEqual(expected(40, isMended))
  })

  it('K12 keeps what must stay: main, tags, the base of a replay; and names what is there', async () => {
    await project()
    await executeReplay(on.lake, on.stream({ schema: lenientSchema }), request(5, 35))
    await on.changeRefs([{ kind: 'create', type: 'tag', name: 'release' }])
    for (const [branch, why] of [
      ['main', /main is the table itself/],
      ['release', /is a tag/],
      ['fix.base', /belongs to a replay.*replay=fix/],
      ['other', /no such branch.*branches=.*fix/],
    ] as const) {
      const { code, stderr } = await run(`table discard web.events --branch ${branch} --execute`)
      expect(code).toBe(1)
      expect(stderr).toMatch(why)
    }
  })

  async function refs(): Promise<unknown> {
    const of = async (name: TableIdentifier): Promise<unknown> => {
      const { metadata } = await on.fixture.catalog.loadTable(name)
      const properties = Object.keys(metadata.properties).filter((key) => key.includes('fix'))
      return [Object.keys(metadata.refs).sort(), properties]
    }
    return [await of(events), await of(letters)]
  }
})

describe('dead letters of a replay', () => {
  const newer = parseTableName('ops.letters')
  const moved = (schema: string) =>
    on.stream({ schema, more: 'errors: { dlq: { table: ops.letters } }' })
  const places = async (): Promise<readonly string[]> =>
    [...(await on.letterPlaces()), ...(await on.letterPlaces('main', newer))].sort()
  const all = (from: number, to: number, isMended: (offset: number) => boolean): string[] =>
    [0, 1]
      .flatMap((p) =>
        Array.from({ length: (to - from) / 10 }, (_, i) => from + i * 10)
          .filter((id) => p === 1 || !isMended(id))
          .map((id) => `${p}:${id}`),
      )
      .sort()

  it('K5 [P9] are found in the table that errors.dlq.table named before', async () => {
    await on.produce(0, 40)
    await on.fixture.run(on.stream({ schema: strictSchema }))
    await on.produce(40, 80)
    await on.fixture.run(moved(strictSchema))
    expect(await places()).toEqual(all(0, 80, () => false))
    const plan = await previewReplay(on.lake, moved(lenientSchema), request(5, 65))
    expect(plan.ranges).toMatchObject([{ rows: 54n, deadLetters: 6n }])
    await executeReplay(on.lake, moved(lenientSchema), request(5, 65))
    const diff = await diffReplay(on.lake, events, 'fix')
    expect(diff).toMatchObject({ deadLettersBase: 6n, deadLettersBranch: 0n, onlyBranch: 6n })
    await publishBranch(on.lake, events, 'fix')
    const isMended = (offset: number): boolean => offset >= 5 && offset < 65
    expect(await places()).toEqual(all(0, 80, isMended))
    expect(await on.rowsOf()).toEqual(expected(80, (p, offset) => p === 0 && isMended(offset)))
    // Published again, and by a reader of the old table: nothing is left to do.
    const before = await state()
    await publishBranch(on.lake, events, 'fix', { dropBranch: false })
    expect(await state()).toEqual(before)
  })

  it('K5 that stay letters move to the table that is named now', async () => {
    await on.produce(0, 40)
    await on.fixture.run(on.stream({ schema: strictSchema }))
    await executeReplay(on.lake, moved(strictSchema), request(5, 25))
    await publishBranch(on.lake, events, 'fix', { dropBranch: true })
    expect(await places()).toEqual(all(0, 40, () => false))
    expect(await on.letterPlaces('main', newer)).toEqual(['0:10', '0:20'])
    expect(await on.rowsOf()).toEqual(expected(40, () => false))
  })
})

it('K17 a key had no column: its letters become rows with the column, by the setting that docs/replay.md names', async () => {
  const more = (policy: string): string =>
    `schema: { mode: declared, unknown_fields: ${policy}, fields: [{name: id, type: long}] }`
  await on.produce(0, 20)
  await on.fixture.run(on.stream({ schema: more('dead_letter') }))
  expect(await on.letterPlaces()).toHaveLength(40)
  const settings = on.stream({ schema: more('add') })
  await executeReplay(on.lake, settings, request(1, 10))
  await publishBranch(on.lake, events, 'fix', { dropBranch: true })
  expect(await on.letterPlaces()).toHaveLength(31)
  expect(await on.rowsOf()).toEqual(expected(10, () => false).filter(([p]) => p === 0))
})

it('K10 a diff compares columns of any name, and a table of any name', async () => {
  const names = [
    'r',
    't',
    'p',
    'o',
    'n',
    'v',
    'base',
    'replayed',
    '_kafka_region',
    '$row',
    'kind',
    'row_count',
  ]
  const declared = names.map((name) => `{name: ${JSON.stringify(name)}, type: long}`).join(', ')
  const stream = (coercion: string) =>
    on.fixture.settings(`
name: odd
input: { embedded: { directory: log, topics: [odd], start_offset: earliest } }
schema: { mode: declared, coercion: ${coercion}, fields: [${declared}] }
output: { iceberg: { table: web._kafka } }`)
  await on.fixture.log.createTopic('odd', 1)
  const values = Array.from({ length: 20 }, (_, id) => {
    const row = names.map(
      (name) => `${JSON.stringify(name)}:${name === 'r' && id % 5 === 0 ? '1.5' : id}`,
    )
    return `{${row.join(',')}}`
  })
  await on.fixture.log.appendValues({ topic: 'odd', partition: 0 }, values)
  await on.fixture.run(stream('strict'))
  const table = parseTableName('web._kafka')
  await executeReplay(on.lake, stream('lenient'), { ...request(0, 20, 'fix', 'odd') })
  const diff = await diffReplay(on.lake, table, 'fix')
  expect(diff).toMatchObject({ same: 16n, onlyBranch: 4n, differing: 0n, onlyBase: 0n })
  await publishBranch(on.lake, table, 'fix', { dropBranch: true })
  const found = await on.fixture.rows('web._kafka', '"_kafka_region" AS region')
  expect(found).toHaveLength(20)
})

it('K10 a column _kafka_region of the user is data: a replay that changes it shows it', async () => {
  const stream = on.fixture.settings(`
name: odd
input: { embedded: { directory: log, topics: [odd], start_offset: earliest } }
schema: { mode: declared, fields: [{name: id, type: long}, {name: _kafka_region, type: long}] }
output: { iceberg: { table: web.odd } }`)
  await on.fixture.log.createTopic('odd', 1)
  await on.fixture.log.appendValues({ topic: 'odd', partition: 0 }, ['{"id":1,"_kafka_region":1}'])
  await on.fixture.run(stream)
  const name = parseTableName('web.odd')
  // Another client has changed the value.
  await withRangeTools(openReplayTools(on.lake), async (tools) => {
    const edit = new OverwriteFiles(tools, {
      changes: async (table) => {
        tools.pin(table)
        const { tasks, snapshot } = await planScan(tools.io, table)
        await tools.stage.load(
          'edited',
          'SELECT * REPLACE (9::BIGINT AS _kafka_region) FROM web.odd',
        )
        const added = await writeRows(tools, table, 'FROM edited')
        return {
          baseSnapshotId: snapshot?.snapshotId,
          removed: tasks.map(({ file }) => file),
          added,
        }
      },
    })
    await commitAction(on.fixture.catalog, name, edit, tools)
  })
  await executeReplay(on.lake, stream, request(0, 1, 'fix', 'odd'))
  const diff = await diffReplay(on.lake, name, 'fix')
  expect(diff).toMatchObject({ same: 0n, differing: 1n })
  expect([...diff.columns]).toEqual([['_kafka_region', 1n]])
})
