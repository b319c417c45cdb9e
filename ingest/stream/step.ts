/**
 * What a running stream does next. `step` is pure: every decision of a run is here; `stream-actions.ts` does
 * the actions, and `run.ts` hands back what came of them as events.
 *
 * E7 (docs/spec/exactly-once.md): batches commit in the order they were sealed, each only after the one
 *     before it is done; the first failure stops all behind it.
 * E18: a log that cannot be read any further ends a run only when all that was read before is committed.
 * E8: after a failure nothing in memory is believed: what is under way is awaited, what is not committed is
 *     thrown away, and the table is read again.
 */
import type {
  BatchAction,
  BatchEvent,
  BatchPhase,
  Fault,
  ForegroundAction,
  ForegroundEvent,
  OpenFigures,
  Phase,
  SealedBatch,
  Step,
  StreamEvent,
  StreamState,
} from './stream-state.ts'

/** Batches between being sealed and being committed: one is staged while the last one commits. */
const sealedMax = 2
/** Rewinds without a commit between them: beyond it the stream stops instead of going in circles. */
export const rewindsMax = 20
const lagIntervalMs = 5000

/** The phases that each foreground event ends. */
const endedPhases: Readonly<Record<ForegroundEvent['kind'], readonly Phase[]>> = {
  started: ['starting'],
  assigned: ['sampling', 'reading'],
  loaded: ['loading'],
  sought: ['seeking'],
  polled: ['sampling', 'reading'],
  created: ['creating'],
  decoded: ['decoding'],
  'columns-changed': ['decoding'],
  evolved: ['evolving'],
  published: ['publishing'],
  sealed: ['sealing'],
  woke: ['backing-off'],
  fault: [
    'loading',
    'seeking',
    'sampling',
    'creating',
    'reading',
    'decoding',
    'evolving',
    'publishing',
    'sealing',
    'backing-off',
  ],
}

/** Phases in which a failure leaves the open batch as it was. */
const readingPhases: readonly Phase[] = ['loading', 'seeking', 'sampling', 'reading', 'backing-off']

/** The phase that each event of a sealed batch ends. */
const endedBatchPhases: Readonly<Record<BatchEvent['kind'], readonly BatchPhase[]>> = {
  staged: ['staging'],
  committed: ['committing'],
  reported: ['reporting'],
  'batch-fault': ['staging', 'committing', 'reporting'],
}

/** Throws on an event that nothing under way can cause. */
export function step(state: StreamState, event: StreamEvent, nowMs: number): Step {
  const after = react(state, event, nowMs)
  const background = beginBatchActions(after.state)
  return { state: background.state, actions: [...background.actions, ...after.actions] }
}

function react(state: StreamState, event: StreamEvent, nowMs: number): Step {
  switch (event.kind) {
    case 'stop': {
      const stopping = { ...state, isStopRequested: true }
      return state.phase === 'blocked' ? next(stopping, nowMs) : stay(stopping)
    }
    case 'staged':
    case 'committed':
    case 'reported':
    case 'batch-fault':
      return onBatchEvent(state, event, nowMs)
    default:
      if (!endedPhases[event.kind].includes(state.phase)) throw unexpected(state, event)
      return onForegroundEvent(state, event, nowMs)
  }
}

