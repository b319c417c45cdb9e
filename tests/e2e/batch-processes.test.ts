/** Models in processes of their own: killed at every step of the commit, and two at once. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exitOf, spawnTide, tide, tideRows } from '../support/tide.ts'

let directory: string

const files = {
  'tidewater.yaml': 'catalog: { warehouse: ./warehouse }\n',
  'models/raw.sql': `{{ config(event_time='ts') }} SELECT i AS id, TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS ts
    FROM range({{ var('rows', 3000) }}) t(i)`,
  'models/hourly.sql': `{{ config(materialized='incremental', event_time='hour', batch_size='hour', begin='2026-01-01') }}
    SELECT date_trunc('hour', ts)::TIMESTAMP AS hour, count(*) AS n, sum(id) AS total FROM {{ ref('raw') }}
    WHERE ts >= '{{ start }}' AND ts < '{{ end }}' GROUP BY ALL`,
  'snapshots/hours.sql': `{{ config(strategy='check', unique_key='hour', check_cols='all', hard_deletes='invalidate',
    properties={'write.update.mode': 'merge-on-read'}) }} SELECT * FROM {{ ref('hourly') }}`,
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-batch-processes-'))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
})

afterAll(() => rm(directory, { recursive: true, force: true }))

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const config = ['--config', join(directory, 'tidewater.yaml')]
  return spawnTide([...config, ...args], { directory, environment })
}

async function build(args: string): Promise<void> {
  const { code, stderr } = await tide(args, { directory })
  if (code !== 0) throw new Error(stderr)
}

async function sums(table: string): Promise<Record<string, unknown> | undefined> {
  const { stdout } = await tide(
    [
      'sql',
      '--jsonlines',
      '-c',
      `SELECT count(*) AS c, sum(n) AS n, sum(total) AS total FROM ${table}`,
    ],
    { directory },
  )
  const line = stdout.split('\n').find((each) => each.startsWith('{'))
  return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>)
}

function expected(rows: number): Record<string, unknown> {
  return { c: Math.ceil(rows / 60), n: rows, total: (rows * (rows - 1)) / 2 }
}

describe('models in processes', () => {
  it.each([
    'commit.manifest-written',
    'commit.manifest-list-written',
    'commit.metadata-written',
    'commit.pointer-sent',
    'commit.pointer-answered',
  ])('[B1, B3, B9, B12] leaves every row once when killed at %s and run again', async (point) => {
    const rows = 3_000 + point.length * 60
    await tide(['run', '--select', 'raw', '--vars', `rows: ${rows}`], { directory })
    const failing = { TIDEWATER_FAILPOINTS: `${point}=kill` }
    expect(await exitOf(start(['run', '--select', 'hourly'], failing))).toBe('SIGKILL')
    await build('run --select hourly')
    expect(await sums('models.hourly')).toEqual(expected(rows))
    // Hours of the run before that are gone now end: rows of a history that go by position.
    expect(await exitOf(start(['snapshot'], failing))).toBe('SIGKILL')
    await build('snapshot')
    const current = await sums('models.hours WHERE valid_to IS NULL')
    expect(current).toEqual(expected(rows))
    await build('test --select hours')
  })

  it('[B5] lets one of two processes win', async () => {
    await tide(['run', '--select', 'raw', '--vars', 'rows: 9000'], { directory })
    const before = await tideRows('table snapshots models.hourly', { directory })
    const both = [start(['run', '--select', 'hourly']), start(['run', '--select', 'hourly'])]
    expect(await Promise.all(both.map(exitOf))).toEqual([0, 0])
    expect(await sums('models.hourly')).toEqual(expected(9_000))
    const after = await tideRows('table snapshots models.hourly', { directory })
    expect(after).toHaveLength(before.length + 1)
  })
})
