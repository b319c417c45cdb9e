/**
 * Act 3: models in SQL. Delays by day, half of them built and all of them queried; airports with their
 * history, whose records arrive out of order; and each flight joined to the airport by its name at that time.
 */
import { allRows, createQueryEngine, streamJson } from '../sql/index.ts'
import { type LakeBatchJobs, openBatchJobs, runLakeStream } from '../app/index.ts'
import { formatDuration } from '../common/index.ts'
import { type NodeResult, pinTables } from '../batch-jobs/index.ts'
import { airportRecords, airportWaves, expectedDailyDelays, type Sources } from './airports.ts'
import { airportsTopic } from './demo-project.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { type DemoSession, demoStream } from './demo-session.ts'
import { flightRows } from './flights.ts'
import { grouped } from './grouped.ts'
import { checkModels } from './check-models.ts'
import { queryRows } from './table-accounts.ts'
import { requireSuccess } from './require-success.ts'

export async function buildModels(
  session: DemoSession,
  sources: Sources,
  reporter: DemoReporter,
): Promise<readonly DemoCheck[]> {
  const jobs = await openBatchJobs(session.lake, { directory: session.project.directory })
  try {
    const lambda = await buildHalfOfTheDays(session, jobs, sources, reporter)
    await loadAirports(session, jobs, sources, reporter)
    const startedMs = session.clock.monotonic()
    const built = requireSuccess(await jobs.run({ verb: 'build' }))
    const names = built.map(({ kind, name }) => (kind === 'test' ? 'its test' : name)).join(', ')
    const took = formatDuration(Math.round(session.clock.monotonic() - startedMs))
    reporter.fact('tide build', names, took)
    const again = requireSuccess(await jobs.run({ verb: 'run', select: ['daily_delays'] }))
    return [
      lambda,
      nothingTwice(again),
      ...(await checkModels(session.database, session.lake, sources)),
    ]
  } finally {
    await jobs.close()
  }
}

/** The lambda view must return every day, whether it is built or not. */
async function buildHalfOfTheDays(
  session: DemoSession,
  jobs: LakeBatchJobs,
  sources: Sources,
  reporter: DemoReporter,
): Promise<DemoCheck> {
  const { flights, records } = sources
  // The day after the middle one, so that even a single day of flights has a finished day.
  const half = `SELECT epoch_ms(date_trunc('day', ts)::TIMESTAMP + INTERVAL 1 DAY)
    FROM (${flightRows(flights, records)}) ORDER BY ts LIMIT 1 OFFSET ${Math.floor(records / 2)}`
  const [[middle = 0] = []] = await queryRows(session.database, half)
  const endMs = Number(middle)
  requireSuccess(await jobs.run({ verb: 'run', select: ['daily_delays'], window: { endMs } }))
  const until = new Date(endMs).toISOString().slice(0, 10)
  reporter.fact('half built', `tide run -s daily_delays --event-time-end ${until}`)

  const pins = pinTables(session.lake.catalog)
  const { sql, finished } = await jobs.lambdaView('daily_delays', pins)
  const engine = await createQueryEngine({ ...jobs.tools.query, catalog: pins.catalog })
  const view = await engine.query(figures(sql))
  const answered = (await allRows(view))[0]?.map(String).join(' ')
  const recomputed = await queryRows(session.database, figures(expectedDailyDelays(sources)))
  const [expected = []] = recomputed
  const [rows = '0'] = expected.map(String)
  return {
    name: 'lambda view',
    passed: finished.length > 0 && answered === expected.map(String).join(' '),
    detail: `${grouped(rows)} rows, those before ${until} from the table, the others from the flights; as a full recomputation`,
  }
}

function figures(rows: string): string {
  return `SELECT count(*), coalesce(sum(flights), 0), coalesce(sum(delay_minutes), 0),
    coalesce(sum(hash(day, origin, flights, delay_minutes)), 0)::VARCHAR FROM (${rows})`
}

/** Each wave is produced, drained and added to the history before the next one is produced. */
async function loadAirports(
  session: DemoSession,
  jobs: LakeBatchJobs,
  files: Sources,
  reporter: DemoReporter,
): Promise<void> {
  const { clock, database, lake, log, project } = session
  const settings = await demoStream(session, project.airportsStreamFile)
  await log.createTopic(airportsTopic, 1)
  for (const [wave, title] of airportWaves.entries()) {
    const startedMs = clock.monotonic()
    let count = 0
    for await (const values of streamJson(database, airportRecords(files, wave))) {
      await log.appendValues({ topic: airportsTopic, partition: 0 }, values)
      count += values.length
    }
    await runLakeStream(lake, settings, { until: 'latest', workDirectory: project.workDirectory })
    const [run] = requireSuccess(await jobs.run({ verb: 'snapshot' }))
    const took = formatDuration(Math.round(clock.monotonic() - startedMs))
    reporter.fact(
      'airports',
      `${grouped(count)} records, ${title}`,
      `${run?.message ?? ''}, ${took}`,
    )
  }
}

function nothingTwice(again: readonly NodeResult[]): DemoCheck {
  const [daily] = again.filter(({ name }) => name === 'daily_delays')
  return {
    name: 'built once',
    passed: daily?.status === 'skipped',
    detail: `a second run of daily_delays: ${daily?.status ?? 'did not run'}`,
  }
}