function onForegroundEvent(state: StreamState, event: ForegroundEvent, nowMs: number): Step {
  switch (event.kind) {
    case 'started':
      return next(state, nowMs)
    case 'assigned': {
      const { fault } = state
      // A batch that failed for good is not forgotten because partitions have moved.
      if (fault === undefined || (mayRewind(state, fault) && !state.isStopRequested)) {
        return drain(state, 'loading')
      }
      return onBatchFault(state, fault)
    }
    case 'loaded': {
      const loaded = { ...state, hasBegun: true, hasTable: event.hasTable }
      return begin(loaded, 'seeking', { kind: 'seek' })
    }
    case 'sought':
      return next({ ...state, isAtEnd: event.isAtEnd }, nowMs)
    case 'polled':
      return next(polled(state, event, nowMs), nowMs)
    case 'created':
      return next({ ...state, hasTable: true, sample: undefined, unread: event.batches }, nowMs)
    case 'decoded':
      return next({ ...state, open: event.open, unread: state.unread - 1 }, nowMs)
    case 'columns-changed':
      return state.fault === undefined ? seal(state) : next(state, nowMs)
    case 'evolved':
    case 'published':
      return next({ ...state, open: event.open }, nowMs)
    case 'sealed': {
      const { batch, bytes } = event
      const sealed = [...state.sealed, { batch, bytes, phase: 'sealed' } as const]
      return next({ ...state, open: undefined, sealed }, nowMs)
    }
    case 'woke':
      if (state.isStopRequested) return next(state, nowMs)
      return drain(state, mayRewind(state, state.fault) ? 'loading' : 'failed')
    case 'fault':
      return onFault(state, event.fault, nowMs)
  }
}

function polled(
  state: StreamState,
  event: Extract<ForegroundEvent, { kind: 'polled' }>,
  nowMs: number,
): StreamState {
  const { isAtEnd, batches, open, sample } = event
  if (state.hasTable) return { ...state, isAtEnd, open, unread: batches }
  if (sample.records === 0) return { ...state, isAtEnd }
  const usableSinceMs =
    sample.state === 'usable' ? (state.sample?.usableSinceMs ?? nowMs) : undefined
  return { ...state, isAtEnd, sample: { ...sample, usableSinceMs } }
}

/** What the foreground does when nothing of it is under way. */
function next(state: StreamState, nowMs: number): Step {
  const { open, fault } = state
  if (fault !== undefined) return onBatchFault(state, fault)
  if (open?.isWaitingLong === true) return begin(state, 'evolving', { kind: 'evolve' })
  if (open !== undefined && isReady(state, open, nowMs)) return seal(state)
  if (state.unread > 0) return begin(state, 'decoding', { kind: 'decode' })
  if (isSampleComplete(state, nowMs)) return begin(state, 'creating', { kind: 'create' })
  if (isEnding(state)) {
    if (open !== undefined && !open.isEmpty) return seal(state)
    if (state.sealed.length > 0) return rest(state, 'finishing')
    if (state.logFault === undefined) return rest(state, 'stopped')
    return rest({ ...state, fault: state.logFault }, 'failed')
  }
  if (open?.publishInMs === 0) return publish(state, open)
  if (hasRoom(state)) return poll(state, nowMs)
  // Queries need not wait until there is room.
  if (open?.publishInMs !== undefined) return publish(state, open)
  return rest(state, 'blocked')
}

/** True when the open batch should be sealed: enough records, enough bytes, or open long enough. */
function isReady({ rules }: StreamState, open: OpenFigures, nowMs: number): boolean {
  return (
    !open.isEmpty &&
    (open.records >= rules.commitRecordsMax ||
      open.bytes >= Math.min(rules.commitBytesMax, rules.memoryBytesMax) ||
      nowMs - open.sinceMs >= rules.commitIntervalMs)
  )
}

function isSampleComplete(state: StreamState, nowMs: number): boolean {
  const { sample, rules } = state
  if (state.hasTable || sample === undefined) return false
  if (sample.records >= rules.sampleRecordsMax || sample.bytes >= rules.sampleBytesMax) return true
  const isLast = rules.until === 'latest' && state.isAtEnd
  // Records that show what the sample lacks may come with the next run; what does not fit is reported by this one.
  if (sample.state === 'waits') return false
  if (sample.state === 'unfit') return isLast
  const waitedMs = nowMs - (sample.usableSinceMs ?? nowMs)
  const isCut = state.isStopRequested || state.logFault !== undefined
  return isLast || isCut || waitedMs >= rules.sampleWaitMs
}

function isEnding(state: StreamState): boolean {
  if (state.isStopRequested || state.logFault !== undefined) return true
  return state.rules.until === 'latest' && state.isAtEnd
}

/** False while more is read and not committed than the budget allows. */
function hasRoom({ sealed, open, rules }: StreamState): boolean {
  if (sealed.length === 0) return true
  const bytes = sealed.reduce((sum, batch) => sum + batch.bytes, open?.bytes ?? 0)
  return sealed.length < sealedMax && bytes <= rules.memoryBytesMax
}

