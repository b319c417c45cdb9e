/**
 * How tests wait: they look again and again until something is so. How long that takes says how busy
 * the machine is, so the bound is far above what any machine needs; it only turns waiting for ever
 * into a failure that says what was missing.
 */
import { systemClock } from '../../common/index.ts'

/** Below the time that a slow test has, so that the reason is shown and not a bare timeout. */
const boundMs = 240_000

/** For `expect.poll()` and `vi.waitFor()`. */
export const patience = { timeout: boundMs, interval: 100 } as const

/** What `look` returns once that is neither false nor undefined; `explain` says why it is not yet. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  explain: () => string = () => look.toString(),
  everyMs = 50,
): Promise<Exclude<T, false | undefined>> {
  const startedMs = systemClock.monotonic()
  for (;;) {
    const found = await look()
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>
    if (systemClock.monotonic() - startedMs > boundMs) {
      throw new Error(`it is not so after ${boundMs / 1000} s: ${explain()}`)
    }
    await systemClock.sleep(everyMs)
  }
}

/** The outcome of `work`, or an error with `explain()` when it does not end. */
export async function within<T>(work: Promise<T>, explain: () => string, ms = boundMs): Promise<T> {
  const giveUp = new AbortController()
  const late = systemClock.sleep(ms, giveUp.signal).then(() => {
    throw new Error(`it has not ended after ${ms / 1000} s: ${explain()}`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    // Ends the timer; what it rejects with is not a failure.
    late.catch(() => undefined)
    giveUp.abort()
  }
}
