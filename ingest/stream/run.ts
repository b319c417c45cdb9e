/**
 * Runs one stream: does the actions that `step.ts` decides on, until it is at its end. `stream-actions.ts` says how
 * each is done.
 */
import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Clock } from '../../common/index.ts'
import { sampleBytesMax } from '../decode/row-decoder.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { openSpoolDirectory } from '../spool/spool-directory.ts'
import { StreamActions } from './stream-actions.ts'
import type { StreamIdentity } from './committer.ts'
import { EventQueue } from './event-queue.ts'
import { faultOf } from './fault.ts'
import { step } from './step.ts'
import type {
  StreamParts,
  StreamProgress,
  StreamRunOptions,
  StreamRunResult,
} from './stream-parts.ts'
import {
  startingState,
  type StepRules,
  type StreamAction,
  type StreamEvent,
  type StreamState,
} from './stream-state.ts'

/** Runs until the end that `options` names. Whatever stops it earlier is thrown; nothing is lost. */
export async function runStream(
  settings: StreamSettings,
  parts: StreamParts,
  options: StreamRunOptions,
): Promise<StreamRunResult> {
  const directory = await openSpoolDirectory(parts.workDirectory)
  try {
    parts.streaming?.begin(directory)
    options.onProgress?.(nothingYet)
    await parts.source.start()
    const identity = await identify(settings, parts)
    const rules = { ...rulesOf(settings), until: options.until }
    const { isShared } = rules
    const { signal, until } = options
    const actions = new StreamActions({
      settings,
      parts,
      identity,
      directory,
      isShared,
      until,
      signal,
    })
    return await new StreamRun(actions, rules, parts.clock, options).run()
  } finally {
    try {
      await parts.source.stop()
    } finally {
      await (parts.streaming?.end() ?? rm(directory, { recursive: true, force: true }))
    }
  }
}

const nothingYet: StreamProgress = {
  state: 'starting',
  recordsRead: 0,
  recordsCommitted: 0,
  rowsCommitted: 0,
  deadLetters: 0,
  recordsSkipped: 0,
  commits: 0,
  snapshotId: undefined,
  readLag: 0n,
  elapsedMs: 0,
}

async function identify(settings: StreamSettings, parts: StreamParts): Promise<StreamIdentity> {
  const topics = await parts.source.describeTopics()
  return {
    stream: settings.name,
    clusterId: await parts.source.clusterId(),
    topicIds: new Map(topics.map((topic) => [topic.topic, topic.topicId])),
    writerId: `${hostname()}/${process.pid}`,
  }
}

function rulesOf({
  input,
  schema,
  output,
  memoryBytesMax,
}: StreamSettings): Omit<StepRules, 'until'> {
  return {
    isShared: input.kind === 'kafka' && input.consumerGroup !== undefined,
    sampleRecordsMax: schema.sampleRecordsMax,
    sampleBytesMax: Math.min(sampleBytesMax, memoryBytesMax / 4),
    sampleWaitMs: schema.sampleWaitMs,
    commitIntervalMs: output.commitIntervalMs,
    commitBytesMax: output.commitBytesMax,
    commitRecordsMax: output.commitRecordsMax,
    memoryBytesMax,
  }
}

class StreamRun {
  readonly #actions: StreamActions
  readonly #clock: Clock
  readonly #options: StreamRunOptions
  readonly #startedMs: number
  readonly #events = new EventQueue<StreamEvent>()
  readonly #underWay = new Set<Promise<void>>()
  #state: StreamState

  constructor(actions: StreamActions, rules: StepRules, clock: Clock, options: StreamRunOptions) {
    this.#actions = actions
    this.#clock = clock
    this.#options = options
    this.#startedMs = clock.monotonic()
    this.#state = startingState(rules)
  }

  async run(): Promise<StreamRunResult> {
    const { signal } = this.#options
    const stop = (): void => this.#events.push({ kind: 'stop' })
    if (signal?.aborted === true) stop()
    signal?.addEventListener('abort', stop)
    try {
      this.#events.push({ kind: 'started' })
      while (this.#state.phase !== 'stopped' && this.#state.phase !== 'failed') {
        this.#take(await this.#events.next())
      }
    } finally {
      signal?.removeEventListener('abort', stop)
      // Files of work under way must outlive it.
      await Promise.allSettled(this.#underWay)
      await this.#actions.discard()
    }
    if (this.#state.phase === 'failed') throw this.#state.fault?.error
    const { state: _, ...result } = this.#progress('stopping')
    return result
  }

  #take(event: StreamEvent): void {
    const { state, actions } = step(this.#state, event, this.#clock.monotonic())
    this.#state = state
    for (const action of actions) this.#begin(action)
    const isPolling = actions.some(({ kind }) => kind === 'poll')
    if (isPolling && state.hasBegun) this.#tell(state.hasTable ? 'running' : 'sampling')
    else if (state.phase === 'finishing') this.#tell('stopping')
  }

  #begin(action: StreamAction): void {
    const ended = this.#actions.do(action).then(
      (event) => this.#events.push(event),
      (error: unknown) => {
        const fault = faultOf(error, action.kind, this.#options.signal)
        this.#events.push(
          'batch' in action
            ? { kind: 'batch-fault', batch: action.batch, fault }
            : { kind: 'fault', fault },
        )
      },
    )
    this.#underWay.add(ended)
    void ended.finally(() => this.#underWay.delete(ended))
  }

  #tell(state: StreamProgress['state']): void {
    this.#options.onProgress?.(this.#progress(state))
  }

  #progress(state: StreamProgress['state']): StreamProgress {
    return {
      state,
      ...this.#actions.progress,
      elapsedMs: this.#clock.monotonic() - this.#startedMs,
    }
  }
}
