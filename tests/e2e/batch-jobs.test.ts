/** Models over a local warehouse: what each materialization leaves behind, run once, twice, late and at once. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runProject, loadProject } from '../../batch-jobs/index.ts'
import { decorateCatalog } from '../../catalog/index.ts'
import { UnavailableError } from '../../common/index.ts'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'

let project: BatchProject

beforeEach(async () => {
  project = await openBatchProject({ now: '2026-01-04T06:00:00Z' })
  await project.lake.create('web.events', ['id long', 'ts timestamp', 'kind string'], ['day(ts)'])
})

afterEach(() => project.close())

async function arrive(...events: readonly (readonly [number, string, string])[]): Promise<void> {
  const values = events.map(([id, ts, kind]) => `(${id}::BIGINT, TIMESTAMP '${ts}', '${kind}')`)
  await project.lake.append(
    'web.events',
    `SELECT * FROM (VALUES ${values.join(', ')}) t(id, ts, kind)`,
  )
}

const daily = `{{ config(materialized='incremental', event_time='day', batch_size='day', begin='2026-01-01') }}
SELECT date_trunc('day', ts)::TIMESTAMP AS day, kind, count(*) AS n
FROM {{ source('web', 'events') }}
WHERE ts >= '{{ start }}' AND ts < '{{ end }}'
GROUP BY ALL`
const sources = `sources: [{ name: web, tables: [{ name: events, config: { event_time: ts } }] }]`

async function snapshots(table: string): Promise<number> {
  return (await project.lake.load(table)).metadata.snapshots.length
}

describe('materialized: table', () => {
  it('[B1] replaces all rows in one commit that says what it was made from', async () => {
    await arrive([1, '2026-01-01 10:00', 'a'], [2, '2026-01-02 10:00', 'b'])
    await project.files({
      'models/clean.sql': "SELECT id, kind FROM {{ source('web', 'events') }}",
      'models/counts.sql': "SELECT kind, count(*) AS n FROM {{ ref('clean') }} GROUP BY ALL",
    })
    expect(await project.build()).toEqual(['clean success', 'counts success'])
    expect(await project.rows('SELECT * FROM models.counts')).toEqual(['a|1', 'b|1'])
    await arrive([3, '2026-01-03 10:00', 'b'])
    await project.build()
    expect(await project.rows('SELECT * FROM models.counts')).toEqual(['a|1', 'b|2'])

    const { metadata } = await project.lake.load('models.clean')
    const events = await project.lake.load('web.events')
    const [first, second] = metadata.snapshots
    expect([first?.summary?.operation, second?.summary?.operation]).toEqual(['append', 'overwrite'])
    const state = second?.summary?.['tidewater.model-state'] ?? ''
    expect(state).toBe(metadata.properties['tidewater.model-state.main'])
    expect(state).toContain(`"snapshot-id":${events.metadata.currentSnapshotId}`)
    expect(second?.summary?.['tidewater.run-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(second?.summary?.['total-records']).toBe('3')
  })

  it('takes the columns of the newest query, whatever they were before', async () => {
    await project.files({ 'models/a.sql': 'SELECT 1 AS x, 2 AS y' })
    await project.build()
    await project.files({ 'models/a.sql': "SELECT 'one' AS x, 3 AS z" })
    await project.build()
    expect(await project.rows('SELECT * FROM models.a')).toEqual(['one|3'])
  })
})

describe('materialized: incremental, appended', () => {
  it('adds what its query says is new', async () => {
    await arrive([1, '2026-01-01 10:00', 'a'])
    await project.files({
      'models/log.sql': `{{ config(materialized='incremental') }}
        SELECT id, kind FROM {{ source('web', 'events') }}
        {% if is_incremental() %} WHERE id > (SELECT max(id) FROM {{ this }}) {% endif %};`,
    })
    await project.build()
    await project.build()
    await arrive([2, '2026-01-02 10:00', 'b'])
    await project.build()
    expect(await project.rows('SELECT * FROM models.log')).toEqual(['1|a', '2|b'])
    await project.build({ fullRefresh: true })
    expect(await project.rows('SELECT * FROM models.log')).toEqual(['1|a', '2|b'])
  })

  it('grows by new columns, widens numbers, and refuses what would not fit', async () => {
    const model = (columns: string): Record<string, string> => ({
      'models/log.sql': `{{ config(materialized='incremental') }} SELECT ${columns}`,
    })
    await project.files(model('1::INTEGER AS n'))
    await project.build()
    await project.files(model("5000000000 AS n, 'new' AS note"))
    await project.build()
    expect(await project.rows('SELECT * FROM models.log')).toEqual(['1|NULL', '5000000000|new'])
    await project.files(model("'text' AS n"))
    const { results } = await project.run()
    expect(results[0]).toMatchObject({ status: 'error' })
    expect(results[0]?.message).toMatch(/column=n actual=string expected=long/)
  })
})

describe('materialized: incremental, by intervals', () => {
  beforeEach(async () => {
    await arrive(
      [1, '2026-01-01 10:00', 'a'],
      [2, '2026-01-02 10:00', 'a'],
      [3, '2026-01-03 10:00', 'b'],
    )
    await project.files({ 'models/daily.sql': daily, 'models/sources.yml': sources })
  })

  const everyDay = ['2026-01-01 00:00:00|a|1', '2026-01-02 00:00:00|a|1', '2026-01-03 00:00:00|b|1']

  it('[B3] computes each interval once: a second run does nothing', async () => {
    const [first] = (await project.run()).results
    expect(first?.message).toContain('[2026-01-01T00:00:00Z, 2026-01-05T00:00:00Z)')
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(everyDay)
    expect(await project.build()).toEqual(['daily skipped'])
    expect(await snapshots('models.daily')).toBe(1)
  })

  it('[B4] computes again just the intervals that late rows fall into', async () => {
    await project.build()
    await arrive([4, '2026-01-01 23:59:59.999', 'b'], [5, '2026-01-01 00:00', 'a'])
    const [late] = (await project.run()).results
    // Two intervals are looked back at by default: the one under way and the one before.
    expect(late?.computed).toEqual([
      { startMs: Date.parse('2026-01-01'), endMs: Date.parse('2026-01-02') },
      { startMs: Date.parse('2026-01-03'), endMs: Date.parse('2026-01-05') },
    ])
    expect(await project.rows('SELECT * FROM models.daily')).toEqual([
      '2026-01-01 00:00:00|a|2',
      '2026-01-01 00:00:00|b|1',
      ...everyDay.slice(1),
    ])
    expect(await project.build()).toEqual(['daily skipped'])
  })

  it('[B3] leaves the same rows when an interval is computed again on request', async () => {
    await project.build()
    const window = { startMs: Date.parse('2026-01-02'), endMs: Date.parse('2026-01-03') }
    const [again] = (await project.run({ window })).results
    expect(again).toMatchObject({ status: 'success', rowsAffected: 1 })
    expect(again?.computed).toEqual([window])
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(everyDay)
    await project.build({ fullRefresh: true })
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(everyDay)
  })

  it('goes on as time does, one interval after the other', async () => {
    await project.build()
    project.clock.advance(24 * 3_600_000)
    await arrive([6, '2026-01-05 01:00', 'c'])
    await project.build()
    expect(await project.rows("SELECT * FROM models.daily WHERE kind = 'c'")).toEqual([
      '2026-01-05 00:00:00|c|1',
    ])
  })

  it('is right without start and end too, and refuses rows without a time', async () => {
    const bare = daily.replace(/WHERE.*\n/, '')
    await project.files({ 'models/daily.sql': bare })
    await project.build()
    await arrive([4, '2026-01-01 12:00', 'a'])
    await project.build()
    expect(await project.rows('SELECT * FROM models.daily')).toEqual([
      '2026-01-01 00:00:00|a|2',
      ...everyDay.slice(1),
    ])
    await project.files({
      'models/daily.sql': bare
        .replace('SELECT date', 'SELECT NULL::VARCHAR AS x, date')
        .replace("date_trunc('day', ts)", 'CASE WHEN id < 3 THEN ts END'),
    })
    const { results } = await project.run({ fullRefresh: true })
    expect(results[0]?.message).toMatch(/rows without day belong to no interval.*rows=2/)
  })

  it('says so when the intervals of late rows cannot be determined', async () => {
    await project.files({ 'models/sources.yml': 'version: 2' })
    const { results } = await project.run()
    expect(results[0]?.message).toMatch(/none of its sources has the column day/)
  })

  it('[B1] forgets intervals that a rollback took the rows of', async () => {
    await project.build()
    const before = await project.lake.load('models.daily')
    await arrive([4, '2026-01-01 12:00', 'a'])
    await project.build()
    const snapshotId = before.metadata.currentSnapshotId ?? 0n
    await project.lake.update('models.daily', [
      { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId } },
    ])
    const [again] = (await project.run()).results
    expect(again?.computed[0]).toEqual({
      startMs: Date.parse('2026-01-01'),
      endMs: Date.parse('2026-01-02'),
    })
    expect(await project.rows('SELECT sum(n) FROM models.daily')).toEqual(['4'])
  })

  it('[B5] lets one of two runners win and gives the other nothing to do', async () => {
    const both = await Promise.all([project.run(), project.run(), project.run()])
    const outcomes = both.map(({ results }) => results[0]?.status).sort()
    expect(outcomes).toEqual(['skipped', 'skipped', 'success'])
    expect(await snapshots('models.daily')).toBe(1)
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(everyDay)
  })

  it('[B2] reads one state of every table, however often it is named', async () => {
    await project.files({
      'models/daily.sql': daily.replace(
        'GROUP BY ALL',
        `AND id IN (SELECT id FROM {{ source('web', 'events') }}) GROUP BY ALL`,
      ),
    })
    const catalog = project.lake.catalog
    let loads = 0
    const counting = new Proxy(catalog, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return async (...args: readonly unknown[]) => {
          const [first] = args as readonly { name?: string }[]
          if (key === 'loadTable' && first?.name === 'events') {
            loads++
            // A rival commits between any two looks at the table.
            if (loads > 1) await arrive([90 + loads, '2026-01-01 12:00', 'z'])
          }
          return (value as (...given: readonly unknown[]) => unknown).apply(target, [...args])
        }
      },
    })
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    await runProject({ ...project.tools, catalog: counting }, loaded, { verb: 'build' })
    expect(loads).toBe(1)
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(everyDay)
  })
})

const materializations = [
  ['table', "{{ config(materialized='table') }} SELECT"],
  ['incremental, appended', "{{ config(materialized='incremental') }} SELECT"],
  ['incremental, by intervals', daily.replace('SELECT', 'SELECT /**/')],
] as const

