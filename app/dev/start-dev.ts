/**
 * `tide dev`: everything of a project in one process. Sinks, maintenance, the schedule of models and
 * the server share a lake and nothing else; each is stopped in order, and what sinks have read is
 * committed first.
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import { AlreadyExistsError, errorMessage, NotFoundError } from '../../common/index.ts'
import { refuseSharedGroups, type StreamSettings } from '../../ingest/settings/index.ts'
import type { Lake } from '../lake.ts'
import { openBatchJobs, type LakeBatchJobs } from '../open-batch-jobs.ts'
import { openLive, type LakeLive } from '../open-live.ts'
import { openTopicAdmin } from '../open-log.ts'
import { openServer } from '../open-server.ts'
import { runMaintenance } from '../run-maintenance.ts'
import { runLakeStream } from '../run-stream.ts'
import { requireSafeStore } from '../safe-store.ts'
import { keepRunning } from '../keep-running.ts'

export interface DevOptions {
  /** Of the project: where `models/` and `snapshots/` lie. */
  readonly directory: string
  readonly streams: readonly StreamSettings[]
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** The version of this program, which the server reports to clients. */
  readonly version: string
}

export interface Dev {
  /** For example `http://127.0.0.1:8181`. */
  readonly address: string
  /** Models that have a cron. */
  readonly scheduledModels: readonly string[]
  /** Commits what was read, finishes the work under way and closes everything. */
  stop(): Promise<void>
}

const tableLookMs = 500
/** Models may read tables that no stream of this project fills. */
const tableWaitMsMax = 60_000

/** Throws what keeps the project from starting; later failures of one part leave the others alone. */
export async function startDev(lake: Lake, options: DevOptions): Promise<Dev> {
  const stopping = new AbortController()
  /** In the order of their starts. */
  const stops: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    // Without a reason, because sinks take the default AbortError for the request to end in an orderly way.
    stopping.abort()
    for (const each of stops.splice(0).reverse()) {
      await each().catch((error: unknown) => {
        lake.logger.error('dev.stop-failed', { error: errorMessage(error) })
      })
    }
  }
  refuseSharedGroups(options.streams)
  try {
    await requireSafeStore(lake)
    const { directory, environment } = options
    const jobs = await openBatchJobs(lake, {
      directory,
      ...(environment === undefined ? {} : { environment }),
    })
    stops.push(() => jobs.close())
    const live = await openLive(lake, { jobs })
    stops.push(() => live.close())
    const server = await openServer(lake, lake.settings.server, options.version, live.layers)
    stops.push(() => server.stop())
    const address = await server.start()
    stops.push(startStreams(lake, live, options.streams, stopping.signal))
    const maintenance = runMaintenance(lake, { signal: stopping.signal })
    stops.push(() => maintenance)
    const schedule = startSchedule(lake, jobs, options.streams, stopping.signal)
    stops.push(schedule.stop)
    return { address, scheduledModels: schedule.models, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** An embedded log is the project's own, so its topics need no administrator. */
async function createEmbeddedTopics({ input }: StreamSettings): Promise<void> {
  if (input.kind !== 'embedded') return
  const admin = await openTopicAdmin(input, { createsLog: true })
  try {
    // A log that cannot be written, but has the topics, can be read.
    const existing = new Set(await admin.listTopics())
    for (const topic of input.topics.filter((each) => !existing.has(each))) {
      await admin.createTopic(topic, 1).catch((error: unknown) => {
        if (!(error instanceof AlreadyExistsError)) throw error
      })
    }
  } finally {
    await admin.close()
  }
}

function startStreams(
  lake: Lake,
  live: LakeLive,
  streams: readonly StreamSettings[],
  signal: AbortSignal,
): () => Promise<void> {
  const { clock, random } = lake
  const runs = streams.map((settings) => {
    const logger = lake.logger.with({
      stream: settings.name,
      table: formatIdentifier(settings.output.table),
    })
    const run = async (ended: AbortSignal): Promise<void> => {
      await createEmbeddedTopics(settings)
      await runLakeStream(lake, settings, { until: 'stopped', signal: ended, live })
    }
    return keepRunning(run, { clock, random, logger, signal })
  })
  return async () => {
    await Promise.all(runs)
  }
}

function startSchedule(
  lake: Lake,
  jobs: LakeBatchJobs,
  streams: readonly StreamSettings[],
  signal: AbortSignal,
): { readonly models: readonly string[]; readonly stop: () => Promise<void> } {
  const logger = lake.logger
  const scheduler = jobs.scheduler({
    onResult: ({ name, kind, status, message }) => {
      if (status === 'skipped' || status === 'pass') return
      const level = status === 'success' ? 'info' : 'error'
      logger[level](`model.${status}`, { [kind]: name, message })
    },
  })
  const models = scheduler.models.map(({ name }) => name)
  const started = firstTable(lake, streams, signal).then(() => {
    if (!signal.aborted && models.length > 0) scheduler.start()
  })
  return {
    models,
    stop: async () => {
      await started
      await scheduler.stop()
    },
  }
}

/**
 * A new project has no tables until its first records: models that ran before would only fail. A
 * stream that never makes its table must not hold back the models of others, so one table is enough.
 */
async function firstTable(
  { catalog, clock }: Lake,
  streams: readonly StreamSettings[],
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = clock.monotonic() + tableWaitMsMax
  while (streams.length > 0 && !signal.aborted && clock.monotonic() < deadlineMs) {
    for (const { output } of streams) {
      const loaded = await catalog.loadTable(output.table).catch((error: unknown) => error)
      // Any other error will be reported by the models themselves.
      if (!(loaded instanceof NotFoundError)) return
    }
    await clock.sleep(tableLookMs, signal).catch(() => undefined)
  }
}
