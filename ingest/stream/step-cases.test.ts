import { describe, expect, it } from 'vitest'
import {
  batch,
  events,
  fault,
  nowMs,
  open,
  outcome,
  polled,
  rules,
  stateIn,
} from '../../tests/support/stream-states.ts'
import { rewindsMax, step } from './step.ts'
import type {
  FaultKind,
  OpenFigures,
  Phase,
  SampleFigures,
  StepRules,
  StreamEvent,
  StreamState,
} from './stream-state.ts'

interface Case {
  readonly name: string
  readonly state: StreamState
  readonly event: StreamEvent
  readonly expected: `${Phase}:${string}`
}

const withRules = (changes: Partial<StepRules>): { readonly rules: StepRules } => ({
  rules: { ...rules, ...changes },
})
const decoded = (figures: Partial<OpenFigures>): StreamEvent => ({
  kind: 'decoded',
  open: { ...open, ...figures },
})
const stopping = { isStopRequested: true } as const
const batchFault = (kind: FaultKind): StreamEvent => ({
  kind: 'batch-fault',
  batch: 1,
  fault: fault(kind),
})
const faultEvent = (kind: FaultKind): StreamEvent => ({ kind: 'fault', fault: fault(kind) })
const full = [batch('committing', 1), batch('staged', 2)]

const ready: readonly Case[] = [
  {
    name: 'enough records',
    state: stateIn('decoding', { unread: 2 }),
    event: decoded({ records: 1000 }),
    expected: 'sealing: seal',
  },
  {
    name: 'enough bytes',
    state: stateIn('decoding'),
    event: decoded({ bytes: 1_000_000 }),
    expected: 'sealing: seal',
  },
  {
    name: 'the whole memory budget',
    state: stateIn('decoding', withRules({ memoryBytesMax: 500 })),
    event: decoded({ bytes: 500 }),
    expected: 'sealing: seal',
  },
  {
    name: 'the commit interval, although nothing came',
    state: stateIn('reading'),
    event: polled({ batches: 0, open: { ...open, sinceMs: nowMs - 10_000 } }),
    expected: 'sealing: seal',
  },
  {
    name: 'records that wait for a column go first',
    state: stateIn('decoding'),
    event: decoded({ records: 1000, waiting: 1 }),
    expected: 'evolving: evolve',
  },
  {
    name: 'many that wait for a column do not wait for the flush',
    state: stateIn('decoding', { unread: 2 }),
    event: decoded({ waiting: 1001, isWaitingLong: true }),
    expected: 'evolving: evolve',
  },
  {
    name: 'records at hand are decoded before the next poll',
    state: stateIn('decoding', { unread: 2 }),
    event: decoded({}),
    expected: 'decoding: decode',
  },
]

const room: readonly Case[] = [
  {
    name: 'two batches are under way',
    state: stateIn('decoding', { sealed: full }),
    event: decoded({}),
    expected: 'blocked:',
  },
  {
    name: 'one batch and the open one exceed the memory budget',
    state: stateIn('decoding', { sealed: [{ batch: 1, bytes: 1_500_000, phase: 'staging' }] }),
    event: decoded({ bytes: 600_000 }),
    expected: 'blocked:',
  },
  {
    name: 'queries see what was read before the stream waits',
    state: stateIn('decoding', { sealed: full }),
    event: decoded({ publishInMs: 400 }),
    expected: 'publishing: publish',
  },
  {
    name: 'there is none until a batch is done',
    state: stateIn('blocked', { sealed: [...full, batch('sealed', 3)] }),
    event: { kind: 'committed', batch: 1 },
    expected: 'blocked: stage 3, report 1',
  },
]

const publishing: readonly Case[] = [
  {
    name: 'when the interval has passed',
    state: stateIn('decoding'),
    event: decoded({ publishInMs: 0 }),
    expected: 'publishing: publish',
  },
  {
    name: 'not before',
    state: stateIn('decoding'),
    event: decoded({ publishInMs: 1 }),
    expected: 'reading: poll',
  },
  {
    name: 'records that wait for a column get it first',
    state: stateIn('decoding'),
    event: decoded({ publishInMs: 0, waiting: 3 }),
    expected: 'evolving: evolve',
  },
]