function seal(state: StreamState): Step {
  if ((state.open?.waiting ?? 0) > 0) return begin(state, 'evolving', { kind: 'evolve' })
  return begin(state, 'sealing', { kind: 'seal' })
}

function publish(state: StreamState, open: OpenFigures): Step {
  if (open.waiting > 0) return begin(state, 'evolving', { kind: 'evolve' })
  return begin(state, 'publishing', { kind: 'publish' })
}

function poll(state: StreamState, nowMs: number): Step {
  const { rules, hasBegun, lagMeasuredMs } = state
  const measuresLag =
    rules.until === 'stopped' && hasBegun && nowMs - lagMeasuredMs >= lagIntervalMs
  const phase = state.hasTable ? 'reading' : 'sampling'
  const polling = measuresLag ? { ...state, lagMeasuredMs: nowMs } : state
  return begin(polling, phase, { kind: 'poll', measuresLag })
}

/** A foreground action failed. */
function onFault(state: StreamState, fault: Fault, nowMs: number): Step {
  // The log ends here: what was read before is whole, and is committed as before a stop.
  const isPolling = state.phase === 'sampling' || state.phase === 'reading'
  if (fault.kind === 'log-unreadable' && isPolling)
    return next({ ...state, logFault: fault }, nowMs)
  const isReading = readingPhases.includes(state.phase)
  // A batch that failed half way holds less than its range says.
  const kept = isReading ? state : { ...state, open: undefined, unread: 0, sample: undefined }
  if (!mayRewind(state, fault)) {
    if (fault.kind === 'aborted' && state.isStopRequested) return next(kept, nowMs)
    return drain({ ...kept, fault }, 'failed')
  }
  if (!state.isStopRequested) return backOff(kept, fault)
  // Nothing is lost by not reading on; that a batch cannot be committed has to be said.
  return isReading ? next(kept, nowMs) : drain({ ...kept, fault }, 'failed')
}

/** A sealed batch failed, and nothing is under way in the foreground. */
function onBatchFault(state: StreamState, fault: Fault): Step {
  if (state.isStopRequested) return drain(state, afterStop(state, fault))
  return mayRewind(state, fault) ? backOff(state, fault) : drain(state, 'failed')
}

function afterStop({ rules }: StreamState, fault: Fault): 'stopped' | 'failed' {
  // The member that was first has taken these partitions over, and commits what is left of them.
  if (fault.kind === 'conflict' && rules.isShared) return 'stopped'
  // The next start begins where the offsets were set.
  return fault.kind === 'moved' ? 'stopped' : 'failed'
}

function mayRewind(state: StreamState, fault: Fault | undefined): boolean {
  if (fault === undefined) return true
  switch (fault.kind) {
    case 'moved':
    case 'unknown':
    case 'lost':
      return true
    case 'unavailable':
      return state.hasBegun
    case 'conflict':
      return state.rules.isShared
    case 'aborted':
    case 'log-unreadable':
    case 'fatal':
      return false
  }
}

function backOff(state: StreamState, fault: Fault): Step {
  if (state.rewinds >= rewindsMax) return drain({ ...state, fault }, 'failed')
  const rewinds = state.rewinds + 1
  return begin({ ...state, rewinds }, 'backing-off', {
    kind: 'back-off',
    rewinds,
    error: fault.error,
  })
}

/** Gives up what has not begun to commit, and awaits what is under way before going on to `after`. */
function drain(state: StreamState, after: StreamState['afterDraining']): Step {
  return drained({
    ...state,
    phase: 'draining',
    afterDraining: after,
    sealed: state.sealed.filter(isUnderWay),
    open: undefined,
    unread: 0,
    sample: undefined,
  })
}

