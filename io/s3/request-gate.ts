/**
 * At most so many requests under way; the rest wait in order. Without it a listing of 100,000 files
 * would queue as many sockets.
 */
export class RequestGate {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  async run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) {
      // A finished request hands its place over, so the count stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running++
    }
    try {
      return await request()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