const sampleOf = (
  records: number,
  bytes = 10,
  state: SampleFigures['state'] = 'usable',
): StreamEvent => polled({ sample: { records, bytes, state }, open: undefined })
const atEnd = (state: SampleFigures['state']): StreamEvent =>
  polled({ sample: { records: 1, bytes: 1, state }, isAtEnd: true, open: undefined })
const latest = withRules({ until: 'latest' })
const waited = {
  sample: { records: 1, bytes: 1, state: 'usable', usableSinceMs: nowMs - 2_000 },
} as const

const sampling: readonly Case[] = [
  {
    name: 'enough records',
    state: stateIn('sampling'),
    event: sampleOf(100),
    expected: 'creating: create',
  },
  {
    name: 'enough bytes',
    state: stateIn('sampling'),
    event: sampleOf(1, 32 << 20),
    expected: 'creating: create',
  },
  {
    name: 'time enough since it could decide',
    state: stateIn('sampling', waited),
    event: sampleOf(1),
    expected: 'creating: create',
  },
  {
    name: 'the end of the log, where the run ends there',
    state: stateIn('sampling', latest),
    event: atEnd('usable'),
    expected: 'creating: create',
  },
  {
    name: 'not the end of a log that goes on',
    state: stateIn('sampling'),
    event: atEnd('usable'),
    expected: 'sampling: poll',
  },
  {
    name: 'what it lacks may come later',
    state: stateIn('sampling', waited),
    event: sampleOf(50, 10, 'waits'),
    expected: 'sampling: poll',
  },
  {
    name: 'what does not fit may change',
    state: stateIn('sampling', waited),
    event: sampleOf(50, 10, 'unfit'),
    expected: 'sampling: poll',
  },
  {
    name: 'a full sample decides, whatever it lacks',
    state: stateIn('sampling'),
    event: sampleOf(100, 10, 'waits'),
    expected: 'creating: create',
  },
  {
    name: 'a sample that lacks something at the end leaves it to the next run',
    state: stateIn('sampling', latest),
    event: atEnd('waits'),
    expected: 'stopped:',
  },
  {
    name: 'a sample that does not fit at the end is told by the table that cannot be made',
    state: stateIn('sampling', latest),
    event: atEnd('unfit'),
    expected: 'creating: create',
  },
  {
    name: 'a stop does not make a table of a sample that lacks something',
    state: stateIn('sampling', stopping),
    event: sampleOf(1, 10, 'waits'),
    expected: 'stopped:',
  },
  {
    name: 'a request to stop',
    state: stateIn('sampling', stopping),
    event: sampleOf(1),
    expected: 'creating: create',
  },
  {
    name: 'no record at all makes no table',
    state: stateIn('sampling', stopping),
    event: sampleOf(0),
    expected: 'stopped:',
  },
]

