/** `tide stream run`: streams side by side in one process, with progress and one summary. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import {
  type Lake,
  type StreamOutcome,
  runLakeStreams,
  runMaintenance,
  tablesOf,
} from '../../../app/index.ts'
import { errorMessage } from '../../../common/index.ts'
import type { StreamProgress, StreamRunResult } from '../../../ingest/index.ts'
import type { StreamSettings } from '../../../ingest/settings/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { SilentFailure, UsageError } from '../../frame/failure.ts'
import type { Row } from '../../frame/output.ts'
import { refuseTwins } from '../../frame/refuse-twins.ts'
import {
  type GoodStreams,
  type StreamFault,
  failForFaults,
  loadGoodStreams,
} from '../../frame/stream-files.ts'
import { streamVerb } from './stream-verb.ts'

interface StreamRunFlags {
  readonly until?: string
  readonly workDir?: string
}

/** Where there is no terminal, a sign of life in the log this often. */
const logEveryMs = 30_000

export function addRun(stream: Command, context: CliContext): void {
  streamVerb(stream, 'run')
    .description('run streams until stopped (SIGINT or SIGTERM commits what was read)')
    .option('--until <end>', 'latest: drain to the end of the log as it is now, commit, exit 0')
    .option('--work-dir <dir>', 'spool files go here (default: the system temporary directory)')
    .action((files: readonly string[], flags: StreamRunFlags) => runStreams(context, files, flags))
}

async function runStreams(
  context: CliContext,
  named: readonly string[],
  flags: StreamRunFlags,
): Promise<void> {
  if (flags.until !== undefined && flags.until !== 'latest') {
    throw new UsageError(`--until takes latest, found "${flags.until}"`)
  }
  const { streams, faults } = await chooseStreams(context, named)
  const lake = await context.openLake(named)
  for (const { file, error } of faults) {
    lake.logger.error('stream.not-started', { file, error: error.message })
  }
  const ended = new AbortController()
  const signal = AbortSignal.any([context.signal, ended.signal])
  const monitor = new Monitor(context, lake, streams.length)
  const workDirectory =
    flags.workDir === undefined ? {} : { workDirectory: resolve(context.directory, flags.workDir) }
  const drains = flags.until === 'latest'
  // A drain is over soon; a run without an end also keeps its tables in order.
  const settings = streams.map((stream) => stream.settings)
  const tables = tablesOf(settings)
  const upkeep = drains ? undefined : runMaintenance(lake, { tables, signal, ...workDirectory })
  const outcomes = await runLakeStreams(lake, settings, {
    until: drains ? 'latest' : 'stopped',
    signal,
    onProgress: ({ name }, progress) => monitor.update(name, progress),
    ...workDirectory,
  })
  ended.abort()
  await upkeep
  context.progress.done()
  await printSummary(
    context,
    outcomes.flatMap((outcome) => ('result' in outcome ? [summaryRow(outcome)] : [])),
  )
  throwFailures(context, outcomes, faults)
}

/**
 * Files that are named are wanted, so a faulty one stops the command before anything is read. Of a whole folder the
 * good ones run: after a deployment of one faulty file the others must not fall behind the retention of their topics.
 */
async function chooseStreams(context: CliContext, named: readonly string[]): Promise<GoodStreams> {
  const files = await context.streamFiles(named)
  const areNamed = files.every((file) => named.includes(file))
  if (!areNamed) return loadGoodStreams(context, files, 'fill')
  const streams = await context.loadStreams(files, 'fill')
  refuseTwins(streams)
  return { streams, faults: [] }
}

function throwFailures(
  context: CliContext,
  outcomes: readonly StreamOutcome[],
  faults: readonly StreamFault[],
): void {
  const failures = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome] : []))
  const [first] = failures
  if (first !== undefined && outcomes.length === 1 && faults.length === 0) throw first.error
  for (const { settings, error } of failures) {
    context.note(`error: stream ${settings.name}: ${errorMessage(error)}`)
  }
  failForFaults(context, faults)
  if (failures.length > 0) throw new SilentFailure()
}

/** Sums the figures of all streams into one progress line. */
class Monitor {
  readonly #context: CliContext
  readonly #lake: Lake
  readonly #latest = new Map<string, StreamProgress>()
  readonly #streamCount: number
  #loggedMs: number
  #rate = { atMs: 0, records: 0, perSecond: 0 }

  constructor(context: CliContext, lake: Lake, streamCount: number) {
    this.#context = context
    this.#lake = lake
    this.#streamCount = streamCount
    this.#loggedMs = context.clock.monotonic()
    this.#rate.atMs = this.#loggedMs
  }

  update(name: string, progress: StreamProgress): void {
    this.#latest.set(name, progress)
    const all = [...this.#latest.values()]
    const sum = (pick: (one: StreamProgress) => number): number =>
      all.reduce((total, one) => total + pick(one), 0)
    const records = sum((one) => one.recordsRead)
    const fields = {
      records,
      recordsPerSecond: this.#perSecond(records),
      lag: all.reduce((total, one) => total + one.readLag, 0n),
      commits: sum((one) => one.commits),
      deadLetters: sum((one) => one.deadLetters),
    }
    const label = this.#streamCount === 1 ? name : `${this.#streamCount} streams`
    this.#context.progress.update({ label, ...fields })
    const now = this.#context.clock.monotonic()
    if (this.#context.streams.stderr.isTTY === true || now - this.#loggedMs < logEveryMs) return
    this.#loggedMs = now
    const committed = sum((one) => one.recordsCommitted)
    this.#lake.logger.info('stream.progress', { stream: label, ...fields, committed })
  }

  /** Over the last second or more, so that the figure neither jumps nor drags. */
  #perSecond(records: number): number {
    const now = this.#context.clock.monotonic()
    const elapsedMs = now - this.#rate.atMs
    if (elapsedMs >= 1_000) {
      const perSecond = ((records - this.#rate.records) / elapsedMs) * 1_000
      this.#rate = { atMs: now, records, perSecond }
    }
    return this.#rate.perSecond
  }
}

function summaryRow({
  settings,
  result,
}: {
  readonly settings: StreamSettings
  readonly result: StreamRunResult
}): Row {
  const seconds = result.elapsedMs / 1_000
  return {
    stream: settings.name,
    table: formatIdentifier(settings.output.table),
    records: result.recordsCommitted,
    rows: result.rowsCommitted,
    dead_letters: result.deadLetters,
    skipped: result.recordsSkipped,
    commits: result.commits,
    snapshot_id: result.snapshotId?.toString() ?? null,
    seconds: Number(seconds.toFixed(2)),
    records_per_second: seconds > 0 ? Math.round(result.recordsCommitted / seconds) : 0,
  }
}

async function printSummary(context: CliContext, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return
  await context.print({
    columns: [
      'stream',
      'table',
      'records',
      'rows',
      'dead_letters',
      'skipped',
      'commits',
      'snapshot_id',
      'seconds',
      { key: 'records_per_second', title: 'RECORDS/S' },
    ],
    rows,
  })
}
