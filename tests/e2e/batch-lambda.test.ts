/** The lambda view against a full recomputation, and the scheduler against the calendar. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  lambdaView,
  loadProject,
  pinTables,
  type Rendering,
  Scheduler,
} from '../../batch-jobs/index.ts'
import { ObjectStoreCatalog } from '../../catalog/index.ts'
import { environment, seededRandom, systemRandom } from '../../common/index.ts'
import { allRows, createQueryEngine, plainText } from '../../sql/index.ts'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'
import { eventually } from '../support/eventually.ts'

let project: BatchProject
const seed = Number(
  environment('TIDEWATER_TEST_SEED') ?? Math.floor(systemRandom.fraction() * 2 ** 31),
)

beforeEach(async () => {
  project = await openBatchProject({ now: '2026-01-03T00:30:00Z' })
  await project.lake.create('web.events', ['id long', 'ts timestamp', 'kind string'], ['day(ts)'])
})

afterEach(() => project.close())

const query = `SELECT date_trunc('hour', ts)::TIMESTAMP AS hour, kind, count(*) AS n, sum(id) AS total
FROM {{ source('web', 'events') }}
WHERE ts >= '{{ start }}' AND ts < '{{ end }}'
GROUP BY ALL`
const files = {
  'models/hourly.sql': `{{ config(materialized='incremental', event_time='hour', batch_size='hour',
    begin='2026-01-01', lambda=true, cron='0 * * * *') }}\n${query}`,
  'models/sources.yml':
    'sources: [{ name: web, tables: [{ name: events, config: { event_time: ts } }] }]',
}
const hourMs = 3_600_000

async function view(): Promise<{ readonly rows: readonly string[]; readonly finished: number }> {
  const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
  const [model] = loaded.models
  if (model === undefined) throw new Error('no model')
  const rendering: Rendering = {
    project: loaded,
    vars: {},
    environment: () => undefined,
    runId: 'r',
  }
  const pins = pinTables(project.lake.catalog)
  const { sql, finished } = await lambdaView(project.tools, { rendering, model, pins })
  // A rival commits between the planning and the reading: both sides stay at the pins.
  const engine = await createQueryEngine({ ...project.tools.query, catalog: pins.catalog })
  const rows = await allRows(await engine.query(`SELECT * FROM (${sql}) ORDER BY ALL`))
  return {
    rows: rows.map((row) => row.map(plainText).join('|')),
    finished: finished.reduce((sum, span) => sum + (span.endMs - span.startMs), 0) / hourMs,
  }
}

function recomputed(): Promise<readonly string[]> {
  const sql = query
    .replace("{{ source('web', 'events') }}", 'web.events')
    .replace(/WHERE.*\n/, "WHERE ts >= '2026-01-01'\n")
  return project.rows(sql)
}

describe(`lambdaView() (TIDEWATER_TEST_SEED=${seed})`, () => {
  it('[B11] is a full recomputation at every moment, late rows for finished intervals included', async () => {
    await project.files(files)
    const random = seededRandom(seed)
    const between = (from: number, to: number): number =>
      from + Math.floor(random.fraction() * (to - from))
    let id = 0
    let finishedMost = 0
    for (let step = 0; step < 40; step++) {
      const what = random.fraction()
      if (what < 0.5) {
        const latest = project.clock.now()
        const count = between(1, 6)
        const rows = Array.from({ length: count }, () => {
          // Most rows are of now, some of any hour before.
          const isLate = random.fraction() < 0.3
          const ms = isLate
            ? between(Date.parse('2026-01-01'), latest)
            : latest - between(0, hourMs)
          const time = new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
          return `(${++id}::BIGINT, TIMESTAMP '${time}', '${'abc'[between(0, 3)] ?? 'a'}')`
        })
        await project.lake.append(
          'web.events',
          `SELECT * FROM (VALUES ${rows.join(', ')}) t(id, ts, kind)`,
        )
      } else if (what < 0.75) project.clock.advance(between(1, 90) * 60_000)
      else await project.build()
      const { rows, finished } = await view()
      finishedMost = Math.max(finishedMost, finished)
      expect(rows, `seed ${seed}, step ${step}`).toEqual(await recomputed())
    }
    // The test would prove nothing if the model's own table were never read.
    expect(finishedMost).toBeGreaterThan(40)
  })

  it('[B11] takes live rows as a reason to compute their interval', async () => {
    await project.files(files)
    await project.lake.append(
      'web.events',
      "SELECT 1::BIGINT AS id, TIMESTAMP '2026-01-01 10:20' AS ts, 'a' AS kind",
    )
    await project.build()
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    const [model] = loaded.models
    if (model === undefined) throw new Error('no model')
    const rendering: Rendering = {
      project: loaded,
      vars: {},
      environment: () => undefined,
      runId: 'r',
    }
    const pins = pinTables(project.lake.catalog)
    const startMs = Date.parse('2026-01-01T10:59:59Z')
    const live = [{ startMs, endMs: startMs + 2_000 }]
    const { computed } = await lambdaView(project.tools, {
      rendering,
      model,
      pins,
      streamingTimes: live,
    })
    expect(computed).toEqual([
      { startMs: Date.parse('2026-01-01T10:00:00Z'), endMs: Date.parse('2026-01-01T12:00:00Z') },
      { startMs: Date.parse('2026-01-03T00:00:00Z'), endMs: Number.POSITIVE_INFINITY },
    ])
  })
})

describe('Scheduler', () => {
  async function scheduler(): Promise<Scheduler> {
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    return new Scheduler(project.tools, loaded)
  }

  const statuses = async (one: Scheduler): Promise<readonly string[]> =>
    ((await one.runDue())?.results ?? []).map(({ name, status }) => `${name} ${status}`)

  it('[B10] runs what is due by the tables alone: no tick is lost, none counts twice', async () => {
    await project.files({
      ...files,
      'models/hourly_table.sql':
        "{{ config(cron='0 * * * *') }} SELECT count(*) AS n FROM {{ source('web', 'events') }}",
      'models/never.sql': 'SELECT 1 AS x',
    })
    const first = await scheduler()
    expect(first.models.map(({ name }) => name)).toEqual(['hourly', 'hourly_table'])
    expect(await statuses(first)).toEqual(['hourly success', 'hourly_table success'])
    expect(await statuses(first)).toEqual([])
    // Another scheduler knows it from the tables.
    expect(await statuses(await scheduler())).toEqual([])
    project.clock.advance(29 * 60_000)
    expect(await statuses(first)).toEqual([])
    // Five ticks were missed; one run makes up for all of them.
    project.clock.advance(5 * hourMs)
    const second = await scheduler()
    expect(await statuses(second)).toEqual(['hourly success', 'hourly_table success'])
    expect(await statuses(second)).toEqual([])
    expect(await statuses(first)).toEqual([])
  })

  it('[B10] one table that cannot be read stops no other model, and its own run says why', async () => {
    await project.files({
      'models/broken.sql': "{{ config(cron='0 * * * *') }} SELECT 1 AS x",
      'models/sound.sql': "{{ config(cron='0 * * * *') }} SELECT 2 AS x",
    })
    await project.build()
    const { metadataLocation } = await project.lake.catalog.loadTable({
      namespace: ['models'],
      name: 'broken',
    })
    await project.tools.io.delete([metadataLocation])
    project.clock.advance(hourMs)
    const { io, clock } = project.tools
    const warehouse = `file://${project.directory}/warehouse`
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    const tools = { ...project.tools, catalog: new ObjectStoreCatalog({ io, warehouse, clock }) }
    const one = new Scheduler(tools, loaded)
    const { results = [] } = (await one.runDue()) ?? {}
    expect(results.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'broken error',
      'sound success',
    ])
    expect(results[0]?.message).toContain('the metadata file of the table is missing')
    // Not at every look: when its own cron says so again.
    expect(await statuses(one)).toEqual([])
    project.clock.advance(hourMs)
    expect(await statuses(one)).toEqual(['broken error', 'sound success'])
  })

  it('[B10] runs at once what is due when it starts, and ends in an orderly way', async () => {
    await project.files({ 'models/t.sql': "{{ config(cron='0 0 1 1 *') }} SELECT 1 AS x" })
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    const rounds: boolean[] = []
    const one = new Scheduler(project.tools, loaded, { onRound: ({ ok }) => rounds.push(ok) })
    one.start()
    one.wake()
    one.wake()
    await eventually(() => rounds.length > 0)
    await one.stop()
    expect(rounds).toEqual([true])
    expect(await project.rows('SELECT * FROM models.t')).toEqual(['1'])
  })
})
