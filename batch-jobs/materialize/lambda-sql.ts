/**
 * The lambda view of an incremental model: its finished intervals come from its table, all others from the
 * model's own query over the sources, and both read the same pinned tables (docs/spec/batch-jobs.md, B11).
 */
import type { TableIdentifier } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import { freshSpans } from '../intervals/freshness.ts'
import { alignOut, coarsen, floorTo, type Span, subtract } from '../intervals/interval.ts'
import { stalenessOf, timedTables } from '../intervals/staleness.ts'
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
  /** All tables of the view are loaded from here, so that both parts read one state. */
  readonly pins: Pick<PinnedTables, 'load'>
  /** Event times of the sources' streaming rows, which no snapshot has yet: their intervals are not finished. */
  readonly streamingTimes?: readonly Span[]
}

export interface LambdaView {
  /** A query that stands for the model. */
  readonly sql: string
  /** The spans that come from the model's table, and those that are computed from its sources. */
  readonly finished: readonly Span[]
  readonly computed: readonly Span[]
}

/** With more spans than this, the narrowest finished gaps between them are computed too. */
const computedSpansMax = 8

export async function lambdaView(
  source: ChangeSource,
  { rendering, model, pins, streamingTimes = [] }: LambdaRequest,
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
  const staleness = await stalenessOf(source, timed, state)
  const unit = config.batchSize
  const streaming = streamingTimes.map((span) => alignOut(unit, span))
  const whole = [{ startMs: floorTo(unit, config.beginMs), endMs: Number.POSITIVE_INFINITY }]
  const computed = coarsen(
    subtract(whole, subtract(freshSpans(unit, staleness), streaming)),
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
