/**
 * A FileIO that fails on demand, around any other (failures.md, faults 1 to 8).
 *
 * The faults that matter for commits are those of the answer, not of the request: a write that is
 * stored while its answer is lost, and a write that lands long after its caller gave up.
 */
import {
  type Clock,
  type Random,
  UnavailableError,
  systemClock,
  systemRandom,
} from '../../../common/index.ts'
import type { ByteRange } from '../../../io/byte-range.ts'
import type {
  FileIO,
  ObjectInfo,
  StoredObject,
  WriteCondition,
  WriteResult,
} from '../../../io/file-io.ts'

export type FileIOOperation =
  | 'read'
  | 'readObject'
  | 'stat'
  | 'write'
  | 'upload'
  | 'download'
  | 'delete'
  | 'list'

export interface Fault {
  /**
   * `fail-before`: nothing is done. `fail-after`: done, and the answer is lost. `delay`: done after
   * `delayMs`. `land-late`: fails at once, and is done when `landLate()` is called, or never.
   */
  readonly kind: 'fail-before' | 'fail-after' | 'delay' | 'land-late'
  /** Operations that it befalls; all when left out. */
  readonly on?: readonly FileIOOperation[]
  /** Locations that it befalls: a part of the location, or a pattern; all when left out. */
  readonly at?: string | RegExp
  /** Only writes with a condition (true) or without one (false). */
  readonly conditional?: boolean
  /** Matching calls that are let through first; 0 when left out. */
  readonly skip?: number
  /** How often it strikes; once when left out. */
  readonly times?: number
  /** Strikes with this probability instead of always. */
  readonly probability?: number
  readonly delayMs?: number
  /** What is thrown; UnavailableError when left out. */
  readonly error?: () => Error
}

export interface ArmedFault {
  /** How often it has struck. */
  readonly struck: number
  disarm(): void
}

export interface FaultyFileIOOptions {
  readonly clock?: Clock
  /** Draws for `probability`; a seeded one makes a run repeatable. */
  readonly random?: Random
  /** Runs just before a write reaches the store: the place to plant a rival's write. */
  readonly beforeWrite?: (
    location: string,
    condition: WriteCondition | undefined,
    inner: FileIO,
  ) => Promise<void>
}

interface Call {
  readonly operation: FileIOOperation
  readonly location: string
  readonly isConditional: boolean
}

interface Armed {
  readonly fault: Fault
  skipped: number
  struck: number
}

export class FaultyFileIO implements FileIO {
  readonly #inner: FileIO
  readonly #clock: Clock
  readonly #random: Random
  readonly #beforeWrite: FaultyFileIOOptions['beforeWrite']
  readonly #armed: Armed[] = []
  readonly #late: (() => Promise<unknown>)[] = []
  readonly #counts = new Map<FileIOOperation, number>()

  constructor(inner: FileIO, options: FaultyFileIOOptions = {}) {
    this.#inner = inner
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#beforeWrite = options.beforeWrite
  }

  /** Arms a fault; of several that match a call, the one armed first strikes. */
  inject(fault: Fault): ArmedFault {
    const armed: Armed = { fault, skipped: 0, struck: 0 }
    this.#armed.push(armed)
    const disarm = (): void => {
      const index = this.#armed.indexOf(armed)
      if (index >= 0) this.#armed.splice(index, 1)
    }
    return {
      get struck() {
        return armed.struck
      },
      disarm,
    }
  }

  /** Calls so far, faults included. */
  count(operation: FileIOOperation): number {
    return this.#counts.get(operation) ?? 0
  }

  /** Does now what `land-late` held back, in the order of the calls; gives the results. */
  async landLate(): Promise<unknown[]> {
    const results = []
    for (const land of this.#late.splice(0)) results.push(await land())
    return results
  }

  async read(location: string, range?: ByteRange): Promise<Uint8Array> {
    return this.#do('read', location, () => this.#inner.read(location, range))
  }

  async readObject(location: string): Promise<StoredObject> {
    return this.#do('readObject', location, () => this.#inner.readObject(location))
  }

  async stat(location: string): Promise<ObjectInfo | undefined> {
    return this.#do('stat', location, () => this.#inner.stat(location))
  }

  async write(
    location: string,
    body: Uint8Array,
    condition?: WriteCondition,
  ): Promise<WriteResult> {
    // A late landing must not see what the caller does with its buffer afterwards.
    const copy = Uint8Array.from(body)
    const write = async (): Promise<WriteResult> => {
      await this.#beforeWrite?.(location, condition, this.#inner)
      return this.#inner.write(location, copy, condition)
    }
    return this.#do('write', location, write, condition !== undefined)
  }

  async upload(localPath: string, location: string): Promise<ObjectInfo> {
    return this.#do('upload', location, () => this.#inner.upload(localPath, location))
  }

  async download(location: string, localPath: string): Promise<void> {
    return this.#do('download', location, () => this.#inner.download(location, localPath))
  }

  async delete(locations: readonly string[]): Promise<void> {
    return this.#do('delete', locations.join(' '), () => this.#inner.delete(locations))
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    // A listing fails before its first entry.
    yield* await this.#do('list', prefix, async () => this.#inner.list(prefix))
  }

  async close(): Promise<void> {
    await this.#inner.close()
  }

  async #do<T>(
    operation: FileIOOperation,
    location: string,
    act: () => Promise<T>,
    isConditional = false,
  ): Promise<T> {
    this.#counts.set(operation, this.count(operation) + 1)
    const fault = this.#strike({ operation, location, isConditional })
    if (fault === undefined) return act()
    if (fault.kind === 'delay') {
      await this.#clock.sleep(fault.delayMs ?? 0)
      return act()
    }
    if (fault.kind === 'land-late') this.#late.push(act)
    if (fault.kind === 'fail-after') await act()
    throw (
      fault.error?.() ??
      new UnavailableError('injected fault', { facts: { fault: fault.kind, operation, location } })
    )
  }

  #strike(call: Call): Fault | undefined {
    for (const armed of this.#armed) {
      const { fault } = armed
      if (!matches(fault, call) || armed.struck >= (fault.times ?? 1)) continue
      if (armed.skipped < (fault.skip ?? 0)) {
        armed.skipped++
        continue
      }
      if (fault.probability !== undefined && this.#random.fraction() >= fault.probability) continue
      armed.struck++
      return fault
    }
    return undefined
  }
}

function matches(fault: Fault, call: Call): boolean {
  if (fault.on !== undefined && !fault.on.includes(call.operation)) return false
  if (fault.conditional !== undefined) {
    if (call.operation !== 'write' || fault.conditional !== call.isConditional) return false
  }
  if (fault.at === undefined) return true
  // A pattern with the g flag would remember where it stopped.
  return typeof fault.at === 'string'
    ? call.location.includes(fault.at)
    : call.location.search(fault.at) >= 0
}
