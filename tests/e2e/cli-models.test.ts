/** The verbs of models on the command line: what they print, write and exit with. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tide, tideRows, type TideOutcome } from '../support/tide.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-cli-models-'))
  await put({
    'tidewater.yaml':
      'catalog: { warehouse: ./warehouse }\nmodels: { namespace: marts, vars: { n: 4 } }\n',
    'models/base.sql':
      "{{ config(tags=['core'], cron='0 0 1 1 *') }}\nSELECT range AS id, '{{ env_var('LABEL', 'none') }}' AS label FROM range({{ var('n') }})",
    'models/sum.sql': "SELECT sum(id) AS total FROM {{ ref('base') }}",
    'models/schema.yml': 'models: [{ name: base, columns: [{ name: id, tests: [unique] }] }]',
    'snapshots/history.sql':
      "{{ config(strategy='check', unique_key='total', check_cols='all') }} SELECT * FROM {{ ref('sum') }}",
    'tests/few.sql': "SELECT * FROM {{ ref('base') }} WHERE id > 10",
  })
})

afterEach(() => rm(directory, { recursive: true, force: true }))

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
}

function run(...args: readonly string[]): Promise<TideOutcome> {
  return tide(args, { directory })
}

async function nodes(...args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run(...args, '-o', 'jsonl')
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { node: string; status: string })
    .map(({ node, status }) => `${node} ${status}`)
}

async function rows(sql: string): Promise<string> {
  return (await run('sql', '--csv', '-c', sql)).stdout.trim()
}

describe('tide build', () => {
  it('builds, tests, writes its results and exits by them', async () => {
    const { code, stderr } = await run('build')
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/success sum \(.*\): 1 rows/)
    expect(await rows('SELECT total FROM marts.sum')).toMatch(/total\r?\n6/)
    const manifest = JSON.parse(
      await readFile(join(directory, 'target/manifest.json'), 'utf8'),
    ) as {
      nodes: Record<string, { depends_on: { nodes: string[] } }>
    }
    expect(manifest.nodes['snapshot.history']?.depends_on.nodes).toEqual(['model.sum'])
    expect(Object.keys(manifest.nodes)).toContain('test.unique_base_id')
    const failed = await run('build', '--vars', 'n: 12', '--threads', '2')
    expect(failed.code).toBe(1)
    const results = JSON.parse(
      await readFile(join(directory, 'target/run_results.json'), 'utf8'),
    ) as {
      results: { unique_id: string; status: string; failures: number | null }[]
    }
    expect(results.results.find((each) => each.unique_id === 'test.few')).toMatchObject({
      status: 'fail',
      failures: 1,
    })
  })

  it('selects, takes variables, and lets the other verbs do their part only', async () => {
    expect(await nodes('run', '-s', 'tag:core')).toEqual(['base success'])
    expect(await nodes('run', '--exclude', 'base')).toEqual(['sum success'])
    expect(await nodes('snapshot')).toEqual(['history success', 'one_current_row_history pass'])
    expect(await nodes('test', '-s', 'base')).toEqual(['unique_base_id pass', 'few pass'])
    await nodes('run', '--vars', '{n: 7}')
    expect(await rows('SELECT total FROM marts.sum')).toMatch(/21/)
  })

  it('retries what failed and what was cut off by it, with the same flags', async () => {
    await nodes('build', '--vars', 'n: 12', '--exclude', 'history')
    await put({ 'tests/few.sql': "SELECT * FROM {{ ref('base') }} WHERE id > 100" })
    expect(await nodes('retry')).toEqual(['sum success', 'few pass'])
    expect(await rows('SELECT total FROM marts.sum')).toMatch(/66/)
    const again = await run('retry')
    expect([again.code, again.stderr]).toEqual([0, 'nothing failed in the last run\n'])
  })

  it.each([
    [['build', '-s', 'nope'], /no model is named "nope"/, 1],
    [['build', '--threads', 'many'], /--threads takes a number/, 2],
    [['run', '--event-time-start', 'yesterday'], /not a time/, 2],
    [
      ['run', '--event-time-start', '2026-01-02', '--event-time-end', '2026-01-01'],
      /must lie before/,
      2,
    ],
    [['retry'], /there is no run to retry/, 1],
    [['snapshot', '--project-dir', 'elsewhere', '-o', 'jsonl'], /^$/, 0],
  ])('answers %j', async (args, message, code) => {
    const outcome = await run(...args)
    expect(outcome.stderr).toMatch(message)
    expect(outcome.code).toBe(code)
  })

  it('names the file and place of a wrong config', async () => {
    await put({ 'models/base.sql': "SELECT 1 AS id\n-- {{ config(materialised='table') }}" })
    const { code, stderr } = await run('ls')
    expect(code).toBe(2)
    expect(stderr).toMatch(/^models\/base\.sql:2:7 materialised: unknown key "materialised"/)
  })
})

describe('tide ls, compile, schedule', () => {
  it('lists models with what they read', async () => {
    expect(await tideRows('ls', { directory })).toMatchObject([
      { name: 'base', materialized: 'table', table: 'marts.base', cron: '0 0 1 1 *', tags: 'core' },
      { name: 'sum', depends_on: 'base' },
      { name: 'history', materialized: 'snapshot', file: 'snapshots/history.sql' },
    ])
  })

  it('compiles without running', async () => {
    const options = { directory, environment: { LABEL: 'given' } }
    const { stdout } = await tide('compile -s base', options)
    expect(stdout).toBe("SELECT range AS id, 'given' AS label FROM range(4)\n")
    await run('compile')
    expect(await readFile(join(directory, 'target/compiled/models/sum.sql'), 'utf8')).toBe(
      'SELECT sum(id) AS total FROM "marts"."base"\n',
    )
    expect((await run('table', 'list')).stdout).toMatch(/no tables/)
  })

  it('runs what is due once, and nothing when it is asked again', async () => {
    expect(await nodes('schedule', '--once')).toEqual([
      'base success',
      'unique_base_id pass',
      'few pass',
    ])
    expect((await run('schedule', '--once')).stderr).toMatch(/nothing is due/)
    const stop = new AbortController()
    const running = tide('schedule', { directory, signal: stop.signal })
    stop.abort()
    expect((await running).code).toBe(0)
    await put({ 'models/base.sql': 'SELECT 1 AS id' })
    expect((await run('schedule')).stderr).toMatch(/no model has a cron/)
  })
})
