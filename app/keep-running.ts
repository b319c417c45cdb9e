/**
 * Restarts a worker whenever it fails, after a longer wait each time, until the signal comes: in a process
 * of many workers, one that fails must neither end the others nor restart in a tight loop.
 */
import { backoffMs, type Clock, errorMessage, type Logger, type Random } from '../common/index.ts'

export interface KeepRunningTools {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Ends the worker; a failure after that is logged and the worker is not restarted. */
  readonly signal: AbortSignal
}

const restart = { waitMsMin: 1_000, waitMsMax: 30_000, retriesMax: Infinity, totalMsMax: Infinity }
/** A worker that ran for so long has recovered: its next failure counts as the first. */
const healthyMs = 60_000

/** Resolves once the signal has come and the last attempt has ended. Never rejects. */
export async function keepRunning(
  attempt: (signal: AbortSignal) => Promise<unknown>,
  { clock, logger, random, signal }: KeepRunningTools,
): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const startedMs = clock.monotonic()
    const error = await failureOf(attempt, signal)
    if (signal.aborted) {
      if (error !== undefined) logger.error('stream.stop-failed', { error })
      return
    }
    if (clock.monotonic() - startedMs >= healthyMs) failures = 0
    const waitMs = backoffMs(restart, failures++, random)
    logger.error('stream.failed', { error: error ?? 'it ended by itself', restartInMs: waitMs })
    await clock.sleep(waitMs, signal).catch(() => undefined)
  }
}

async function failureOf(
  attempt: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await attempt(signal)
    return undefined
  } catch (error) {
    return errorMessage(error)
  }
}
