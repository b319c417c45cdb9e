/** `tide stream run`: streams side by side in one process, with progress and one summary. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { type Lake, runLakeStream, runMaintenance, tablesOf } from '../../../app/index.ts'
import type { StreamProgress, StreamRunResult } from '../../../ingest/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import type { CliContext, LoadedStream } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import type { Row } from '../../frame/output.ts'
import { refuseTwins } from '../../frame/refuse-twins.ts'
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
  const streams = await context.loadStreams(await context.streamFiles(named), 'fill')
  refuseTwins(streams)
  const lake = await context.openLake(named)
  // One failing stream ends the others in order: a half-running process hides its fault.
  const ended = new AbortController()
  const signal = AbortSignal.any([context.signal, ended.signal])
  const monitor = new Monitor(context, lake, streams.length)
  const workDirectory =
    flags.workDir === undefined ? {} : { workDirectory: resolve(context.directory, flags.workDir) }
  const drains = flags.until === 'latest'
  const runs = streams.map(async (stream) => {
    try {
      const result = await runLakeStream(lake, stream.settings, {
        until: drains ? 'latest' : 'stopped',
        signal,
        onProgress: (progress) => monitor.update(stream.settings.name, progress),
        ...workDirectory,
      })
      return summaryRow(stream, result)
    } catch (error) {
      ended.abort()
      throw error
    }
  })
  // A drain is over soon; a run without an end also keeps its tables in order.
  const tables = tablesOf(streams.map(({ settings }) => settings))
  const upkeep = drains ? undefined : runMaintenance(lake, { tables, signal, ...workDirectory })
  const outcomes = await Promise.allSettled(runs)
  ended.abort()
  await upkeep
  context.progress.done()
  await printSummary(
    context,
    outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
  )
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
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

function summaryRow({ settings }: LoadedStream, result: StreamRunResult): Row {
  const seconds = result.elapsedMs / 1_000
  return {
    stream: settings.name,
    table: formatIdentifier(settings.output.table),
    records: result.recordsCommitted,
    rows: result.rowsCommitted,
    dead_letters: result.deadLetters,
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
      'commits',
      'snapshot_id',
      'seconds',
      { key: 'records_per_second', title: 'RECORDS/S' },
    ],
    rows,
  })
}
