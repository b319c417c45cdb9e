import { describe, expect, it } from 'vitest'
import { batch, events, nowMs, outcome, stateIn } from '../../tests/support/stream-states.ts'
import { step } from './step.ts'
import type { BatchPhase, Phase, StreamEvent } from './stream-state.ts'

const underWay: Partial<Record<StreamEvent['kind'], BatchPhase>> = {
  staged: 'staging',
  committed: 'committing',
  reported: 'reporting',
  'batch-fault': 'committing',
}

/** Nothing under way can cause the event. */
const no = 'impossible'
type Expected = typeof no | `${Phase}:${string}`
type Row = Readonly<Record<StreamEvent['kind'], Expected>>

const noBatches = { staged: no, committed: no, reported: no, 'batch-fault': no } as const
const noForeground = {
  started: no,
  assigned: no,
  loaded: no,
  sought: no,
  polled: no,
  created: no,
  decoded: no,
  'columns-changed': no,
  evolved: no,
  published: no,
  sealed: no,
  woke: no,
  fault: no,
} as const
const backsOff = { fault: 'backing-off: back-off' } as const

/** Batches go on while `phase` lasts. */
function batchesBeside<P extends Phase>(phase: P) {
  return {
    staged: `${phase}: commit 1`,
    committed: `${phase}: report 1`,
    reported: `${phase}:`,
    'batch-fault': `${phase}:`,
  } as const
}

/** Every phase meets every event: a missing cell does not compile. */
const transitions: Readonly<Record<Phase, Row>> = {
  starting: { ...noForeground, ...noBatches, started: 'sampling: poll', stop: 'starting:' },
  loading: {
    ...noForeground,
    ...noBatches,
    ...backsOff,
    loaded: 'seeking: seek',
    stop: 'loading:',
  },
  seeking: {
    ...noForeground,
    ...noBatches,
    ...backsOff,
    sought: 'reading: poll',
    stop: 'seeking:',
  },
  sampling: {
    ...noForeground,
    ...noBatches,
    ...backsOff,
    assigned: 'loading: load',
    polled: 'sampling: poll',
    stop: 'sampling:',
  },
  creating: {
    ...noForeground,
    ...noBatches,
    ...backsOff,
    created: 'decoding: decode',
    stop: 'creating:',
  },
  reading: {
    ...noForeground,
    ...batchesBeside('reading'),
    ...backsOff,
    assigned: 'loading: load',
    polled: 'decoding: decode',
    stop: 'reading:',
  },
  decoding: {
    ...noForeground,
    ...batchesBeside('decoding'),
    ...backsOff,
    decoded: 'reading: poll',
    'columns-changed': 'sealing: seal',
    stop: 'decoding:',
  },
  evolving: {
    ...noForeground,
    ...batchesBeside('evolving'),
    ...backsOff,
    evolved: 'reading: poll',
    stop: 'evolving:',
  },
  publishing: {
    ...noForeground,
    ...batchesBeside('publishing'),
    ...backsOff,
    published: 'reading: poll',
    stop: 'publishing:',
  },
  sealing: {
    ...noForeground,
    ...batchesBeside('sealing'),
    ...backsOff,
    sealed: 'reading: stage 7, poll',
    stop: 'sealing:',
  },
  blocked: {
    ...noForeground,
    ...batchesBeside('blocked'),
    reported: 'reading: poll',
    'batch-fault': 'backing-off: back-off',
    stop: 'sealing: seal',
  },
  'backing-off': {
    ...noForeground,
    ...batchesBeside('backing-off'),
    ...backsOff,
    woke: 'loading: load',
    stop: 'backing-off:',
  },
  draining: {
    ...noForeground,
    staged: 'loading: load',
    committed: 'draining: report 1',
    reported: 'loading: load',
    'batch-fault': 'loading: load',
    stop: 'draining:',
  },
  finishing: {
    ...noForeground,
    ...batchesBeside('finishing'),
    reported: 'stopped:',
    'batch-fault': 'backing-off: back-off',
    stop: 'finishing:',
  },
  stopped: { ...noForeground, ...noBatches, stop: 'stopped:' },
  failed: { ...noForeground, ...noBatches, stop: 'failed:' },
}

describe('step(): every phase and every event', () => {
  const phases = Object.entries(transitions) as [Phase, Row][]
  describe.each(phases)('%s', (phase, row) => {
    it.each(Object.entries(row) as [StreamEvent['kind'], Expected][])(
      '%s → %s',
      (kind, expected) => {
        const batchPhase = row.staged === no ? undefined : underWay[kind]
        const state = stateIn(phase, {
          sealed: batchPhase === undefined ? [] : [batch(batchPhase)],
          ...(phase === 'draining' && batchPhase === undefined
            ? { sealed: [batch('staging')] }
            : {}),
        })
        if (expected === no) {
          expect(() => step(state, events[kind], nowMs)).toThrow('assertion failed: event')
        } else expect(outcome(state, events[kind])).toBe(expected)
      },
    )
  })
})
