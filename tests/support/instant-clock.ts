/** A clock whose waits take no time but are counted. */
import type { Clock } from '../../common/index.ts'

export class InstantClock implements Clock {
  #nowMs: number
  readonly sleepsMs: number[] = []

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.sleepsMs.push(ms)
    this.#nowMs += ms
  }

  advance(ms: number): void {
    this.#nowMs += ms
  }
}
