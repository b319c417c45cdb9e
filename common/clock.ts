/**
 * Time as a component, so that tests and the simulator step it.
 *
 * Only this file may read the wall clock or set a timer for waiting (tests/architecture checks it).
 */

export interface Clock {
  /** Milliseconds since the epoch, wall clock. Never used to order commits (sequence numbers do). */
  now(): number
  /** Milliseconds of a clock that never goes back, for durations. */
  monotonic(): number
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
}

/** Resolves after one turn of the event loop, in which waiting events of sockets, files and threads are handled. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * Calls `beat` every `ms`, one call at a time, without keeping the process alive; a failed call is not an error, for
 * the next one says the same. The result stops it and awaits the call under way.
 */
export function startBeat(ms: number, beat: () => Promise<unknown>): () => Promise<void> {
  let underWay: Promise<void> | undefined
  const timer = setInterval(() => {
    underWay ??= beat()
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        underWay = undefined
      })
  }, ms)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await underWay
  }
}
