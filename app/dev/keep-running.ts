/**
 * A worker that is started again whenever it fails, later each time, for as long as it is wanted: in a
 * process of many, one that fails must neither end the others nor spin.
 */
import {
  backoffMs,
  type Clock,
  errorMessage,
  type Logger,
  type Random,
} from '../../common/index.ts'

export interface KeepRunningTools {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Ends it; a failure after that is logged and not made up for. */
  readonly signal: AbortSignal
}

const restart = { waitMsMin: 1_000, waitMsMax: 30_000, retriesMax: Infinity, totalMsMax: Infinity }
/** Whoever ran for so long has recovered: the next failure is a first one. */
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
