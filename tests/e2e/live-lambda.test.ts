/**
 * Models with `lambda: true` asked by name while data flows, against a full recomputation in the same
 * query. The moments are drawn anew in each run, which prints its seed:
 *
 *   TIDEWATER_TEST_SEED=12345 npx vitest run --project e2e tests/e2e/live-lambda.test.ts
 */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lambdaViews, loadProject } from '../../batch-jobs/index.ts'
import {
  environment,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import { parseStreamSettings } from '../../ingest/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import {
  createEmbeddedSource,
  createLiveLayer,
  EmbeddedLog,
  runStream,
} from '../../ingest/index.ts'
import {
  allRows,
  createDataFileWriter,
  createQueryEngine,
  plainText,
  type QueryEngine,
  type TableSummary,
} from '../../sql/index.ts'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'
import { eventually } from '../support/eventually.ts'

let project: BatchProject
let log: EmbeddedLog
let engine: QueryEngine
let stop: () => Promise<void>

const hourMs = 3_600_000
const seed = Number(
  environment('TIDEWATER_TEST_SEED') ?? Math.floor(systemRandom.fraction() * 2 ** 31),
)
/** Other ones in each run; `npm run soak` takes many more. */
const moments = Number(environment('TIDEWATER_TEST_MOMENTS') ?? 80)
const full = `SELECT date_trunc('hour', ts)::TIMESTAMP AS hour, kind, count(*) AS n, sum(id) AS total
FROM web.events GROUP BY ALL`
const model = `{{ config(materialized='incremental', event_time='hour', batch_size='hour',
  begin='2026-01-01', lambda=true) }}
${full.replace('web.events', "{{ source('web', 'events') }} WHERE ts >= '{{ start }}' AND ts < '{{ end }}'")}`

beforeEach(async () => {
  project = await openBatchProject({ now: '2026-01-03T00:30:00Z' })
  const { lake, directory } = project
  await lake.create('web.events', ['id long', 'ts timestamp', 'kind string'], ['day(ts)'])
  await project.files({
    'models/hourly.sql': model,
    'models/sources.yml':
      'sources: [{ name: web, tables: [{ name: events, config: { event_time: ts } }] }]',
  })
  log = await EmbeddedLog.open(join(directory, 'log'))
  await log.createTopic('events', 2)
  const { settings } = parseStreamSettings({
    text: `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
output: { iceberg: { table: web.events, commit: { interval: 150ms } } }`,
    file: undefined,
    variables: variableSource({}),
    overrides: [],
    directory,
  })
  const writer = createDataFileWriter(lake.database)
  const live = createLiveLayer({ writer, clock: systemClock, intervalMs: 20 })
  const attached = live.attach(settings)
  if (attached === undefined) throw new Error('not attached')
  const abort = new AbortController()
  const parts = {
    source: createEmbeddedSource({ log, topics: ['events'] }),
    catalog: lake.catalog,
    io: project.tools.io,
    writer,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    workDirectory: join(directory, 'spool'),
    streaming: attached,
  }
  const running = runStream(settings, parts, { until: 'stopped', signal: abort.signal })
  running.catch(() => undefined)
  stop = async () => {
    abort.abort()
    await running
  }
  const loaded = await loadProject({ directory, namespace: 'models' })
  const environment = (): undefined => undefined
  const rendering = { project: loaded, vars: {}, environment, runId: 'r' }
  const views = lambdaViews(project.tools, rendering)
  engine = await createQueryEngine({ ...project.tools.query, catalog: lake.catalog, live, views })
})
afterEach(async () => {
  await stop()
  await log.close()
  await project.close()
})

let id = 0

async function produce(count: number, random: ReturnType<typeof seededRandom>): Promise<void> {
  const now = project.clock.now()
  const values = Array.from({ length: count }, () => {
    // Most rows are of now, some of any hour before.
    const isLate = random.fraction() < 0.2
    const begin = Date.parse('2026-01-01T00:00:00Z')
    const ms = isLate
      ? begin + random.fraction() * (now - begin)
      : now - random.fraction() * 2 * hourMs
    const time = new Date(ms).toISOString().replace('Z', '')
    return `{"id":${++id},"ts":"${time}","kind":"${'abc'[id % 3]}"}`
  })
  await log.appendValues({ topic: 'events', partition: id % 2 }, values)
}

interface Comparison {
  readonly missing: number
  readonly extra: number
  readonly live: number
  readonly tables: readonly TableSummary[]
}

/** View and recomputation in one statement, so that they see one state. */
async function compare(): Promise<Comparison> {
  const result = await engine.query(`
    WITH answered AS (SELECT * FROM models.hourly), recomputed AS (${full})
    SELECT (SELECT count(*) FROM (FROM recomputed EXCEPT ALL FROM answered)),
      (SELECT count(*) FROM (FROM answered EXCEPT ALL FROM recomputed)),
      (SELECT count(*) FROM web."events$live")`)
  const [row = []] = await allRows(result)
  const [missing = 0, extra = 0, live = 0] = row.map(Number)
  return { missing, extra, live, tables: result.summary().tables }
}

process.stdout.write(`live-lambda: TIDEWATER_TEST_SEED=${seed}\n`)

describe(`a model with lambda: true (TIDEWATER_TEST_SEED=${seed})`, () => {
  it(`[L7] is a full recomputation at ${moments} moments while data flows, late rows included`, async () => {
    const random = seededRandom(seed)
    const seen = { live: 0, builds: 0, finished: 0 }
    let building: Promise<unknown> = Promise.resolve()
    for (let moment = 0; moment < moments; moment++) {
      if (random.fraction() < 0.7) await produce(1 + Math.floor(random.fraction() * 20), random)
      if (random.fraction() < 0.3) project.clock.advance(Math.floor(random.fraction() * hourMs))
      if (moment % 10 === 5) {
        // Beside the questions, as it is in a running process.
        await building
        building = project.build().then(() => seen.builds++)
        building.catch(() => undefined)
      }
      if (random.fraction() < 0.3) await systemClock.sleep(Math.floor(random.fraction() * 60))
      const { missing, extra, live, tables } = await compare()
      expect([missing, extra], `moment ${moment}`).toEqual([0, 0])
      seen.live += live
      seen.finished += tables.some(
        ({ name, filesRead }) => name === 'models.hourly' && filesRead > 0,
      )
        ? 1
        : 0
    }
    await building
    // The test would prove little if the model's table or live rows had no part in it.
    expect(seen.builds).toBeGreaterThan(moments / 14)
    expect(seen.finished).toBeGreaterThan(moments / 2)
    expect(seen.live).toBeGreaterThan(moments / 2)
  })

  it('[L7] is the table alone as "$batch", and answers before it was ever built', async () => {
    await produce(20, seededRandom(seed))
    await eventually(async () => (await compare()).live >= 20)
    const count = async (name: string): Promise<string> => {
      const result = await engine.query(`SELECT coalesce(sum(n), 0) FROM models."${name}"`)
      return (await allRows(result)).flat().map(plainText).join()
    }
    expect(await count('hourly')).toBe('20')
    await expect(count('hourly$batch')).rejects.toThrow('there is no table models.hourly')
    await project.build()
    expect(Number(await count('hourly'))).toBe(20)
    expect(Number(await count('hourly$batch'))).toBeLessThanOrEqual(20)
  })
})
