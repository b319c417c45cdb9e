/**
 * The children of a server: some kept warm, never more than a bound, a bounded queue before them.
 *
 * A child serves one query at a time. One that was killed, crashed or served its share of queries is
 * replaced, not repaired; one that holds much of a query's memory gets a moment to give it back.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  UnavailableError,
  UnsupportedError,
  errorMessage,
  openOwnDirectory,
  type Clock,
  type Logger,
} from '../../common/index.ts'
import { findConfinement, type Confinement } from './confinement.ts'
import { dataBytesMax, hasGivenBack } from './memory-watch.ts'
import type { QueryLimits } from './messages.ts'
import { SandboxChild } from './sandbox-child.ts'
import { SandboxSession } from './sandbox-session.ts'

/**
 * `auto`: the network wall where the kernel gives one; `required`: no queries without it;
 * `process`: the same as auto, and the operator accepts children that have a network.
 */
export type SandboxMode = 'auto' | 'required' | 'process'

export interface SandboxPoolOptions {
  readonly limits: QueryLimits
  readonly mode: SandboxMode
  /** Queries at the same time. */
  readonly concurrency: number
  /** Queries that may wait for their turn. */
  readonly queuedMax: number
  readonly timeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  /** Whether a process has room for the next query; default: `hasGivenBack`. */
  readonly hasRoom?: (processId: number, limits: QueryLimits) => Promise<boolean>
}

interface Waiter {
  readonly resolve: (child: SandboxChild) => void
  readonly reject: (error: unknown) => void
}

const warmMax = 2
/** A child is replaced after so many queries, which bounds what leaks can add up to. */
const queriesPerChildMax = 500
/** Allocators give memory back some time after it was freed. */
const restMs = 1_000

/** Above DuckDB's own bound on spilling, so that its error, which says what to do, comes first. */
function fileBytesMax({ tempBytesMax }: QueryLimits): number {
  return 2 * tempBytesMax + 64 * 2 ** 20
}

export class SandboxPool {
  readonly #options: SandboxPoolOptions
  readonly #confinement: Confinement
  readonly #directory: string
  readonly #idle: SandboxChild[] = []
  readonly #children = new Set<SandboxChild>()
  readonly #served = new Map<SandboxChild, number>()
  readonly #waiting: Waiter[] = []
  readonly #starting = new Set<Promise<void>>()
  /** Children that still hold much memory of their last query: not in `#children`, at most `warmMax`. */
  readonly #resting = new Set<SandboxChild>()
  readonly #stopping = new AbortController()
  #number = 0

  /** Throws UnavailableError when no child comes up, UnsupportedError when a required wall is missing. */
  static async start(options: SandboxPoolOptions): Promise<SandboxPool> {
    const confinement = await findConfinement({
      fileBytesMax: fileBytesMax(options.limits),
      dataBytesMax: dataBytesMax(options.limits),
    })
    if (options.mode === 'required' && !confinement.isNetworkless) {
      throw new UnsupportedError(
        `queries need a process without network, and this machine gives none: ${confinement.reason ?? ''}`,
        { facts: { 'query.sandbox': options.mode } },
      )
    }
    const directory = await openOwnDirectory('tidewater-query')
    const pool = new SandboxPool(options, confinement, directory)
    try {
      await pool.#grow()
    } catch (error) {
      await pool.stop()
      throw error
    }
    return pool
  }

  private constructor(options: SandboxPoolOptions, confinement: Confinement, directory: string) {
    this.#options = options
    this.#confinement = confinement
    this.#directory = directory
  }

  /** Whether the kernel keeps the network from the children, and if not, why. */
  get confinement(): Confinement {
    return this.#confinement
  }

  /** Throws UnavailableError when too many queries wait already. */
  async openSession(signal?: AbortSignal): Promise<SandboxSession> {
    for (let attempt = 0; ; attempt++) {
      const child = await this.#take(signal)
      const { clock, timeoutMs, limits } = this.#options
      const release = (isClean: boolean): void => this.#release(child, isClean)
      const session = new SandboxSession({ child, clock, timeoutMs, limits, release })
      try {
        await session.open()
        return session
      } catch (error) {
        await session.close()
        // The child died while it was idle. The query has not run yet, so another child can take it.
        if (!child.hasCrashed || attempt === warmMax) throw error
      }
    }
  }

