/** Any order of events, as a log, a table and a work force that fail at will would bring them. */
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { step } from './step.ts'
import {
  type FaultKind,
  type OpenFigures,
  startingState,
  type StreamAction,
  type StreamEvent,
  type StreamState,
  type StepRules,
} from './stream-state.ts'

const rules: StepRules = {
  until: 'latest',
  isShared: true,
  sampleRecordsMax: 5,
  sampleBytesMax: 1_000,
  sampleWaitMs: 50,
  commitIntervalMs: 50,
  commitBytesMax: 40,
  commitRecordsMax: 6,
  memoryBytesMax: 60,
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new Error(message)
}

interface Batch {
  readonly from: number
  readonly to: number
}

/** What the runner does, without the work: one partition whose records are their offsets. */
class World {
  state: StreamState
  readonly logEnd = 40
  nowMs = 0
  committed = 0
  readonly underWay: StreamAction[] = []
  /** A batch failed, and the table was not loaded since. */
  #isHalted = false
  /** An action on the open batch failed half way. */
  #isSpoiled = false
  #read = 0
  #decoded = 0
  #unread = 0
  #sample = 0
  #open: Batch | undefined
  #openSinceMs = 0
  #waiting = 0
  #hasTable: boolean
  #batches = new Map<number, Batch>()
  #number = 0
  #pick: (max: number) => number

  constructor(changes: Partial<StepRules>, hasTable: boolean, pick: (max: number) => number) {
    this.#pick = pick
    this.#hasTable = hasTable
    this.state = startingState({ ...rules, ...changes })
    this.send({ kind: 'started' })
  }

  get hasEnded(): boolean {
    return this.state.phase === 'stopped' || this.state.phase === 'failed'
  }

  send(event: StreamEvent): void {
    this.nowMs += this.#pick(20)
    const { state, actions } = step(this.state, event, this.nowMs)
    this.state = state
    for (const action of actions) this.#begin(action)
    this.#check()
  }

  /** Ends one of the actions under way, well or with a failure. */
  end(fault: FaultKind | undefined): void {
    const index = this.#pick(this.underWay.length)
    const [action] = this.underWay.splice(index, 1)
    if (action === undefined) return
    if (fault === undefined) return this.send(this.#result(action))
    const failure = { kind: fault, error: new Error(fault) }
    if (!('batch' in action)) {
      this.#isSpoiled ||= ['decode', 'evolve', 'publish', 'seal'].includes(action.kind)
      return this.send({ kind: 'fault', fault: failure })
    }
    this.#isHalted = true
    // The swap may have landed all the same.
    if (action.kind === 'commit' && fault === 'unknown' && this.#pick(2) === 0) {
      this.committed = this.#batches.get(action.batch)?.to ?? -1
    }
    this.send({ kind: 'batch-fault', batch: action.batch, fault: failure })
  }

  #begin(action: StreamAction): void {
    require(!this.hasEnded, `${action.kind} after the end`)
    if (action.kind === 'commit') {
      require(!this.#isHalted, 'a commit behind a failure')
      const batch = this.#batches.get(action.batch)
      require(batch?.from ===
        this.committed, '[E3] a commit that does not begin where the table ends')
    }
    if (action.kind === 'seal') require(!this.#isSpoiled, '[E8] a half-read batch is sealed')
    if (action.kind === 'load') {
      require(this.underWay.length === 0, '[E8] the table is loaded beside other work')
    }
    this.underWay.push(action)
  }

  #check(): void {
    const count = (...kinds: readonly string[]): number =>
      this.underWay.filter(({ kind }) => kinds.includes(kind)).length
    const background = count('stage', 'commit', 'report')
    require(count('stage') <= 1, 'two batches are being staged')
    require(count('commit', 'report') <= 1, '[E7] two batches are being committed')
    require(this.underWay.length - background <= 1, 'two foreground actions')
    require(this.underWay.length > 0 || this.hasEnded, `nothing goes on in ${this.state.phase}`)
    require(!this.hasEnded || this.underWay.length === 0, 'work outlives the run')
    if (this.state.phase === 'stopped' && !this.state.isStopRequested) {
      require(this.committed === this.logEnd, 'it stopped before everything was committed')
    }
  }

  #figures(): OpenFigures {
    const open = this.#open ?? { from: 0, to: 0 }
    const records = open.to - open.from
    return {
      records,
      bytes: records * 10,
      sinceMs: this.#openSinceMs,
      isEmpty: records === 0,
      waiting: this.#waiting,
      isWaitingLong: this.#waiting > 3,
      publishInMs: this.#pick(3) === 0 ? 0 : undefined,
    }
  }

