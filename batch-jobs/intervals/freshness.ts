/**
 * Which intervals of a model are done and still true, and which are to be computed: pure arithmetic
 * over what the table states and what changed in its sources since (docs/spec/batch-jobs.md, B3, B4).
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

/** A span that is done, and when rows came or went in its sources since it was computed. */
export interface JudgedSpan extends DoneSpan {
  readonly changed: readonly Span[] | 'unknown'
}

/** The parts of the spans whose sources have not changed for their times. */
export function freshSpans(
  unit: IntervalConfig['batchSize'],
  judged: readonly JudgedSpan[],
): readonly Span[] {
  return union(
    judged.flatMap((span) => {
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
  readonly judged: readonly JudgedSpan[]
  readonly nowMs: number
  /** Whether any source at all is another than at the last run. */
  readonly isAnyChanged: boolean
  /** Only these times, and all of them whether fresh or not. */
  readonly window?: { readonly startMs?: number; readonly endMs?: number }
  readonly fullRefresh?: boolean
}

/** Whole intervals from `begin` to now that are missing, stale, looked back at, or asked for. */
export function dueSpans(request: DueRequest): readonly Span[] {
  const { config, judged, nowMs, window } = request
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
  const missing = subtract([horizon], freshSpans(unit, judged))
  if (!request.isAnyChanged || config.lookback === 0) return missing
  const current = floorTo(unit, nowMs)
  const lookback = { startMs: shift(unit, current, -config.lookback), endMs: horizon.endMs }
  return union([...missing, ...intersect([horizon], [lookback])])
}

/** What the first run of a model is given at once; before anything is due, the first interval. */
export function firstSpan(config: IntervalConfig, nowMs: number): Span {
  const [due] = dueSpans({ config, judged: [], nowMs, isAnyChanged: true })
  const startMs = floorTo(config.batchSize, config.beginMs)
  return due ?? { startMs, endMs: shift(config.batchSize, startMs, 1) }
}

/**
 * What is done after a run that computed `computed` from `sources`. What was fresh is as good as
 * computed from them too, so the list stays as short as there are kinds of stale intervals.
 */
export function doneAfter(
  unit: IntervalConfig['batchSize'],
  judged: readonly JudgedSpan[],
  computed: readonly Span[],
  sources: SourceStates,
): readonly DoneSpan[] {
  const current = union([...freshSpans(unit, judged), ...computed])
  const stale = judged.flatMap((span) =>
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
