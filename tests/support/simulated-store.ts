/**
 * A bucket in which fast-check decides what happens next: when each request takes effect, when its
 * answer arrives, and whether the answer is lost, late, doubled, or the process dies.
 */
import type { Scheduler } from 'fast-check'
import { type Clock, UnavailableError } from '../../common/index.ts'
import type { FileIO, MemoryFileIO, StoredObject, WriteResult } from '../../io/index.ts'
import { InterceptedFileIO, type ReadCall, type WriteCall } from './intercepted-file-io.ts'

/**
 * For a conditional write: `lost` = stored, answer lost; `dropped` = never arrives; `late` = answer
 * lost, takes effect at any later time; `doubled` = arrives twice, the second answer is given.
 * `dies` = the process ends at this request, which may still arrive.
 */
export const writeFaults = ['none', 'lost', 'dropped', 'late', 'doubled', 'dies'] as const
export type WriteFault = (typeof writeFaults)[number]

export interface SimulatedProcess {
  readonly io: FileIO
  readonly clock: Clock
  isDead(): boolean
}

export interface SimulatedStoreOptions {
  readonly scheduler: Scheduler
  readonly store: MemoryFileIO
  /** Drawn one by one for conditional writes; `none` when used up. */
  readonly faults: readonly WriteFault[]
  /** Every n-th read fails; 0 for never. */
  readonly readFaultEvery: number
  readonly mayDie: boolean
}

export class SimulatedStore {
  readonly #options: SimulatedStoreOptions
  #faultsDrawn = 0
  #reads = 0
  #nowMs = 1_700_000_000_000

  constructor(options: SimulatedStoreOptions) {
    this.#options = options
  }

  process(name: string): SimulatedProcess {
    let isDead = false
    const io = new InterceptedFileIO(this.#options.store)
    const alive = (): void => {
      if (isDead) throw new UnavailableError('the process is dead', { facts: { name } })
    }
    io.onRead = async (call) => {
      alive()
      const found = await this.#read(name, call)
      alive()
      return found
    }
    io.onWrite = async (call) => {
      alive()
      const fault = call.condition === undefined ? 'none' : this.#drawFault()
      if (fault === 'dies') {
        isDead = true
        this.#later(name, call)
      }
      alive()
      const result = await this.#write(name, call, fault)
      alive()
      return result
    }
    const clock: Clock = {
      now: () => this.#nowMs,
      monotonic: () => this.#nowMs,
      sleep: async (ms) => {
        await this.#turn(`${name} sleeps`)
        this.#nowMs += ms
      },
    }
    return { io, clock, isDead: () => isDead }
  }

  async #read(name: string, call: ReadCall): Promise<StoredObject> {
    await this.#turn(`${name} reads`)
    const { readFaultEvery } = this.#options
    if (readFaultEvery > 0 && ++this.#reads % readFaultEvery === 0) throw lost(name)
    const found = await call.send()
    await this.#turn(`${name} has read`)
    return found
  }

  async #write(name: string, call: WriteCall, fault: WriteFault): Promise<WriteResult> {
    await this.#turn(`${name} writes`)
    if (fault === 'dropped') throw lost(name)
    if (fault === 'late') {
      this.#later(name, call)
      throw lost(name)
    }
    const first = await call.send()
    await this.#turn(`${name} has written`)
    if (fault === 'lost') throw lost(name)
    return fault === 'doubled' ? call.send() : first
  }

  /** The request is on its way; nobody waits for its answer. */
  #later(name: string, call: WriteCall): void {
    void this.#turn(`${name}'s late write lands`).then(() => call.send())
  }

  #drawFault(): WriteFault {
    const fault = this.#options.faults[this.#faultsDrawn++] ?? 'none'
    return fault === 'dies' && !this.#options.mayDie ? 'none' : fault
  }

  #turn(label: string): Promise<unknown> {
    return this.#options.scheduler.schedule(Promise.resolve(), label)
  }
}

function lost(name: string): UnavailableError {
  return new UnavailableError('answer lost', { facts: { name } })
}
