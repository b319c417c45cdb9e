/**
 * Runs models when their cron expression is due. A tick only wakes the scheduler; which models are due is
 * decided by the last run that their tables record, so a missed tick is caught up and a repeated one does
 * nothing (docs/spec/batch-jobs.md, B10).
 */
import { errorMessage } from '../../common/index.ts'
import { modelStateOf } from '../intervals/model-state.ts'
import type { BatchTools } from '../materialize/model-run.ts'
import type { Model, Project } from '../project/model.ts'
import { selectModels } from '../project/select.ts'
import { runProject, type RunOptions } from '../run/run-project.ts'
import type { RunResults } from '../run/run-results.ts'
import { hasTickBetween, startTicker, type Ticker } from '../project/cron.ts'

export interface SchedulerOptions
  extends Pick<RunOptions, 'select' | 'exclude' | 'threads' | 'vars' | 'environment' | 'onResult'> {
  /** Called after each round that ran anything. */
  readonly onRound?: (results: RunResults) => void
}

export class Scheduler {
  readonly #tools: BatchTools
  readonly #project: Project
  readonly #options: SchedulerOptions
  /** When this scheduler last ran each model, whether it succeeded or not. */
  readonly #lastRounds = new Map<string, number>()
  readonly #stopping = new AbortController()
  #tickers: readonly Ticker[] = []
  #round: Promise<void> | undefined
  #isRoundRequested = false

  constructor(tools: BatchTools, project: Project, options: SchedulerOptions = {}) {
    this.#tools = tools
    this.#project = project
    this.#options = options
  }

  /** The models that have a cron. */
  get models(): readonly Model[] {
    return this.#project.models.filter(({ config }) => config.cron !== undefined)
  }

  /** Starts the ticks and runs the models that are due already. */
  start(): void {
    const expressions = new Set(this.models.flatMap(({ config }) => config.cron ?? []))
    const warn = (reason: string): void =>
      this.#tools.logger.warn('schedule.tick-failed', { reason })
    this.#tickers = [...expressions].map((each) => startTicker(each, () => this.wake(), warn))
    this.wake()
  }

  /** Checks for due models soon; several calls at the same time count as one. */
  wake(): void {
    if (this.#stopping.signal.aborted) return
    this.#isRoundRequested = true
    this.#round ??= this.#rounds()
  }

  /** Stops the ticks and the current round: a query is interrupted, a commit that has begun is completed. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#tickers.map((ticker) => ticker.stop()))
    await this.#round
  }

  /** Runs the models that are due now, in the order of their dependencies. */
  async runDue(): Promise<RunResults | undefined> {
    const nowMs = this.#tools.clock.now()
    const { select = [], exclude = [] } = this.#options
    const due: Model[] = []
    for (const model of selectModels(this.#project.models, select, exclude)) {
      if (await this.#isDue(model, nowMs)) due.push(model)
    }
    if (due.length === 0) return undefined
    const { onRound: _, select: _select, exclude: _exclude, ...rest } = this.#options
    const results = await runProject(this.#tools, this.#project, {
      ...rest,
      verb: 'build',
      select: due.map(({ name }) => name),
      signal: this.#stopping.signal,
    })
    const stopped = this.#stopping.signal.aborted
    if (!stopped) for (const { name } of due) this.#lastRounds.set(name, nowMs)
    this.#options.onRound?.(results)
    return results
  }

  async #rounds(): Promise<void> {
    while (this.#isRoundRequested && !this.#stopping.signal.aborted) {
      this.#isRoundRequested = false
      try {
        await this.runDue()
      } catch (error) {
        // The models stay due, so the next tick tries again.
        this.#tools.logger.error('schedule.round-failed', { error: errorMessage(error) })
      }
    }
    this.#round = undefined
  }

  async #isDue({ name, config, table }: Model, nowMs: number): Promise<boolean> {
    const { cron } = config
    if (cron === undefined) return false
    const stored = await this.#lastRunMs(table)
    if (stored === undefined && !this.#lastRounds.has(name)) return true
    const lastMs = Math.max(stored ?? 0, this.#lastRounds.get(name) ?? 0)
    return hasTickBetween(cron, lastMs, nowMs)
  }

  async #lastRunMs(table: Model['table']): Promise<number | undefined> {
    try {
      const { metadata } = await this.#tools.catalog.loadTable(table)
      return modelStateOf(metadata)?.startedMs
    } catch {
      // The table is missing or cannot be read: the model's own run reports why, and only that run fails.
      return undefined
    }
  }
}
