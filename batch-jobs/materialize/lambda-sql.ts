/**
 * The lambda view of an incremental model: its finished intervals from its table, all others by the
 * model's own query over the sources, both from the same pinned tables (docs/spec/batch-jobs.md, B11).
 */
import type { TableIdentifier } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import { freshSpans } from '../intervals/freshness.ts'
import { alignOut, coarsen, floorTo, type Span, subtract } from '../intervals/interval.ts'
import { judgeSpans, timedTables } from '../intervals/staleness.ts'
import { modelStateOf } from '../intervals/model-state.ts'
import type { ChangeSource } from '../intervals/source-changes.ts'
import type { Model } from '../project/model.ts'
import { quoteTable } from '../../sql/index.ts'
import { timeCondition } from './insert-intervals.ts'
import type { PinnedTables } from './pinned-tables.ts'
import { type Rendering, renderTemplate } from './render-model.ts'

export interface LambdaRequest {
  readonly rendering: Rendering
  readonly model: Model
  /** Every table that the view reads is loaded from here, so that both sides see one state. */
  readonly pins: Pick<PinnedTables, 'load'>
  /** Times of rows of the sources that no snapshot has yet: their intervals are not finished. */
  readonly liveTimes?: readonly Span[]
}

export interface LambdaView {
  /** A query that stands for the model. */
  readonly sql: string
  /** What comes from the model's table, and what is computed from its sources. */
  readonly finished: readonly Span[]
  readonly computed: readonly Span[]
}

/** Above this the narrowest finished gaps between unfinished intervals are computed again too. */
const computedSpansMax = 8

export async function lambdaView(
  source: ChangeSource,
  { rendering, model, pins, liveTimes = [] }: LambdaRequest,
): Promise<LambdaView> {
  const config = model.config.intervals
  if (config === undefined) {
    throw new ValidationError(`${model.file}: a lambda view needs event_time, batch_size and begin`)
  }
  const load = (identifier: TableIdentifier): ReturnType<PinnedTables['load']> =>
    pins.load(identifier)
  const table = await load(model.table)
  const timed = await timedTables(rendering.project, model, load)
  const state = table === undefined ? undefined : modelStateOf(table.metadata)
  const judged = await judgeSpans(source, timed, state)
  const unit = config.batchSize
  const live = liveTimes.map((span) => alignOut(unit, span))
  const whole = [{ startMs: floorTo(unit, config.beginMs), endMs: Number.POSITIVE_INFINITY }]
  const computed = coarsen(
    subtract(whole, subtract(freshSpans(unit, judged), live)),
    computedSpansMax,
  )
  const finished = subtract(whole, computed)
  const parts = computed.map((span) => {
    const words = { table: model.table, isIncremental: table !== undefined, span }
    const sql = renderTemplate(rendering, model.template, words)
    return `SELECT * FROM (${sql}\n) AS model_rows WHERE ${timeCondition(config.eventTime, span)}`
  })
  if (finished.length > 0) {
    const times = finished.map((span) => `(${timeCondition(config.eventTime, span)})`)
    parts.unshift(`SELECT * FROM ${quoteTable(model.table)} WHERE ${times.join(' OR ')}`)
  }
  return { sql: parts.join('\nUNION ALL BY NAME\n'), finished, computed }
}
