/** States of a stream and what happens to it, for tests of `step`. */
import { step } from '../../ingest/stream/step.ts'
import {
  type BatchPhase,
  type FaultKind,
  type OpenFigures,
  type Phase,
  type SealedBatch,
  startingState,
  type StepRules,
  type StreamAction,
  type StreamEvent,
  type StreamState,
} from '../../ingest/stream/stream-state.ts'

export const rules: StepRules = {
  until: 'stopped',
  isShared: false,
  sampleRecordsMax: 100,
  sampleBytesMax: 32 << 20,
  sampleWaitMs: 2_000,
  commitIntervalMs: 10_000,
  commitBytesMax: 1_000_000,
  commitRecordsMax: 1000,
  memoryBytesMax: 2_000_000,
}
export const nowMs = 1_000

export const open: OpenFigures = {
  records: 10,
  bytes: 1_000,
  sinceMs: 900,
  isEmpty: false,
  waiting: 0,
  isWaitingLong: false,
  publishInMs: undefined,
}

export const batch = (phase: BatchPhase, number = 1): SealedBatch => ({
  batch: number,
  bytes: 10,
  phase,
})

/** A usual state in each phase. */
const usual: Readonly<Record<Phase, Partial<StreamState>>> = {
  starting: { hasBegun: false, hasTable: false },
  loading: {},
  seeking: {},
  sampling: { hasTable: false },
  creating: {
    hasTable: false,
    sample: { records: 10, bytes: 10, state: 'usable', usableSinceMs: 900 },
  },
  reading: { open },
  decoding: { open, unread: 1 },
  evolving: { open: { ...open, waiting: 5 } },
  publishing: { open: { ...open, publishInMs: 0 } },
  sealing: { open },
  blocked: { open },
  'backing-off': { open, rewinds: 1 },
  draining: { afterDraining: 'loading' },
  finishing: { isAtEnd: true, rules: { ...rules, until: 'latest' } },
  stopped: {},
  failed: {},
}

export function stateIn(phase: Phase, changes: Partial<StreamState> = {}): StreamState {
  return {
    ...startingState(rules),
    phase,
    hasBegun: true,
    hasTable: true,
    lagMeasuredMs: nowMs,
    ...usual[phase],
    ...changes,
  }
}

export const fault = (kind: FaultKind): { readonly kind: FaultKind; readonly error: unknown } => ({
  kind,
  error: new Error(kind),
})

export const polled = (
  changes: Partial<Extract<StreamEvent, { kind: 'polled' }>> = {},
): StreamEvent => ({
  kind: 'polled',
  batches: 1,
  isAtEnd: false,
  sample: { records: 10, bytes: 10, state: 'usable' },
  open,
  ...changes,
})

/** One of each kind. */
export const events: {
  readonly [Kind in StreamEvent['kind']]: Extract<StreamEvent, { kind: Kind }>
} = {
  started: { kind: 'started' },
  assigned: { kind: 'assigned' },
  loaded: { kind: 'loaded', hasTable: true },
  sought: { kind: 'sought', isAtEnd: false },
  polled: polled() as Extract<StreamEvent, { kind: 'polled' }>,
  created: { kind: 'created', batches: 1 },
  decoded: { kind: 'decoded', open },
  'columns-changed': { kind: 'columns-changed' },
  evolved: { kind: 'evolved', open },
  published: { kind: 'published', open },
  sealed: { kind: 'sealed', batch: 7, bytes: 10 },
  woke: { kind: 'woke' },
  fault: { kind: 'fault', fault: fault('unavailable') },
  stop: { kind: 'stop' },
  staged: { kind: 'staged', batch: 1 },
  committed: { kind: 'committed', batch: 1 },
  reported: { kind: 'reported', batch: 1 },
  'batch-fault': { kind: 'batch-fault', batch: 1, fault: fault('unknown') },
}

function wordOf(action: StreamAction): string {
  return 'batch' in action ? `${action.kind} ${action.batch}` : action.kind
}

export function outcome(state: StreamState, event: StreamEvent): string {
  const { state: after, actions } = step(state, event, nowMs)
  return `${after.phase}: ${actions.map(wordOf).join(', ')}`.trim()
}
