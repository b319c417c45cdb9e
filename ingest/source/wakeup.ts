/**
 * Lets a poll sleep until something has happened or its time is up. A wake-up that comes while no poll sleeps
 * is kept for the next one; otherwise an event between a check and the sleep would be missed.
 */
import type { Clock } from '../../common/index.ts'

export class Wakeup {
  readonly #clock: Clock
  #woken = false
  #sleeper: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wake(): void {
    this.#woken = true
    this.#sleeper?.abort()
  }

  /** For one sleeper at a time. Rejects with the signal's reason when that aborts. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (!this.#woken && ms > 0) {
      const sleeper = new AbortController()
      this.#sleeper = sleeper
      const onAbort = (): void => sleeper.abort()
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        await this.#clock.sleep(ms, sleeper.signal)
      } catch {
        // Woken or aborted: the check below tells which.
      } finally {
        signal?.removeEventListener('abort', onAbort)
        this.#sleeper = undefined
      }
    }
    this.#woken = false
    signal?.throwIfAborted()
  }
}
