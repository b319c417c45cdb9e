/**
 * `npm run demo` and `tide demo`: 3,000,000 flights through an embedded log into an Iceberg table, the
 * sink killed half-way, and the books checked by a reader that is not ours.
 */
import { rm } from 'node:fs/promises'
import type { Table } from '../../catalog/index.ts'
import { type Clock, formatDuration, NotFoundError } from '../../common/index.ts'
import { createDemoProject, demoPartitions, demoTopic, type DemoProject } from './demo-project.ts'
import { openDemoProject, removeDemoProject } from './demo-project.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { countDeadLetters, type DemoSession, logRanges } from './demo-session.ts'
import { openDemoSession, readCommitted, recordsOf } from './demo-session.ts'
import { findFlights, type Flights, flightsTotal } from './flights.ts'
import { grouped, judgeBooks } from './judge-books.ts'
import {
  countPartitions,
  type LakeFiles,
  listDataFiles,
  sourceContent,
  tableContent,
} from './lake-books.ts'
import { replayAndKill, type ReplayOutcome } from './replay-and-kill.ts'
import { reportFigures, reportPlaces, reportQuery } from './report-outcome.ts'

export interface DemoOptions {
  /** The project directory; removed first when an earlier demo made it. */
  readonly directory: string
  /** Where the user stands: paths are shown from here. */
  readonly from: string
  readonly records?: number
  /** The replay ends then, however far it has come. */
  readonly durationMsMax?: number
  readonly recordsPerSecond?: number
  /** Keep the directory even when the demo is interrupted or cannot be finished. */
  readonly keep?: boolean
  /** Only look again at what an earlier demo left. */
  readonly checkOnly?: boolean
}

export interface DemoTools {
  readonly reporter: DemoReporter
  readonly clock: Clock
  readonly signal: AbortSignal
}

const durationMsMaxDefault = 60_000

/** True when every check passed. What a demo leaves when it cannot be finished is removed. */
export async function runDemo(options: DemoOptions, tools: DemoTools): Promise<boolean> {
  const flights = findFlights(options.from)
  const { file, total } = flights
  if (options.checkOnly === true) {
    const project = await openDemoProject(options.directory)
    return withSession(project, tools.clock, (session) =>
      report(session, options, tools, { file, outcome: undefined }),
    )
  }
  const records = Math.min(options.records ?? total, total)
  const project = await createDemoProject(options.directory, records)
  try {
    return await withSession(project, tools.clock, async (session) => {
      const outcome = await replay(session, options, tools, flights, records)
      return report(session, options, tools, { file, outcome })
    })
  } catch (error) {
    if (options.keep !== true) await removeDemoProject(project)
    throw error
  } finally {
    await rm(project.workDirectory, { recursive: true, force: true })
  }
}

async function withSession<T>(
  project: DemoProject,
  clock: Clock,
  use: (session: DemoSession) => Promise<T>,
): Promise<T> {
  const session = await openDemoSession(project, clock)
  try {
    return await use(session)
  } finally {
    await session.close()
  }
}

async function replay(
  session: DemoSession,
  options: DemoOptions,
  { reporter, signal }: DemoTools,
  { file, total }: Flights,
  records: number,
): Promise<ReplayOutcome> {
  await session.log.createTopic(demoTopic, demoPartitions)
  const { recordsPerSecond } = options
  const durationMsMax = options.durationMsMax ?? durationMsMaxDefault
  const pace = recordsPerSecond === undefined ? 'full speed' : `${grouped(recordsPerSecond)}/s`
  reporter.section('Run')
  if (total < flightsTotal) {
    const rest = 'all of them: npm install vega-datasets@3.2.1'
    reporter.fact('input', `every twelfth of ${grouped(flightsTotal)} flights`, rest)
  }
  reporter.fact(
    'producer',
    `${grouped(records)} US flights into an embedded log`,
    `${demoPartitions} partitions, ${pace}, at most ${formatDuration(durationMsMax)}`,
  )
  reporter.fact('sink', 'tide stream run streams/flights.yaml', 'into demo.flights, month(ts)')
  const plan = { flightsFile: file, records, durationMsMax, recordsPerSecond, signal, reporter }
  return replayAndKill(session, plan)
}

interface Story {
  readonly file: string
  /** Undefined when only looking back. */
  readonly outcome: ReplayOutcome | undefined
}

async function report(
  session: DemoSession,
  options: DemoOptions,
  tools: DemoTools,
  { file, outcome }: Story,
): Promise<boolean> {
  const { reporter } = tools
  const { table } = await readCommitted(session)
  if (table === undefined) throw new NotFoundError('the demo left no table demo.flights')
  const files = await listDataFiles(session.lake.io, table)
  reportFigures(reporter, table, files, outcome)
  tools.signal.throwIfAborted()
  const checks = await check(session, table, files, { file, outcome })
  reporter.section('Checks')
  reporter.fact('reader', 'DuckDB over the Parquet files that the Iceberg manifests list')
  for (const one of checks) reporter.check(one)
  tools.signal.throwIfAborted()
  await reportQuery(session, reporter)
  reportPlaces(reporter, table, options.directory, options.from)
  return checks.every(({ passed }) => passed)
}

async function check(
  session: DemoSession,
  table: Table,
  files: LakeFiles,
  { file, outcome }: Story,
): Promise<readonly DemoCheck[]> {
  const { database } = session
  const log = await logRanges(session)
  const records = log.reduce((sum, { first, next }) => sum + Number(next - first), 0)
  return judgeBooks({
    log,
    produced: outcome?.produced,
    partitions: await countPartitions(database, files, log),
    source: await sourceContent(database, file, records),
    table: await tableContent(database, files),
    recordsOfSnapshot: recordsOf(table),
    deadLetters: await countDeadLetters(session),
  })
}