const ends: readonly Case[] = [
  {
    name: 'at the end of the log the open batch is sealed',
    state: stateIn('decoding', { ...withRules({ until: 'latest' }), isAtEnd: true }),
    event: decoded({}),
    expected: 'sealing: seal',
  },
  {
    name: 'and committed',
    state: stateIn('sealing', { ...withRules({ until: 'latest' }), isAtEnd: true }),
    event: { kind: 'sealed', batch: 7, bytes: 10 },
    expected: 'finishing: stage 7',
  },
  {
    name: 'before it stops',
    state: stateIn('finishing', { ...stopping, sealed: [batch('reporting')] }),
    event: { kind: 'reported', batch: 1 },
    expected: 'stopped:',
  },
  {
    name: 'with nothing to read it stops at once',
    state: stateIn('seeking', withRules({ until: 'latest' })),
    event: { kind: 'sought', isAtEnd: true },
    expected: 'stopped:',
  },
  {
    name: 'a stream that runs until it is stopped goes on at the end of the log',
    state: stateIn('reading', { open: undefined }),
    event: polled({ batches: 0, isAtEnd: true, open: undefined }),
    expected: 'reading: poll',
  },
  {
    name: 'a poll ended by the request to stop is no failure',
    state: stateIn('reading', stopping),
    event: faultEvent('aborted'),
    expected: 'sealing: seal',
  },
  {
    name: 'a log that fails then, neither',
    state: stateIn('reading', stopping),
    event: faultEvent('unavailable'),
    expected: 'sealing: seal',
  },
  {
    name: 'a batch that cannot be closed then is one',
    state: stateIn('sealing', stopping),
    event: faultEvent('unavailable'),
    expected: 'failed:',
  },
  {
    name: 'a commit that fails then, too',
    state: stateIn('finishing', { ...stopping, sealed: [batch('committing')] }),
    event: batchFault('unavailable'),
    expected: 'failed:',
  },
  {
    name: 'unless another member of the group has taken over',
    state: stateIn('finishing', {
      ...stopping,
      ...withRules({ isShared: true }),
      sealed: [batch('committing')],
    }),
    event: batchFault('conflict'),
    expected: 'stopped:',
  },
  {
    name: 'or a person has set the offsets, from which the next start goes on',
    state: stateIn('finishing', { ...stopping, sealed: [batch('committing')] }),
    event: batchFault('moved'),
    expected: 'stopped:',
  },
  {
    name: 'a request to stop ends the wait after a failure',
    state: stateIn('backing-off', { ...stopping, open: undefined }),
    event: faultEvent('aborted'),
    expected: 'stopped:',
  },
]

const faults: readonly Case[] = [
  {
    name: 'nothing answers before the stream has begun',
    state: stateIn('loading', { hasBegun: false }),
    event: faultEvent('unavailable'),
    expected: 'failed:',
  },
  {
    name: 'a bad record under errors.tolerance none',
    state: stateIn('decoding'),
    event: faultEvent('fatal'),
    expected: 'failed:',
  },
  {
    name: 'damage in the log: what was read before is committed first',
    state: stateIn('reading'),
    event: faultEvent('log-unreadable'),
    expected: 'sealing: seal',
  },
  {
    name: 'and so is a sample, for which the table is made',
    state: stateIn('sampling', {
      sample: { records: 10, bytes: 10, state: 'usable', usableSinceMs: 900 },
    }),
    event: faultEvent('log-unreadable'),
    expected: 'creating: create',
  },
  {
    name: 'damage behind which nothing was read',
    state: stateIn('sampling'),
    event: faultEvent('log-unreadable'),
    expected: 'failed:',
  },
  {
    name: 'the last batch before the damage is committed',
    state: stateIn('finishing', {
      logFault: fault('log-unreadable'),
      sealed: [batch('reporting')],
    }),
    event: { kind: 'reported', batch: 1 },
    expected: 'failed:',
  },
  {
    name: 'it awaits a commit under way, and gives up the batch behind it',
    state: stateIn('decoding', { sealed: full }),
    event: faultEvent('fatal'),
    expected: 'draining:',
  },
  {
    name: 'a lost race without a group',
    state: stateIn('blocked', { sealed: [batch('committing')] }),
    event: batchFault('conflict'),
    expected: 'failed:',
  },
  {
    name: 'a lost race in a group',
    state: stateIn('blocked', { ...withRules({ isShared: true }), sealed: [batch('committing')] }),
    event: batchFault('conflict'),
    expected: 'backing-off: back-off',
  },
  {
    name: 'offsets that a person has set, without a group too',
    state: stateIn('blocked', { sealed: [batch('committing')] }),
    event: batchFault('moved'),
    expected: 'backing-off: back-off',
  },
  {
    name: 'the same found by a look at the table',
    state: stateIn('reading'),
    event: faultEvent('moved'),
    expected: 'backing-off: back-off',
  },
  {
    name: 'a batch that failed while reading went on',
    state: stateIn('reading', { fault: fault('lost') }),
    event: polled(),
    expected: 'backing-off: back-off',
  },
  {
    name: 'one rewind too many',
    state: stateIn('reading', { rewinds: rewindsMax }),
    event: faultEvent('unavailable'),
    expected: 'failed:',
  },
  {
    name: 'a commit that fails for good while the stream waits to rewind',
    state: stateIn('draining', { sealed: [batch('committing')] }),
    event: batchFault('conflict'),
    expected: 'failed:',
  },
  {
    name: 'and while it backs off',
    state: stateIn('backing-off', { fault: fault('fatal') }),
    event: { kind: 'woke' },
    expected: 'failed:',
  },
  {
    name: 'a new assignment awaits the commit under way',
    state: stateIn('reading', { sealed: full }),
    event: { kind: 'assigned' },
    expected: 'draining:',
  },
  {
    name: 'a new assignment does not make a commit that failed for good undone',
    state: stateIn('reading', { fault: fault('fatal') }),
    event: { kind: 'assigned' },
    expected: 'failed:',
  },
  {
    name: 'nor does a request to stop in between',
    state: stateIn('reading', { ...stopping, fault: fault('fatal') }),
    event: { kind: 'assigned' },
    expected: 'failed:',
  },
  {
    name: 'a new assignment loads the table as a rewind would',
    state: stateIn('reading', { fault: fault('lost') }),
    event: { kind: 'assigned' },
    expected: 'loading: load',
  },
  {
    name: 'a commit that fails while a new assignment waits and the stream is to stop',
    state: stateIn('draining', { ...stopping, sealed: [batch('committing')] }),
    event: batchFault('unavailable'),
    expected: 'failed:',
  },
  {
    name: 'unless its partitions have moved to another member',
    state: stateIn('draining', {
      ...stopping,
      ...withRules({ isShared: true }),
      sealed: [batch('committing')],
    }),
    event: batchFault('conflict'),
    expected: 'stopped:',
  },
  {
    name: 'a batch staged while draining is not committed',
    state: stateIn('draining', { sealed: [batch('reporting', 1), batch('staging', 2)] }),
    event: { kind: 'staged', batch: 2 },
    expected: 'draining:',
  },
]