function drained(state: StreamState): Step {
  if (state.sealed.length > 0) return stay(state)
  if (state.afterDraining === 'failed') return rest(state, 'failed')
  const clean = { ...state, fault: undefined, logFault: undefined }
  if (state.afterDraining === 'stopped') return rest(clean, 'stopped')
  if (state.isStopRequested) {
    const { fault } = state
    if (fault !== undefined && afterStop(state, fault) === 'failed') return rest(state, 'failed')
    return rest(clean, 'stopped')
  }
  return begin(clean, 'loading', { kind: 'load' })
}

function onBatchEvent(state: StreamState, event: BatchEvent, nowMs: number): Step {
  const { kind, batch } = event
  const current = state.sealed.find((each) => each.batch === batch)
  if (current === undefined || !endedBatchPhases[kind].includes(current.phase)) {
    throw unexpected(state, event)
  }
  const isDraining = state.phase === 'draining'
  switch (kind) {
    case 'staged':
      if (isDraining) return drained(without(state, batch))
      return stay(withPhase(state, batch, 'staged'))
    case 'committed': {
      const committed = { ...withPhase(state, batch, 'reporting'), rewinds: 0 }
      return { state: committed, actions: [{ kind: 'report', batch }] }
    }
    case 'reported':
      return goOn(without(state, batch), nowMs)
    case 'batch-fault':
      return goOn(withFault(without(state, batch), event.fault), nowMs)
  }
}

/** The first failure counts, unless a later one is worse: one that a rewind does not mend. */
function withFault(state: StreamState, fault: Fault): StreamState {
  if (mayRewind(state, fault)) return { ...state, fault: state.fault ?? fault }
  const isFirst = state.fault === undefined || mayRewind(state, state.fault)
  const worst = isFirst ? fault : state.fault
  const isRewinding = state.phase === 'draining' && state.afterDraining === 'loading'
  return { ...state, fault: worst, ...(isRewinding ? { afterDraining: 'failed' as const } : {}) }
}

/** After the end of a batch: phases that waited for it go on. */
function goOn(state: StreamState, nowMs: number): Step {
  switch (state.phase) {
    case 'draining':
      return drained(state)
    case 'blocked':
    case 'finishing':
      return next(state, nowMs)
    default:
      return stay(state)
  }
}

/** Begins the stage of one batch and the commit of the oldest, unless something failed. */
function beginBatchActions(state: StreamState): Step {
  if (state.fault !== undefined || state.phase === 'draining') return stay(state)
  const actions: BatchAction[] = []
  let { sealed } = state
  const begin = (
    batch: number,
    phase: 'staging' | 'committing',
    kind: 'stage' | 'commit',
  ): void => {
    sealed = sealed.map((each) => (each.batch === batch ? { ...each, phase } : each))
    actions.push({ kind, batch })
  }
  const oldest = sealed[0]
  if (oldest?.phase === 'staged') begin(oldest.batch, 'committing', 'commit')
  const unstaged = sealed.find(({ phase }) => phase === 'sealed')
  const isStaging = sealed.some(({ phase }) => phase === 'staging')
  if (unstaged !== undefined && !isStaging) begin(unstaged.batch, 'staging', 'stage')
  return { state: { ...state, sealed }, actions }
}

function isUnderWay({ phase }: SealedBatch): boolean {
  return phase === 'staging' || phase === 'committing' || phase === 'reporting'
}

function withPhase(state: StreamState, batch: number, phase: BatchPhase): StreamState {
  const sealed = state.sealed.map((each) => (each.batch === batch ? { ...each, phase } : each))
  return { ...state, sealed }
}

function without(state: StreamState, batch: number): StreamState {
  return { ...state, sealed: state.sealed.filter((each) => each.batch !== batch) }
}

function begin(state: StreamState, phase: Phase, action: ForegroundAction): Step {
  return { state: { ...state, phase }, actions: [action] }
}

/** Nothing is begun in the foreground until an event of a batch, or the request to stop. */
function rest(state: StreamState, phase: Phase): Step {
  return { state: { ...state, phase }, actions: [] }
}

function stay(state: StreamState): Step {
  return { state, actions: [] }
}

function unexpected(state: StreamState, event: StreamEvent): Error {
  return new Error(`assertion failed: event ${event.kind} in phase ${state.phase}`)
}
