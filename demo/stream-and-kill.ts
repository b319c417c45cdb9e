/**
 * Act 1: a producer at full speed, a sink that is killed half-way without a warning, and a second one that
 * continues from the table's own offsets.
 */
import { type Clock, UnavailableError } from '../common/index.ts'
import type { DemoReporter } from './demo-reporter.ts'
import type { DemoSession } from './demo-session.ts'
import { type CommittedCounts, readCommitted } from './flights-table.ts'
import { produceFlights } from './produce-flights.ts'
import { SinkProcess } from './sink-process.ts'

export interface StreamScript {
  readonly flightsFile: string
  readonly records: number
  readonly durationMsMax: number
  readonly recordsPerSecond: number | undefined
  readonly signal: AbortSignal
  readonly reporter: DemoReporter
}

export interface StreamOutcome {
  readonly produced: number
  readonly producedMs: number
  readonly kill: Kill
  /** Of both sinks together, from start to end of each process. */
  readonly sinkMs: number
  readonly restartedPid: number | undefined
}

export interface Kill {
  readonly pid: number | undefined
  readonly committed: number
  readonly snapshots: number
  readonly produced: number
}

const lookEveryMs = 40
/** A sink that commits nothing for this long is stuck. */
const stallMsMax = 60_000

export async function streamAndKill(
  session: DemoSession,
  plan: StreamScript,
): Promise<StreamOutcome> {
  const { clock, project } = session
  // Ends the producer when the sink fails, and the other way round.
  const failed = new AbortController()
  const signal = AbortSignal.any([plan.signal, failed.signal])
  const production = { produced: 0, isDone: false, elapsedMs: 0 }
  const producing = produce(session, { ...plan, signal }, production).catch((error: unknown) => {
    failed.abort(error)
    throw error
  })
  // The failure is thrown where it is awaited below; until then it must not count as unhandled.
  producing.catch(() => undefined)
  const watch = new SinkWatch(session, plan.reporter, signal, production)
  const sinks: SinkProcess[] = []
  try {
    const startedMs = clock.monotonic()
    const first = new SinkProcess(project, false)
    sinks.push(first)
    const atKill = await watch.until(first, 'sink', ({ rows }) => {
      const whole = production.isDone ? production.produced : plan.records
      return rows > 0 && rows >= whole / 2
    })
    await first.kill()
    first.requireKilled()
    const firstMs = clock.monotonic() - startedMs
    const { rows: committed, snapshots } = atKill
    const kill = { pid: first.pid, committed, snapshots, produced: production.produced }
    plan.reporter.fact(
      'killed',
      `sink process ${kill.pid} by SIGKILL`,
      `${percent(kill.committed, plan.records)} of the flights committed`,
    )
    await producing
    const restartedMs = clock.monotonic()
    const second = new SinkProcess(project, true)
    sinks.push(second)
    plan.reporter.fact(
      'restarted',
      `sink process ${second.pid}`,
      'it continues at the offsets of the table',
    )
    await watch.until(second, 'restarted sink', () => !second.isRunning)
    plan.reporter.progress(undefined)
    return {
      produced: production.produced,
      producedMs: production.elapsedMs,
      kill,
      sinkMs: firstMs + clock.monotonic() - restartedMs,
      restartedPid: second.pid,
    }
  } catch (error) {
    failed.abort(error)
    throw error
  } finally {
    for (const sink of sinks) if (sink.isRunning) await sink.kill()
    await producing.catch(() => undefined)
  }
}

interface Production {
  produced: number
  isDone: boolean
  elapsedMs: number
}

async function produce(
  { log, database, clock }: DemoSession,
  plan: StreamScript,
  production: Production,
): Promise<void> {
  const startedMs = clock.monotonic()
  const { durationMsMax, recordsPerSecond, records, signal } = plan
  await produceFlights({
    log,
    database,
    clock,
    file: plan.flightsFile,
    records,
    durationMsMax,
    recordsPerSecond,
    signal,
    onAppended: (produced) => {
      production.produced = produced
    },
  })
  production.elapsedMs = clock.monotonic() - startedMs
  production.isDone = true
}

/** Reads the table, as any reader would, until a condition holds. */
class SinkWatch {
  readonly #session: DemoSession
  readonly #clock: Clock
  readonly #reporter: DemoReporter
  readonly #signal: AbortSignal
  readonly #production: Production

  constructor(
    session: DemoSession,
    reporter: DemoReporter,
    signal: AbortSignal,
    production: Production,
  ) {
    this.#session = session
    this.#clock = session.clock
    this.#reporter = reporter
    this.#signal = signal
    this.#production = production
  }

  async until(
    sink: SinkProcess,
    label: string,
    isReached: (committed: CommittedCounts) => boolean,
  ): Promise<CommittedCounts> {
    let rowsSeen = -1
    let movedMs = this.#clock.monotonic()
    for (;;) {
      this.#signal.throwIfAborted()
      sink.throwFailure()
      const committed = await readCommitted(this.#session)
      const { produced } = this.#production
      const { rows, snapshots } = committed
      this.#reporter.progress({ label, produced, committed: rows, snapshots })
      if (isReached(committed)) {
        // The sink may have failed since the last check.
        sink.throwFailure()
        return committed
      }
      const now = this.#clock.monotonic()
      if (rows !== rowsSeen) movedMs = now
      rowsSeen = rows
      if (now - movedMs > stallMsMax) {
        throw new UnavailableError(`the sink has committed nothing for ${stallMsMax / 1000} s`, {
          facts: { pid: sink.pid ?? 'none', committed: rows },
        })
      }
      await this.#clock.sleep(lookEveryMs, this.#signal)
    }
  }
}

function percent(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`
}