  async stop(): Promise<void> {
    const resting = [...this.#resting]
    const stopping = new UnavailableError('the server is stopping')
    this.#stopping.abort(stopping)
    for (const { reject } of this.#waiting.splice(0)) reject(stopping)
    await Promise.allSettled(this.#starting)
    await Promise.all([...this.#children, ...resting].map((child) => child.stop()))
    await rm(this.#directory, { recursive: true, force: true })
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #take(signal: AbortSignal | undefined): Promise<SandboxChild> {
    signal?.throwIfAborted()
    if (this.#isStopped) throw new UnavailableError('the server is stopping')
    for (let child = this.#idle.pop(); child !== undefined; child = this.#idle.pop()) {
      if (child.isAlive) return child
      this.#children.delete(child)
    }
    const { concurrency, queuedMax } = this.#options
    // Waiters for whom a child can still be started do not count: they wait for no other query.
    const waiting = this.#waiting.length - Math.max(0, concurrency - this.#children.size)
    if (waiting >= queuedMax) {
      throw new UnavailableError('too many queries are waiting already: try again later', {
        facts: { running: concurrency, waiting },
      })
    }
    const turn = this.#queue(signal)
    this.#growIfNeeded()
    return turn
  }

  #queue(signal: AbortSignal | undefined): Promise<SandboxChild> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: (child) => {
          signal?.removeEventListener('abort', leave)
          resolve(child)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', leave)
          reject(error as Error)
        },
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(new UnavailableError('the query was cancelled while it waited'))
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiter)
    })
  }

  /** Starts a child for each waiting query that no start is under way for, within the bound. */
  #growIfNeeded(): void {
    const { concurrency } = this.#options
    const room = concurrency - this.#children.size - this.#starting.size
    const missing = Math.min(room, this.#waiting.length - this.#starting.size)
    for (let count = 0; count < missing; count++) {
      this.#grow().catch((error: unknown) => {
        this.#options.logger.error('query.child-not-started', { reason: errorMessage(error) })
        if (this.#children.size === 0) this.#waiting.shift()?.reject(error)
      })
    }
  }

  #grow(): Promise<void> {
    const { clock, limits } = this.#options
    const directory = join(this.#directory, String(++this.#number))
    const starting = SandboxChild.start({
      confinement: this.#confinement,
      limits,
      directory,
      clock,
    }).then((child) => {
      this.#children.add(child)
      this.#give(child)
    })
    this.#starting.add(starting)
    const done = (): void => void this.#starting.delete(starting)
    starting.then(done, done)
    return starting
  }

  /** Gives the child to the query that has waited longest; without one it is kept warm. */
  #give(child: SandboxChild): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next.resolve(child)
    else if (this.#idle.length < warmMax && !this.#isStopped) this.#idle.push(child)
    else this.#discard(child)
  }

  #release(child: SandboxChild, isClean: boolean): void {
    const served = (this.#served.get(child) ?? 0) + 1
    this.#served.set(child, served)
    if (isClean && served < queriesPerChildMax) void this.#giveOrRest(child)
    else this.#replace(child)
  }

  /** A child that still holds much memory rests first, or the next query would exceed its limit sooner. */
  async #giveOrRest(child: SandboxChild): Promise<void> {
    if (await this.#hasRoom(child)) {
      this.#give(child)
      return
    }
    if (this.#isStopped || !child.isAlive || this.#resting.size >= warmMax) {
      this.#replace(child)
      return
    }
    this.#children.delete(child)
    this.#resting.add(child)
    this.#keepWarm(1)
    const { clock, concurrency } = this.#options
    await clock.sleep(restMs, this.#stopping.signal).catch(() => undefined)
    const hasRoom = await this.#hasRoom(child)
    this.#resting.delete(child)
    if (hasRoom && this.#children.size + this.#starting.size < concurrency) {
      this.#children.add(child)
      this.#give(child)
    } else {
      this.#replace(child)
    }
  }

  async #hasRoom({ isAlive, processId }: SandboxChild): Promise<boolean> {
    const { limits, hasRoom = hasGivenBack } = this.#options
    return isAlive && (processId === undefined || hasRoom(processId, limits))
  }

  #replace(child: SandboxChild): void {
    this.#discard(child)
    this.#keepWarm(warmMax)
  }

  /** Starts a child when fewer than `count` are ready, so that the next query need not wait for a start. */
  #keepWarm(count: number): void {
    if (this.#isStopped) return
    this.#growIfNeeded()
    const ready = this.#idle.length + this.#starting.size - this.#waiting.length
    const isFull = this.#children.size + this.#starting.size >= this.#options.concurrency
    if (ready >= count || isFull) return
    this.#grow().catch((error: unknown) => {
      this.#options.logger.error('query.child-not-started', { reason: errorMessage(error) })
    })
  }

  #discard(child: SandboxChild): void {
    this.#children.delete(child)
    this.#served.delete(child)
    void child.stop()
  }
}
