/** The words of `step.ts`: what a running stream remembers, what happens to it, and what it can do. */

import type { SampleState } from '../schema/sample-state.ts'

/** What the stream does in the foreground, one thing at a time; sealed batches go on beside it. */
export type Phase =
  /** Nothing was begun yet. */
  | 'starting'
  /** The table is being loaded. */
  | 'loading'
  /** The source is being moved to the offsets that the table holds. */
  | 'seeking'
  /** A poll is under way, and its records are kept as a sample because there is no table yet. */
  | 'sampling'
  /** The table is being created from the sample. */
  | 'creating'
  /** A poll is under way. */
  | 'reading'
  /** Records are being decoded into the open batch. */
  | 'decoding'
  /** The schema is being evolved for the records that wait for new columns. */
  | 'evolving'
  /** The open batch is being spooled so that queries see its rows. */
  | 'publishing'
  /** The open batch is being closed. */
  | 'sealing'
  /** Nothing is read until a sealed batch is done: too many, or too many bytes, are under way. */
  | 'blocked'
  /** A wait after a failure, before the stream rewinds to its table. */
  | 'backing-off'
  /** Work under way is awaited before everything that is not committed is thrown away. */
  | 'draining'
  /** Everything was read; the last batches are being committed. */
  | 'finishing'
  | 'stopped'
  | 'failed'

/** What decides how a failure is met. */
export type FaultKind =
  /** Another sink committed these offsets first. */
  | 'conflict'
  /** A person has set the stream's offsets: it goes on from them. */
  | 'moved'
  /** The outcome of a commit is not known. */
  | 'unknown'
  /** A commit lost against a change of the table. */
  | 'lost'
  /** The log, the store or the catalog does not answer. */
  | 'unavailable'
  /** The log cannot be read beyond here (damage, retention, an unknown format); what it gave before is whole. */
  | 'log-unreadable'
  /** A wait was ended by the request to stop. */
  | 'aborted'
  /** Nothing that reading again would mend, such as a bad record under `errors.tolerance: none`. */
  | 'fatal'

export interface Fault {
  readonly kind: FaultKind
  readonly error: unknown
}

/** What does not change during a run. */
export interface StepRules {
  /** `latest`: the run ends once everything that stood in the log at the start is committed. */
  readonly until: 'latest' | 'stopped'
  /** True when members of a consumer group share the partitions. */
  readonly isShared: boolean
  readonly sampleRecordsMax: number
  readonly sampleBytesMax: number
  /** How long a sample that could decide the columns waits for more records. */
  readonly sampleWaitMs: number
  readonly commitIntervalMs: number
  readonly commitBytesMax: number
  readonly commitRecordsMax: number
  readonly memoryBytesMax: number
}

/** The open batch, as far as decisions look at it. */
export interface OpenFigures {
  readonly records: number
  readonly bytes: number
  readonly sinceMs: number
  /** True while no position moved: there is nothing to commit. */
  readonly isEmpty: boolean
  /** Records that name a column which the table lacks. */
  readonly waiting: number
  /** True when so many wait that the schema should be evolved now. */
  readonly isWaitingLong: boolean
  /** How long until queries should see what was decoded; undefined when they see all of it. */
  readonly publishInMs: number | undefined
}

export interface SampleFigures {
  readonly records: number
  readonly bytes: number
  readonly state: SampleState['kind']
}

/** The way of a sealed batch. */
export type BatchPhase = 'sealed' | 'staging' | 'staged' | 'committing' | 'reporting'

export interface SealedBatch {
  readonly batch: number
  readonly bytes: number
  readonly phase: BatchPhase
}