describe('a run', () => {
  it.each(materializations)(
    '[B14] of a model (%s) that fails leaves its table as it was',
    async (_, sql) => {
      await arrive([1, '2026-01-02 10:00', 'a'])
      const isDaily = sql.includes('/**/')
      const query = (columns: string): Record<string, string> => ({
        'models/m.sql': isDaily ? sql.replace('/**/', columns) : `${sql} ${columns} 1 AS id`,
        'models/sources.yml': sources,
      })
      await project.files(query('1::INTEGER AS n1,'))
      await project.build()
      const before = await project.lake.load('models.m')
      await arrive([2, '2026-01-02 11:00', 'b'])
      await project.files(query("5000000000 AS n1, 'new' AS note,"))
      const io = new Proxy(project.tools.io, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name)
          if (typeof member !== 'function') return member
          if (name === 'upload') return () => Promise.reject(new UnavailableError('bucket is full'))
          return member.bind(target) as unknown
        },
      })
      const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
      const { results } = await runProject({ ...project.tools, io }, loaded, { verb: 'build' })
      expect(results[0]?.message).toMatch(/bucket is full/)
      expect(await project.lake.load('models.m')).toEqual(before)
      // And one that does not fail makes columns and rows in one commit.
      await project.build()
      const after = await project.lake.load('models.m')
      expect(after.metadata.metadataLog.at(-1)?.metadataFile).toBe(before.metadataLocation)
      expect(await project.rows('SELECT max(n1), max(note) FROM models.m')).toEqual([
        '5000000000|new',
      ])
    },
  )

  it('that is stopped skips the model that was running and those after it, and changes nothing', async () => {
    await project.files({
      'models/first.sql': 'SELECT 1 AS x',
      'models/second.sql': "SELECT * FROM {{ ref('first') }}",
    })
    const stop = new AbortController()
    const { catalog } = project.tools
    const stopping = decorateCatalog(catalog, {
      loadTable: (identifier) => {
        stop.abort()
        return catalog.loadTable(identifier)
      },
    })
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    const { results } = await runProject({ ...project.tools, catalog: stopping }, loaded, {
      verb: 'build',
      signal: stop.signal,
    })
    expect(results.map(({ name, status, message }) => `${name} ${status}: ${message}`)).toEqual([
      'first skipped: not run: stopped',
      'second skipped: not run: stopped',
    ])
    await expect(project.lake.load('models.first')).rejects.toThrow(/does not exist/)
  })

  it('tests what it built, and leaves alone what stands behind a failure', async () => {
    await arrive([1, '2026-01-01 10:00', 'a'], [1, '2026-01-02 10:00', 'x'])
    await project.files({
      'models/base.sql': "SELECT id, kind FROM {{ source('web', 'events') }}",
      'models/next.sql': "SELECT * FROM {{ ref('base') }}",
      'models/other.sql': 'SELECT 1 AS id',
      'models/schema.yml': `
models:
  - name: base
    columns:
      - { name: id, tests: [unique, not_null, { relationships: { to: "ref('other')", field: id } }] }
      - { name: kind, tests: [{ accepted_values: { values: [a, b] } }] }`,
      'tests/positive.sql': "SELECT * FROM {{ ref('other') }} WHERE id < 0",
    })
    const { results, ok } = await project.run({ threads: 3 })
    expect(ok).toBe(false)
    expect(results.map(({ name, status, failures }) => [name, status, failures])).toEqual([
      ['base', 'success', undefined],
      ['next', 'skipped', undefined],
      ['other', 'success', undefined],
      ['unique_base_id', 'fail', 1],
      ['not_null_base_id', 'pass', 0],
      ['relationships_base_id', 'pass', 0],
      ['accepted_values_base_kind', 'fail', 1],
      ['positive', 'pass', 0],
    ])
    expect(results[1]?.message).toBe('not run: test.unique_base_id failed')
    const only = await project.run({ select: ['next'] })
    expect(only.results.map(({ name, status }) => `${name} ${status}`)).toEqual(['next success'])
    const tests = await project.run({ verb: 'test', select: ['other'] })
    expect(tests.results.map(({ name, status }) => `${name} ${status}`)).toEqual(['positive pass'])
  })

  it('names the first of several failures in the order of the project, whichever ends first', async () => {
    await project.files({
      'models/base.sql': 'SELECT 1 AS id',
      'models/next.sql': "SELECT * FROM {{ ref('base') }}",
      'tests/first_and_slow.sql':
        "SELECT * FROM {{ ref('base') }} WHERE (SELECT sum(hash(range)) FROM range(20000000)) > 0",
      'tests/last_and_fast.sql': "SELECT * FROM {{ ref('base') }}",
    })
    const { results } = await project.run({ threads: 3 })
    const next = results.find(({ name }) => name === 'next')
    expect(next?.message).toBe('not run: test.first_and_slow failed')
  })

  it('[B13] runs each test of a column, also of two that are alike but for what they are given', async () => {
    await project.files({
      'models/a.sql': "SELECT 1 AS id, 'x' AS b_c",
      'models/a_b.sql': 'SELECT NULL::VARCHAR AS c',
      'models/schema.yml': `
models:
  - name: a
    columns:
      - { name: id, tests: [{ accepted_values: { values: [7] } }, { accepted_values: { values: [1] } }] }
      - { name: b_c, tests: [not_null] }
  - { name: a_b, columns: [{ name: c, tests: [not_null] }] }`,
    })
    const { results, ok } = await project.run()
    expect(ok).toBe(false)
    expect(results.slice(2).map(({ name, status }) => `${name} ${status}`)).toEqual([
      'accepted_values_a_id__7 fail',
      'accepted_values_a_id__1 pass',
      'not_null_a_b_c pass',
      'not_null_a_b_c_2 fail',
    ])
    const only = ['test.not_null_a_b_c_2']
    const again = await project.run({ verb: 'test', select: ['a_b'], only })
    expect(again.results.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'not_null_a_b_c_2 fail',
    ])
  })

  it('takes a comment behind the last semicolon, as a table and by intervals', async () => {
    await arrive([1, '2026-01-02 10:00', 'a'])
    await project.files({
      'models/whole.sql': "SELECT id FROM {{ source('web', 'events') }}; -- note",
      'models/daily.sql': `${daily}; -- note`,
      'models/sources.yml': sources,
    })
    expect(await project.build()).toEqual(['daily success', 'whole success'])
    expect(await project.rows('SELECT kind, n FROM models.daily')).toEqual(['a|1'])
  })

  it('points at the fault in the SQL of the model', async () => {
    await project.files({ 'models/bad.sql': 'SELECT 1 AS a,\n  nope\nFROM range(3)' })
    const { results } = await project.run()
    expect(results[0]?.message).toMatch(/nope.*\nline 2/s)
  })

  it('leaves no local files behind', async () => {
    await project.files({ 'models/a.sql': 'SELECT 1 AS x' })
    await project.build()
    const { readdir } = await import('node:fs/promises')
    expect((await readdir(project.directory)).sort()).toEqual(['models', 'warehouse'])
    expect(await readFile(join(project.directory, 'models/a.sql'), 'utf8')).toBe('SELECT 1 AS x')
  })
})
