/**
 * Which intervals of a model are computed and still correct, and which are due: pure arithmetic over what
 * the table records and what has changed in its sources since (docs/spec/batch-jobs.md, B3, B4).
 */
import type { IntervalConfig } from '../settings/model-settings.ts'
import {
  alignOut,
  ceilTo,
  floorTo,
  intersect,
  shift,
  type Span,
  subtract,
  union,
} from './interval.ts'
import { type DoneSpan, sameSources, type SourceStates } from './model-state.ts'

/** A done span, with the event times at which its sources gained or lost rows since it was computed. */
export interface SpanStaleness extends DoneSpan {
  readonly changed: readonly Span[] | 'unknown'
}

/** The parts of the spans whose sources have not changed for their times. */
export function freshSpans(
  unit: IntervalConfig['batchSize'],
  staleness: readonly SpanStaleness[],
): readonly Span[] {
  return union(
    staleness.flatMap((span) => {
      if (span.changed === 'unknown') return []
      return subtract(
        [span],
        span.changed.map((each) => alignOut(unit, each)),
      )
    }),
  )
}

export interface DueRequest {
  readonly config: IntervalConfig
  readonly staleness: readonly SpanStaleness[]
  readonly nowMs: number
  /** True when any source has another state than at the last run. */
  readonly isAnyChanged: boolean
  /** Computes exactly these times, fresh ones included. */
  readonly window?: { readonly startMs?: number; readonly endMs?: number }
  readonly fullRefresh?: boolean
}

/** Whole intervals from `begin` to now that are missing, stale, within the lookback, or requested. */
export function dueSpans(request: DueRequest): readonly Span[] {
  const { config, staleness, nowMs, window } = request
  const unit = config.batchSize
  const horizon: Span = {
    startMs: floorTo(unit, config.beginMs),
    endMs: config.allowPartials ? shift(unit, floorTo(unit, nowMs), 1) : floorTo(unit, nowMs),
  }
  if (horizon.endMs <= horizon.startMs) return []
  if (window !== undefined) {
    const startMs = floorTo(unit, window.startMs ?? horizon.startMs)
    const endMs = ceilTo(unit, window.endMs ?? horizon.endMs)
    return intersect([horizon], [{ startMs, endMs }])
  }
  if (request.fullRefresh === true) return [horizon]
  const missing = subtract([horizon], freshSpans(unit, staleness))
  if (!request.isAnyChanged || config.lookback === 0) return missing
  const current = floorTo(unit, nowMs)
  const lookback = { startMs: shift(unit, current, -config.lookback), endMs: horizon.endMs }
  return union([...missing, ...intersect([horizon], [lookback])])
}

/** The span that the first run of a model computes; the first interval when nothing is due yet. */
export function firstSpan(config: IntervalConfig, nowMs: number): Span {
  const [due] = dueSpans({ config, staleness: [], nowMs, isAnyChanged: true })
  const startMs = floorTo(config.batchSize, config.beginMs)
  return due ?? { startMs, endMs: shift(config.batchSize, startMs, 1) }
}

/**
 * The done spans after a run that computed `computed` from `sources`. Fresh spans count as computed from
 * `sources` too, so that adjacent spans merge and the list stays short.
 */
export function doneAfter(
  unit: IntervalConfig['batchSize'],
  staleness: readonly SpanStaleness[],
  computed: readonly Span[],
  sources: SourceStates,
): readonly DoneSpan[] {
  const current = union([...freshSpans(unit, staleness), ...computed])
  const stale = staleness.flatMap((span) =>
    subtract([span], current).map((rest): DoneSpan => ({ ...rest, sources: span.sources })),
  )
  const all: DoneSpan[] = [...current.map((span) => ({ ...span, sources })), ...stale]
  return joined(all.sort((a, b) => a.startMs - b.startMs))
}

function joined(spans: readonly DoneSpan[]): readonly DoneSpan[] {
  const result: DoneSpan[] = []
  for (const { startMs, endMs, sources } of spans) {
    const last = result.at(-1)
    const continues = last?.endMs === startMs && sameSources(last.sources, sources)
    if (continues && last !== undefined) result[result.length - 1] = { ...last, endMs }
    else result.push({ startMs, endMs, sources })
  }
  return result
}
