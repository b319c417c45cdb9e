/**
 * `npm run demo` and `tide demo`, in five acts: 3,000,000 flights through an embedded log into an Iceberg
 * table, the sink killed half-way; the table compacted; models built on it; a range replayed and
 * published; queries while the last flights arrive. An independent reader checks each act, and the first check
 * that fails ends the demo.
 */
import { rm } from 'node:fs/promises'
import { type Clock, formatDuration } from '../common/index.ts'
import { compactFlights } from './act-compact.ts'
import { askWhileDataFlows } from './act-live.ts'
import { buildModels } from './act-models.ts'
import { replayRange } from './act-replay.ts'
import { findAirports, type Sources } from './airports.ts'
import {
  createDemoProject,
  demoPartitions,
  demoTopic,
  type DemoProject,
  openDemoProject,
  removeDemoProject,
} from './demo-project.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { type DemoSession, logRanges, openDemoSession } from './demo-session.ts'
import { countDeadLetters, loadFlights, recordsOf } from './flights-table.ts'
import { findFlights, type Flights, flightsTotal } from './flights.ts'
import { grouped } from './grouped.ts'
import { checkAccounts } from './check-accounts.ts'
import { checkModels } from './check-models.ts'
import { countPartitions, listDataFiles, sourceContent, tableContent } from './table-accounts.ts'
import { streamAndKill, type StreamOutcome } from './stream-and-kill.ts'
import { reportFigures, reportPlaces, reportQuery } from './report-outcome.ts'

export interface DemoOptions {
  /** The project directory; removed first when an earlier demo made it. */
  readonly directory: string
  /** The user's current directory: paths are shown relative to it. */
  readonly from: string
  readonly records?: number
  /** The producer stops after this time, finished or not. */
  readonly durationMsMax?: number
  readonly recordsPerSecond?: number
  /** Keep the directory even when the demo is interrupted or cannot be finished. */
  readonly keep?: boolean
  /** Only checks the directory of an earlier demo. */
  readonly checkOnly?: boolean
}

export interface DemoTools {
  readonly reporter: DemoReporter
  readonly clock: Clock
  readonly signal: AbortSignal
}

const durationMsMaxDefault = 60_000
/** How many of the flights come last, while queries run. */
const liveRecordsMax = 60_000

/** True when every check passed. The directory of a demo that cannot be finished is removed. */
export async function runDemo(options: DemoOptions, tools: DemoTools): Promise<boolean> {
  const flights = findFlights(options.from)
  const airports = findAirports(flights.file)
  if (options.checkOnly === true) {
    const project = await openDemoProject(options.directory)
    return withSession(project, tools.clock, (session) =>
      lookAgain(session, options, tools, { flights: flights.file, airports }),
    )
  }
  const records = Math.min(options.records ?? flights.total, flights.total)
  const project = await createDemoProject(options.directory, records)
  try {
    return await withSession(project, tools.clock, (session) =>
      play(session, options, tools, { flights, airports, records }),
    )
  } catch (error) {
    if (options.keep !== true) await removeDemoProject(project)
    throw error
  } finally {
    await rm(project.workDirectory, { recursive: true, force: true })
  }
}

interface Script {
  readonly flights: Flights
  readonly airports: string
  readonly records: number
}

async function play(
  session: DemoSession,
  options: DemoOptions,
  tools: DemoTools,
  { airports, flights, records }: Script,
): Promise<boolean> {
  const { reporter, signal } = tools
  const live = Math.min(liveRecordsMax, Math.floor(records / 10))
  const early = records - live
  const sources = {
    flights: flights.file,
    airports,
    records: early,
    recordsInTheEnd: records,
  }
  const acts: readonly (readonly [string, () => Promise<readonly DemoCheck[]>])[] = [
    [
      'a stream, and a kill half-way',
      async () => {
        const outcome = await streamFlights(session, options, tools, flights, early)
        // Fewer when the time was over.
        sources.records = await loggedRecords(session)
        sources.recordsInTheEnd = sources.records + live
        return checkStream(session, reporter, sources, outcome)
      },
    ],
    ['many small files become few', () => compactFlights(session, reporter)],
    ['models', () => buildModels(session, sources, reporter)],
    ['a range is replayed', () => replayRange(session, reporter)],
    [
      'asked while data flows',
      () => askWhileDataFlows(session, sources, { records: live, signal }, reporter),
    ],
  ]
  for (const [index, [title, act]] of acts.entries()) {
    signal.throwIfAborted()
    reporter.section(`Act ${index + 1} of ${acts.length}: ${title}`)
    if (!showChecks(reporter, await act())) return false
  }
  signal.throwIfAborted()
  await showPlaces(session, options, reporter)
  return true
}

/** Checks the tables that the acts of an earlier demo have left. */
async function lookAgain(
  session: DemoSession,
  options: DemoOptions,
  { reporter }: DemoTools,
  files: Pick<Sources, 'flights' | 'airports'>,
): Promise<boolean> {
  const records = await loggedRecords(session)
  const sources = { ...files, records, recordsInTheEnd: records }
  reporter.section('Looking again')
  const stream = await checkStream(session, reporter, sources, undefined)
  const models = await checkModels(session.database, session.lake, sources)
  const isFine = showChecks(reporter, [...stream, ...models])
  await showPlaces(session, options, reporter)
  return isFine
}

function showChecks(reporter: DemoReporter, checks: readonly DemoCheck[]): boolean {
  for (const one of checks) reporter.check(one)
  return checks.every(({ passed }) => passed)
}

async function loggedRecords(session: DemoSession): Promise<number> {
  const log = await logRanges(session)
  return log.reduce((sum, { first, next }) => sum + Number(next - first), 0)
}

async function showPlaces(
  session: DemoSession,
  options: DemoOptions,
  reporter: DemoReporter,
): Promise<void> {
  const table = await loadFlights(session)
  await reportQuery(session, reporter)
  reportPlaces(reporter, table, options.directory, options.from)
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

async function streamFlights(
  session: DemoSession,
  options: DemoOptions,
  { reporter, signal }: DemoTools,
  { file, total }: Flights,
  records: number,
): Promise<StreamOutcome> {
  await session.log.createTopic(demoTopic, demoPartitions)
  const { recordsPerSecond } = options
  const durationMsMax = options.durationMsMax ?? durationMsMaxDefault
  const pace = recordsPerSecond === undefined ? 'full speed' : `${grouped(recordsPerSecond)}/s`
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
  return streamAndKill(session, plan)
}

async function checkStream(
  session: DemoSession,
  reporter: DemoReporter,
  { flights, records }: Sources,
  outcome: StreamOutcome | undefined,
): Promise<readonly DemoCheck[]> {
  const { database, lake } = session
  const table = await loadFlights(session)
  const files = await listDataFiles(lake.io, table)
  reportFigures(reporter, table, files, outcome)
  reporter.fact('checked by', 'DuckDB over the Parquet files that the Iceberg manifests list')
  const log = await logRanges(session)
  return checkAccounts({
    log,
    produced: outcome?.produced,
    partitions: await countPartitions(database, files, log),
    source: await sourceContent(database, flights, records),
    table: await tableContent(database, files),
    recordsOfSnapshot: recordsOf(table),
    deadLetters: await countDeadLetters(session),
  })
}
