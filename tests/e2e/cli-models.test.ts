/** The verbs of models that look, try again and wait: `tide retry`, `compile`, `schedule`, and the files of `target/`. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { eventually } from '../support/eventually.ts'
import { exitOf, spawnTide, tide, tideRows } from '../support/tide.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-cli-models-'))
  await files({ 'tidewater.yaml': 'catalog: { warehouse: ./warehouse }\n' })
})

afterEach(() => rm(directory, { recursive: true, force: true }))

async function files(texts: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(texts)) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
}

interface Results {
  readonly metadata: { readonly invocation_id: string; readonly generated_at: string }
  readonly results: readonly {
    readonly unique_id: string
    readonly status: string
    readonly message: string
    readonly failures: number | null
    readonly timing: readonly { readonly started_at: string; readonly completed_at: string }[]
    readonly adapter_response: {
      readonly rows_affected: number | null
      readonly snapshot_id: string | null
      readonly intervals: readonly string[]
    }
  }[]
  readonly args: Readonly<Record<string, unknown>>
}

async function target<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join(directory, 'target', name), 'utf8')) as T
}

async function statuses(): Promise<readonly string[]> {
  const { results } = await target<Results>('run_results.json')
  return results.map((each) => `${each.unique_id} ${each.status}`)
}

async function ask(sql: string): Promise<readonly string[]> {
  const { stdout, stderr, code } = await tide(['sql', '--csv', '-c', sql], { directory })
  if (code !== 0) throw new Error(stderr)
  return stdout.trim().split('\n').slice(1)
}

const chain = {
  'models/first.sql': "SELECT i AS id, 'a' AS kind FROM range({{ var('rows', 3) }}) t(i)",
  'models/second.sql': "SELECT id, kind FROM {{ ref('first') }} WHERE broken > 0",
  'models/third.sql': "{{ config(tags=['late']) }} SELECT count(*) AS n FROM {{ ref('second') }}",
  'models/aside.sql': 'SELECT 1 AS x',
  'models/schema.yml': `
models:
  - name: first
    description: numbers
    columns: [{ name: id, tests: [unique] }]
  - name: third
    columns: [{ name: n, tests: [not_null] }]`,
}

describe('tide retry', () => {
  it('runs what failed and what was cut off by it, with the flags of the run, and nothing else', async () => {
    await files(chain)
    const first = await tide(['build', '--vars', 'rows: 5', '--exclude', 'aside'], { directory })
    expect(first.code).toBe(1)
    expect(await statuses()).toEqual([
      'model.first success',
      'model.second error',
      'model.third skipped',
      'test.unique_first_id pass',
      'test.not_null_third_n skipped',
    ])
    const before = await target<Results>('run_results.json')
    const snapshots = await tideRows('table snapshots models.first', { directory })

    const again = await tide('retry', { directory })
    expect(again.code).toBe(1)
    const failed = ['model.second error', 'model.third skipped', 'test.not_null_third_n skipped']
    expect(await statuses()).toEqual(failed)

    await files({ 'models/second.sql': "SELECT id, kind FROM {{ ref('first') }}" })
    // The run's own flags are still those of the first one.
    const cured = await tide('retry', { directory })
    expect([cured.code, cured.stderr]).toEqual([0, expect.stringContaining('success second')])
    expect(await statuses()).toEqual([
      'model.second success',
      'model.third success',
      'test.not_null_third_n pass',
    ])
    expect(await ask('SELECT n FROM models.third')).toEqual(['5'])
    expect(await tideRows('table snapshots models.first', { directory })).toEqual(snapshots)
    const after = await target<Results>('run_results.json')
    expect(after.args).toEqual(before.args)
    expect(after.metadata.invocation_id).not.toBe(before.metadata.invocation_id)
    expect(await tide('retry', { directory })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('nothing failed in the last run'),
    })
  })

  it('repeats a failed test and what stood behind it, and a window of time', async () => {
    await files({
      'models/base.sql':
        "{{ config(event_time='ts') }} SELECT 1 AS id, TIMESTAMP '2026-01-02' AS ts UNION ALL SELECT {{ var('other', 1) }}, TIMESTAMP '2026-01-03'",
      'models/days.sql': `{{ config(materialized='incremental', event_time='day', batch_size='day', begin='2026-01-01') }}
        SELECT date_trunc('day', ts)::TIMESTAMP AS day, count(*) AS n FROM {{ ref('base') }}
        WHERE ts >= '{{ start }}' AND ts < '{{ end }}' GROUP BY ALL`,
      'models/schema.yml': 'models: [{ name: base, columns: [{ name: id, tests: [unique] }] }]',
    })
    const window = ['--event-time-start', '2026-01-02', '--event-time-end', '2026-01-03']
    expect((await tide(['build', ...window], { directory })).code).toBe(1)
    const { results } = await target<Results>('run_results.json')
    expect(results.map(({ unique_id: id, status, failures }) => [id, status, failures])).toEqual([
      ['model.base', 'success', null],
      ['model.days', 'skipped', null],
      ['test.unique_base_id', 'fail', 1],
    ])
    expect(
      (await tide(['run', '--select', 'base', '--vars', 'other: 2'], { directory })).code,
    ).toBe(0)
    // That was another run, in which nothing failed.
    expect((await tide('retry', { directory })).stderr).toContain('nothing failed')
    expect((await tide(['build', ...window], { directory })).code).toBe(1)
    await files({ 'tests/none.sql': 'SELECT 1 WHERE false', 'models/schema.yml': 'models: []' })
    expect((await tide('retry', { directory })).code).toBe(0)
    expect(await statuses()).toEqual(['model.days success'])
    const done = await target<Results>('run_results.json')
    expect(done.results[0]?.adapter_response.intervals).toEqual([
      '[2026-01-02T00:00:00Z, 2026-01-03T00:00:00Z)',
    ])
    expect(await ask('SELECT n FROM models.days')).toEqual(['1'])
  })

  it('says so when there was no run', async () => {
    const { code, stderr } = await tide('retry', { directory })
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/no run to retry.*run_results\.json/)
  })
})

describe('target/', () => {
  it('holds what ran, when, and what became of it, in the words of dbt', async () => {
    await files({ ...chain, 'models/second.sql': "SELECT * FROM {{ ref('first') }}" })
    expect((await tide('build --threads 2', { directory })).code).toBe(0)
    const run = await target<Results>('run_results.json')
    const first = run.results.find((each) => each.unique_id === 'model.first')
    const snapshots = await tideRows('table snapshots models.first', { directory })
    expect(first).toMatchObject({
      unique_id: 'model.first',
      status: 'success',
      message: '3 rows',
      failures: null,
      adapter_response: {
        rows_affected: 3,
        snapshot_id: String(snapshots[0]?.['snapshot_id']),
        intervals: [],
      },
    })
    const { started_at: started = '', completed_at: completed = '' } = first?.timing[0] ?? {}
    expect(Date.parse(started)).toBeLessThanOrEqual(Date.parse(completed))
    expect(Date.parse(completed)).toBeLessThanOrEqual(Date.parse(run.metadata.generated_at))
    expect(run.args).toEqual({ which: 'build', threads: '2' })

    interface Manifest {
      readonly nodes: Readonly<Record<string, Readonly<Record<string, unknown>>>>
    }
    const { nodes } = await target<Manifest>('manifest.json')
    expect(Object.keys(nodes).sort()).toEqual([
      'model.aside',
      'model.first',
      'model.second',
      'model.third',
      'test.not_null_third_n',
      'test.unique_first_id',
    ])
    expect(nodes['model.first']).toMatchObject({
      resource_type: 'model',
      original_file_path: 'models/first.sql',
      relation_name: 'models.first',
      description: 'numbers',
      depends_on: { nodes: [] },
      raw_code: chain['models/first.sql'],
      checksum: { name: 'sha256', checksum: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(nodes['model.third']).toMatchObject({
      config: { materialized: 'table', tags: ['late'] },
      depends_on: { nodes: ['model.second'] },
    })
    expect(nodes['test.unique_first_id']).toMatchObject({
      column_name: 'id',
      depends_on: { nodes: ['model.first'] },
    })
  })
})

describe('tide compile', () => {
  const project = {
    'models/days.sql': `{{ config(materialized='incremental', event_time='day', batch_size='day', begin='2026-01-01') }}
SELECT day, '{{ var("greeting", "hello") }}' AS word FROM {{ source('web', 'events') }}
WHERE day >= '{{ start }}' AND day < '{{ end }}' {% if is_incremental() %} AND false {% endif %}`,
    'models/top.sql': "SELECT * FROM {{ ref('days') }} -- {{ this }}",
    'snapshots/people.yml':
      "snapshots: [{ name: people, relation: ref('top'), config: { strategy: check, unique_key: day, check_cols: all } }]",
  }

  it('writes the SQL of a first run and runs nothing', async () => {
    await files(project)
    const { code, stderr } = await tide(['compile', '--vars', 'greeting: moin'], { directory })
    expect([code, stderr.trim().split('\n')]).toEqual([
      0,
      expect.arrayContaining(['days: target/compiled/models/days.sql']),
    ])
    const compiled = join(directory, 'target', 'compiled')
    const days = await readFile(join(compiled, 'models/days.sql'), 'utf8')
    expect(days).toContain('SELECT day, \'moin\' AS word FROM "web"."events"')
    // Whole days, as a run takes them.
    expect(days).toMatch(/WHERE day >= '2026-01-01 00:00:00' AND day < '\d{4}-\d\d-\d\d 00:00:00'/)
    expect(days).not.toMatch(/AND false|[{}]/)
    expect(await readFile(join(compiled, 'models/top.sql'), 'utf8')).toContain('"models"."days"')
    // Each file is where the line says that it is.
    const named = [...stderr.matchAll(/: (target\/compiled\/\S+)/g)].map(([, path = '']) => path)
    expect(named).toHaveLength(3)
    for (const path of named)
      expect(await readFile(join(directory, path), 'utf8')).toMatch(/SELECT/)
    expect((await readdir(directory)).sort()).toEqual([
      'models',
      'snapshots',
      'target',
      'tidewater.yaml',
    ])
    expect(await readdir(join(directory, 'target'))).toEqual(['compiled'])
  })

  it('prints the SQL of one model, and names a fault in a template', async () => {
    await files(project)
    const one = await tide('compile --select top', { directory })
    expect(one.stdout).toContain('SELECT * FROM "models"."days" -- "models"."top"')
    await files({ 'models/bad.sql': "SELECT * FROM {{ ref('nobody') }}" })
    const bad = await tide('compile', { directory })
    expect(bad.code).not.toBe(0)
    expect(bad.stderr).toMatch(/models\/bad\.sql.*nobody/)
  })
})

describe('a selection that matches nothing', () => {
  const nothing =
    'the selection matches nothing; there is: names aside, first, second, third; tags late; folders models'

  it.each(['build', 'run', 'test', 'snapshot', 'ls', 'compile'])(
    'is told by tide %s, with what there is',
    async (verb) => {
      await files(chain)
      const { code, stdout, stderr } = await tide([verb, '-s', 'tag:none'], { directory })
      expect([code, (stdout + stderr).trim()]).toEqual([0, nothing])
    },
  )

  it('is told where everything is excluded, and ends a schedule that would wait for nothing', async () => {
    await files(chain)
    const all = await tide('run --select first --exclude path:models', { directory })
    expect(all.stdout.trim()).toBe(nothing)
    const schedule = await tide('schedule -s tag:none', { directory })
    expect([schedule.code, schedule.stderr]).toEqual([2, expect.stringContaining(nothing)])
  })

  it('is not blamed for a project without models, snapshots or tests', async () => {
    expect((await tide('build -s tag:none', { directory })).stdout).toMatch(/^no models: put SQL/)
    await files({ 'models/a.sql': 'SELECT 1 AS x' })
    expect((await tide('snapshot', { directory })).stdout).toMatch(/^no snapshots: /)
    expect((await tide('test', { directory })).stdout).toMatch(/^no tests: /)
    expect((await tide('test -s a', { directory })).stdout).toMatch(/^no tests: /)
  })
})

describe('tide schedule', () => {
  const log = (cron: string): string =>
    `{{ config(materialized='incremental', cron='${cron}') }} SELECT now() AS ticked, '{{ run_id }}' AS run`

  async function until<T>(work: () => Promise<T>, isDone: (found: T) => boolean): Promise<T> {
    let found: T
    const { last } = await eventually(
      async () => {
        found = await work()
        return isDone(found) && { last: found }
      },
      () => JSON.stringify(found),
      250,
    )
    return last
  }

  it('[B10] runs what is due once, and then has nothing to do', async () => {
    await files({
      'models/yearly.sql': log('0 0 1 1 *'),
      'models/other.sql': log('0 0 1 1 *'),
      'models/never.sql': 'SELECT 1 AS x',
    })
    const first = await tide('schedule --once --select yearly', { directory })
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/yearly.*success/)
    const second = await tide('schedule --once', { directory })
    expect(second.stdout).toMatch(/other.*success/)
    expect(second.stdout).not.toMatch(/yearly|never/)
    expect(await tide('schedule --once', { directory })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('nothing is due'),
    })
    expect(await ask('SELECT count(*) FROM models.yearly')).toEqual(['1'])
  })

  it('follows a selection over models that have no cron, and names just what it will run', async () => {
    await files({
      'models/far.sql': "{{ config(cron='0 0 1 1 *') }} SELECT 1 AS x",
      'models/between.sql': "SELECT * FROM {{ ref('far') }}",
      'models/near.sql': `{{ config(cron='0 0 1 1 *') }} SELECT * FROM {{ ref('between') }}`,
      'models/aside.sql': "{{ config(cron='0 0 1 1 *') }} SELECT 1 AS x",
    })
    expect((await tide('run -s between far', { directory })).code).toBe(0)
    const { code, stdout } = await tide('schedule --once -s between+', { directory })
    expect([code, stdout.match(/^\w+ .*success/gm)]).toEqual([0, [expect.stringContaining('near')]])
    const none = await tide('schedule --once -s between', { directory })
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/no model has a cron/)])
  })

  it('says what failed, and what a schedule needs', async () => {
    await files({ 'models/never.sql': 'SELECT 1 AS x' })
    const nothing = await tide('schedule --once', { directory })
    expect(nothing.code).not.toBe(0)
    expect(nothing.stderr).toMatch(/no model has a cron/)
    await files({ 'models/bad.sql': "{{ config(cron='* * * * *') }} SELECT nope" })
    const failed = await tide('schedule --once', { directory })
    expect([failed.code, failed.stdout]).toEqual([1, expect.stringMatching(/bad.*error/)])
    await files({ 'models/bad.sql': "{{ config(cron='every minute') }} SELECT 1 AS x" })
    expect((await tide('schedule --once', { directory })).stderr).toMatch(/not a cron expression/)
  })

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '[B10] ticks each second in a process of its own, and ends cleanly at %s',
    async (signal) => {
      await files({ 'models/ticks.sql': log('* * * * * *') })
      const temporary = join(directory, 'temporary')
      await mkdir(temporary)
      const config = ['--config', join(directory, 'tidewater.yaml')]
      const child = spawnTide([...config, 'schedule'], {
        directory,
        environment: { TMPDIR: temporary },
      })
      let said = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
      try {
        const ticks = (): Promise<readonly string[]> =>
          ask('SELECT count(*) FROM models.ticks').catch(() => ['0'])
        await until(ticks, ([count]) => Number(count) >= 3)
        child.kill(signal)
        expect([await exitOf(child), said]).toEqual([
          0,
          expect.stringContaining('ticks: * * * * * *'),
        ])
      } finally {
        child.kill('SIGKILL')
      }
      // A run for each tick, at most one a second, none cut in half; nothing is left on the disk.
      const found = await ask(
        "SELECT count(*), count(DISTINCT run), count(DISTINCT date_trunc('second', ticked)) FROM models.ticks",
      )
      const [rows, runs] = (found[0] ?? '').split(',').map(Number)
      expect(runs).toBe(rows)
      const snapshots = await tideRows('table snapshots models.ticks', { directory })
      expect(snapshots).toHaveLength(rows ?? 0)
      const left = (await readdir(temporary)).filter((name) => !name.startsWith('tsx-'))
      expect(left).toEqual([])
      // Another scheduler goes on from what the table says.
      await systemClock.sleep(1_100)
      expect((await tide('schedule --once', { directory })).stdout).toMatch(/ticks.*success/)
    },
  )
})
