/**
 * Maintenance of a process that runs sinks: beside them, on one thread, and never in their way. Every
 * failure is logged and tried again; only the signal ends it.
 */
import { once } from 'node:events'
import { formatIdentifier, type TableIdentifier } from '../catalog/format/index.ts'
import { errorMessage } from '../common/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type { Lake } from './lake.ts'
import { openCompactor } from './open-compactor.ts'

export interface MaintenanceOptions {
  /** Default: every table of the catalog. */
  readonly tables?: readonly TableIdentifier[]
  /** Inputs and results of a rewrite go below; default: the system's temporary directory. */
  readonly workDirectory?: string
  /** Ends it: a rewrite under way is given up. */
  readonly signal: AbortSignal
}

/** Few threads, so that sinks and queries keep the cores. */
const maintenanceThreads = 1

/** Runs until the signal comes. Never rejects. Does nothing when `maintenance.enabled` is false. */
export async function runMaintenance(lake: Lake, options: MaintenanceOptions): Promise<void> {
  const { clock, logger, settings } = lake
  if (!settings.maintenance.enabled) return
  while (!options.signal.aborted) {
    try {
      await keepTables(lake, options)
    } catch (error) {
      logger.warn('maintenance.failed', { error: errorMessage(error) })
      await clock.sleep(settings.maintenance.intervalMs, options.signal).catch(() => undefined)
    }
  }
}

async function keepTables(
  lake: Lake,
  { signal, tables, workDirectory }: MaintenanceOptions,
): Promise<void> {
  const compactor = await openCompactor(lake, {
    threads: maintenanceThreads,
    ...(workDirectory === undefined ? {} : { workDirectory }),
  })
  try {
    const loop = compactor.maintenanceLoop(tables)
    loop.start()
    if (!signal.aborted) await once(signal, 'abort')
    await loop.stop()
  } finally {
    await compactor.close()
  }
}

/** The tables that streams write: their own, and those of their dead letters. */
export function tablesOf(streams: readonly StreamSettings[]): readonly TableIdentifier[] {
  const all = streams.flatMap(({ errors, output }) => [output.table, errors.deadLetterTable])
  return [...new Map(all.map((table) => [formatIdentifier(table), table])).values()]
}
