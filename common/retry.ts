/**
 * Retry with exponential back-off and full jitter, bounded in attempts and time.
 */
import type { Clock } from './clock.ts'
import { isRetryable } from './errors.ts'
import type { Random } from './random.ts'

export interface RetryPolicy {
  /** Tries after the first; `Infinity` is allowed only together with an abort signal. */
  readonly retriesMax: number
  readonly waitMsMin: number
  readonly waitMsMax: number
  readonly totalMsMax: number
}

export interface RetryTools {
  readonly clock: Clock
  readonly random: Random
  readonly signal?: AbortSignal
  /** Which errors deserve another try; by default the error's own `retryable`. */
  readonly shouldRetry?: (error: unknown) => boolean
  /** Called before each wait, for progress and logs. */
  readonly onRetry?: (error: unknown, attempt: number, waitMs: number) => void
}

/** Runs `attempt` until it returns, fails for good, or the policy ends; then throws the last error. */
export async function withRetry<T>(
  policy: RetryPolicy,
  tools: RetryTools,
  attempt: (attemptNumber: number) => Promise<T>,
): Promise<T> {
  const shouldRetry = tools.shouldRetry ?? isRetryable
  const startedMs = tools.clock.monotonic()
  for (let tried = 0; ; tried++) {
    tools.signal?.throwIfAborted()
    try {
      return await attempt(tried)
    } catch (error) {
      const waitMs = backoffMs(policy, tried, tools.random)
      const elapsedMs = tools.clock.monotonic() - startedMs
      if (!shouldRetry(error) || tried >= policy.retriesMax) throw error
      if (elapsedMs + waitMs > policy.totalMsMax) throw error
      tools.onRetry?.(error, tried + 1, waitMs)
      await tools.clock.sleep(waitMs, tools.signal)
    }
  }
}

/** Full jitter between the minimum wait and the exponential ceiling. */
export function backoffMs(policy: RetryPolicy, tried: number, random: Random): number {
  const ceiling = Math.min(policy.waitMsMax, policy.waitMsMin * 2 ** Math.min(tried, 30))
  return policy.waitMsMin + Math.floor(random.fraction() * Math.max(0, ceiling - policy.waitMsMin))
}