  #result(action: StreamAction): StreamEvent {
    switch (action.kind) {
      case 'load':
        this.#isHalted = this.#isSpoiled = false
        this.#batches.clear()
        this.#open = undefined
        this.#sample = this.#unread = this.#waiting = 0
        return { kind: 'loaded', hasTable: this.#hasTable }
      case 'seek':
        this.#read = this.#decoded = this.committed
        return { kind: 'sought', isAtEnd: this.#read === this.logEnd }
      case 'back-off':
        return { kind: 'woke' }
      case 'stage':
        return { kind: 'staged', batch: action.batch }
      case 'commit':
        this.committed = this.#batches.get(action.batch)?.to ?? -1
        return { kind: 'committed', batch: action.batch }
      case 'report':
        return { kind: 'reported', batch: action.batch }
      default:
        return this.#resultOfReading(action)
    }
  }

  #resultOfReading(
    action: Extract<
      StreamAction,
      { kind: 'poll' | 'create' | 'decode' | 'evolve' | 'publish' | 'seal' }
    >,
  ): StreamEvent {
    switch (action.kind) {
      case 'poll':
        return this.#poll()
      case 'create':
        this.#hasTable = true
        this.#unread = this.#sample
        this.#sample = 0
        return { kind: 'created', batches: this.#unread }
      case 'decode':
        return this.#decode()
      case 'evolve':
        this.#waiting = 0
        return { kind: 'evolved', open: this.#figures() }
      case 'publish': {
        require(this.#waiting === 0, 'rows are published while records wait for a column')
        return { kind: 'published', open: { ...this.#figures(), publishInMs: undefined } }
      }
      case 'seal': {
        require(this.#waiting === 0, 'a batch is sealed while records wait for a column')
        const batch = ++this.#number
        if (this.#open !== undefined) this.#batches.set(batch, this.#open)
        this.#open = undefined
        return { kind: 'sealed', batch, bytes: 10 }
      }
    }
  }

  #poll(): StreamEvent {
    require(this.#unread === 0, 'a poll while records of the last one are not decoded')
    if (!this.state.hasBegun || this.#pick(12) === 0) return { kind: 'assigned' }
    const count = Math.min(this.#pick(4), this.logEnd - this.#read)
    this.#read += count
    if (this.#hasTable) this.#unread = count
    else this.#sample += count
    return {
      kind: 'polled',
      batches: count,
      isAtEnd: this.#read === this.logEnd,
      sample: {
        records: this.#sample,
        bytes: this.#sample * 10,
        state: this.#read < this.logEnd && this.#pick(3) === 0 ? 'waits' : 'usable',
      },
      open: this.#open === undefined ? undefined : this.#figures(),
    }
  }

  #decode(): StreamEvent {
    if (this.#open !== undefined && this.#pick(10) === 0) return { kind: 'columns-changed' }
    if (this.#open === undefined) this.#openSinceMs = this.nowMs
    const from = this.#open?.from ?? this.#decoded
    this.#open = { from, to: ++this.#decoded }
    this.#unread--
    if (this.#pick(4) === 0) this.#waiting++
    return { kind: 'decoded', open: this.#figures() }
  }
}

const faultKinds: readonly FaultKind[] = [
  'conflict',
  'moved',
  'unknown',
  'lost',
  'unavailable',
  'fatal',
  'log-unreadable',
]
/** Far more than any run needs. */
const eventsMax = 5_000

const runs = fc.record({
  until: fc.constantFrom('latest' as const, 'stopped' as const),
  isShared: fc.boolean(),
  hasTable: fc.boolean(),
  /** Of a thousand actions so many fail. */
  faultShare: fc.constantFrom(0, 20, 100),
  stopAfter: fc.option(fc.nat(200), { nil: undefined }),
  seed: fc.nat(),
})

/** Numbers that depend on the seed alone (a linear congruential generator). */
function picker(seed: number): (max: number) => number {
  let value = seed >>> 0
  return (max) => {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0
    return max === 0 ? 0 : Math.floor((value / 2 ** 32) * max)
  }
}

describe('step(), whatever comes', () => {
  it('[E3] [E7] [E8] commits in order, nothing twice, nothing behind a failure, and ends', () => {
    fc.assert(
      fc.property(runs, ({ until, isShared, hasTable, faultShare, stopAfter, seed }) => {
        const pick = picker(seed)
        const world = new World({ until, isShared }, hasTable, pick)
        const stopAt = stopAfter ?? (until === 'stopped' ? 200 : eventsMax)
        let before = 0
        for (let count = 0; !world.hasEnded; count++) {
          require(count < eventsMax, `it does not end; it is ${world.state.phase}`)
          if (count === stopAt) world.send({ kind: 'stop' })
          else if (pick(1000) < faultShare) world.end(faultKinds[pick(faultKinds.length)])
          else world.end(undefined)
          require(world.committed >= before, '[E3] offsets went back')
          before = world.committed
        }
        const mayFail = faultShare > 0
        require(mayFail || world.state.phase === 'stopped', 'it failed without a failure')
      }),
      { numRuns: 500 * fuzzEffort },
    )
  })

  it('stops from wherever it is once everything answers again', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(150), fc.boolean(), (seed, count, hasTable) => {
        const pick = picker(seed)
        const world = new World({ until: 'stopped' }, hasTable, pick)
        for (let index = 0; index < count && !world.hasEnded; index++) {
          world.end(pick(10) === 0 ? 'unavailable' : undefined)
        }
        if (world.hasEnded) return
        world.send({ kind: 'stop' })
        for (let index = 0; !world.hasEnded; index++) {
          require(index < 100, `it does not stop; it is ${world.state.phase}`)
          world.end(undefined)
        }
      }),
      { numRuns: 500 * fuzzEffort },
    )
  })
})
