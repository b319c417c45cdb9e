/**
 * Several streams side by side in one process. One that fails leaves the others alone: where the run has no end it is
 * started again, later each time, as a supervisor would do with a process of its own.
 */
import { formatIdentifier } from '../catalog/format/index.ts'
import type { StreamProgress, StreamRunResult } from '../ingest/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import { keepRunning } from './keep-running.ts'
import type { Lake } from './lake.ts'
import { runLakeStream } from './run-stream.ts'

export interface LakeStreamsOptions {
  readonly until: 'latest' | 'stopped'
  readonly signal: AbortSignal
  readonly onProgress?: (stream: StreamSettings, progress: StreamProgress) => void
  /** Spool files go below; default: the system's temporary directory. */
  readonly workDirectory?: string
}

export type StreamOutcome =
  | { readonly settings: StreamSettings; readonly result: StreamRunResult }
  | { readonly settings: StreamSettings; readonly error: unknown }

/** The outcome of each stream, in their order; of one that was started again, that of the last time. */
export async function runLakeStreams(
  lake: Lake,
  streams: readonly StreamSettings[],
  { onProgress, signal, until, workDirectory }: LakeStreamsOptions,
): Promise<readonly StreamOutcome[]> {
  const runOnce = async (settings: StreamSettings): Promise<StreamOutcome> => {
    try {
      const result = await runLakeStream(lake, settings, {
        until,
        signal,
        onProgress: (progress) => onProgress?.(settings, progress),
        ...(workDirectory === undefined ? {} : { workDirectory }),
      })
      return { settings, result }
    } catch (error) {
      return { settings, error }
    }
  }
  // The end of a stream that runs alone is the end of its process, which a supervisor sees.
  if (until === 'latest' || streams.length === 1) return Promise.all(streams.map(runOnce))
  return Promise.all(streams.map((settings) => keep(lake, settings, signal, runOnce)))
}

async function keep(
  { clock, logger, random }: Lake,
  settings: StreamSettings,
  signal: AbortSignal,
  runOnce: (settings: StreamSettings) => Promise<StreamOutcome>,
): Promise<StreamOutcome> {
  let last: StreamOutcome | undefined
  const table = formatIdentifier(settings.output.table)
  const attempt = async (): Promise<void> => {
    last = await runOnce(settings)
    if ('error' in last) throw last.error
  }
  const named = logger.with({ stream: settings.name, table })
  await keepRunning(attempt, { clock, random, logger: named, signal })
  return last ?? { settings, error: new Error('it was stopped before it began') }
}