describe.each([
  ['seals a batch that is ready', ready],
  ['reads only while there is room', room],
  ['publishes to queries', publishing],
  ['creates the table from a sample', sampling],
  ['[E7] ends', ends],
  ['[E8] meets a failure', faults],
])('step() %s', (_, cases) => {
  it.each(cases)('$name', ({ state, event, expected }) => {
    expect(outcome(state, event)).toBe(expected)
  })
})

describe('step() remembers', () => {
  it('[E8] nothing of what is not committed when it loads the table', () => {
    const state = stateIn('reading', { unread: 0, rewinds: 3 })
    const { state: after } = step(state, { kind: 'assigned' }, nowMs)
    expect(after).toMatchObject({ open: undefined, sealed: [], unread: 0, fault: undefined })
  })

  it('[E7] the first failure of a batch, unless a later one is worse', () => {
    const sealed = [batch('committing', 1), batch('staging', 2)]
    const first = step(
      stateIn('reading', { sealed }),
      { kind: 'batch-fault', batch: 2, fault: fault('unavailable') },
      nowMs,
    )
    expect(first.state.fault?.kind).toBe('unavailable')
    const again = step(first.state, batchFault('lost'), nowMs)
    expect(again.state.fault?.kind).toBe('unavailable')
    const worse = step(first.state, batchFault('conflict'), nowMs)
    expect(worse.state.fault?.kind).toBe('conflict')
  })

  it('rewinds since the last commit only', () => {
    const state = stateIn('reading', { rewinds: 5, sealed: [batch('committing')] })
    expect(step(state, { kind: 'committed', batch: 1 }, nowMs).state.rewinds).toBe(0)
    expect(step(state, events.fault, nowMs).state.rewinds).toBe(6)
  })

  it('when it measured the lag', () => {
    const state = stateIn('reading', { lagMeasuredMs: nowMs - 5_000, open: undefined })
    const { state: after, actions } = step(state, polled({ batches: 0, open: undefined }), nowMs)
    expect(actions).toEqual([{ kind: 'poll', measuresLag: true }])
    expect(step(after, polled({ batches: 0, open: undefined }), nowMs + 10).actions).toEqual([
      { kind: 'poll', measuresLag: false },
    ])
  })
})