export interface StreamState {
  readonly rules: StepRules
  readonly phase: Phase
  /** False until partitions were assigned and the table was loaded: failures before that end the run. */
  readonly hasBegun: boolean
  readonly hasTable: boolean
  readonly isStopRequested: boolean
  /** Everything that stood in the log at the start has been read. */
  readonly isAtEnd: boolean
  /** Record batches at hand that are not decoded yet. */
  readonly unread: number
  /** `usableSinceMs`: undefined until it could decide the columns. */
  readonly sample: (SampleFigures & { readonly usableSinceMs: number | undefined }) | undefined
  readonly open: OpenFigures | undefined
  /** Not done yet, oldest first. */
  readonly sealed: readonly SealedBatch[]
  /** The failure that ends the run, or that of a sealed batch, behind which nothing may commit. */
  readonly fault: Fault | undefined
  /** Why the log cannot be read any further: the run ends with it when everything before is committed. */
  readonly logFault: Fault | undefined
  /** Rewinds since the last commit. */
  readonly rewinds: number
  readonly lagMeasuredMs: number
  /** What follows `draining`. */
  readonly afterDraining: 'loading' | 'stopped' | 'failed'
}

/** The end of the foreground action under way. */
export type ForegroundEvent =
  /** The source is connected. */
  | { readonly kind: 'started' }
  /** A poll brought a new assignment: earlier positions are void. */
  | { readonly kind: 'assigned' }
  | { readonly kind: 'loaded'; readonly hasTable: boolean }
  | { readonly kind: 'sought'; readonly isAtEnd: boolean }
  | {
      readonly kind: 'polled'
      readonly batches: number
      readonly isAtEnd: boolean
      /** All that is kept so far, while there is no table. */
      readonly sample: SampleFigures
      readonly open: OpenFigures | undefined
    }
  | { readonly kind: 'created'; readonly batches: number }
  | { readonly kind: 'decoded'; readonly open: OpenFigures }
  /** The table's columns are others than those of the open batch, which cannot take these records. */
  | { readonly kind: 'columns-changed' }
  | { readonly kind: 'evolved'; readonly open: OpenFigures }
  | { readonly kind: 'published'; readonly open: OpenFigures }
  | { readonly kind: 'sealed'; readonly batch: number; readonly bytes: number }
  | { readonly kind: 'woke' }
  | { readonly kind: 'fault'; readonly fault: Fault }

export type BatchEvent =
  | { readonly kind: 'staged'; readonly batch: number }
  | { readonly kind: 'committed'; readonly batch: number }
  | { readonly kind: 'reported'; readonly batch: number }
  | { readonly kind: 'batch-fault'; readonly batch: number; readonly fault: Fault }

export type StreamEvent = ForegroundEvent | BatchEvent | { readonly kind: 'stop' }

export type ForegroundAction =
  /** Throws away what is not committed, then loads the table. */
  | { readonly kind: 'load' }
  | { readonly kind: 'seek' }
  | { readonly kind: 'poll'; readonly measuresLag: boolean }
  | { readonly kind: 'create' }
  | { readonly kind: 'decode' }
  | { readonly kind: 'evolve' }
  | { readonly kind: 'publish' }
  | { readonly kind: 'seal' }
  | { readonly kind: 'back-off'; readonly rewinds: number; readonly error: unknown }

export type BatchAction =
  /** Writes the batch's data files and uploads them. */
  | { readonly kind: 'stage'; readonly batch: number }
  /** Commits its dead letters, then its rows and offsets. */
  | { readonly kind: 'commit'; readonly batch: number }
  /** Tells the log how far the table has come, and lets the batch go. */
  | { readonly kind: 'report'; readonly batch: number }

export type StreamAction = ForegroundAction | BatchAction

export interface Step {
  readonly state: StreamState
  readonly actions: readonly StreamAction[]
}

export function startingState(rules: StepRules): StreamState {
  return {
    rules,
    phase: 'starting',
    hasBegun: false,
    hasTable: false,
    isStopRequested: false,
    isAtEnd: false,
    unread: 0,
    sample: undefined,
    open: undefined,
    sealed: [],
    fault: undefined,
    logFault: undefined,
    rewinds: 0,
    lagMeasuredMs: Number.NEGATIVE_INFINITY,
    afterDraining: 'loading',
  }
}
