/**
 * Half-open spans of time in UTC, and the units of the calendar. One span stands for any number of adjacent
 * intervals, so that twenty years of hours cost no more than one hour.
 */
import type { BatchSize } from '../settings/model-settings.ts'

/** [startMs, endMs) in milliseconds since the epoch. */
export interface Span {
  readonly startMs: number
  readonly endMs: number
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** The start of the interval that `ms` lies in. */
export function floorTo(unit: BatchSize, ms: number): number {
  if (unit === 'hour') return Math.floor(ms / hourMs) * hourMs
  if (unit === 'day') return Math.floor(ms / dayMs) * dayMs
  const date = new Date(ms)
  const month = unit === 'year' ? 0 : date.getUTCMonth()
  return utc(date.getUTCFullYear(), month)
}

/** The start of the interval `count` after (before, when negative) the one that starts at `startMs`. */
export function shift(unit: BatchSize, startMs: number, count: number): number {
  if (unit === 'hour') return startMs + count * hourMs
  if (unit === 'day') return startMs + count * dayMs
  const date = new Date(startMs)
  return unit === 'year'
    ? utc(date.getUTCFullYear() + count, 0)
    : utc(date.getUTCFullYear(), date.getUTCMonth() + count)
}

export function ceilTo(unit: BatchSize, ms: number): number {
  const floor = floorTo(unit, ms)
  return floor === ms ? ms : shift(unit, floor, 1)
}

/** The whole intervals that `span` touches. */
export function alignOut(unit: BatchSize, span: Span): Span {
  return { startMs: floorTo(unit, span.startMs), endMs: ceilTo(unit, span.endMs) }
}

/** The spans sorted, without empty ones; touching and overlapping ones are joined. */
export function union(spans: readonly Span[]): readonly Span[] {
  const sorted = spans.filter(isNotEmpty).sort((a, b) => a.startMs - b.startMs)
  const joined: Span[] = []
  for (const span of sorted) {
    const last = joined.at(-1)
    if (last === undefined || span.startMs > last.endMs) joined.push(span)
    else joined[joined.length - 1] = { ...last, endMs: Math.max(last.endMs, span.endMs) }
  }
  return joined
}

/** The parts of `spans` that lie in none of `others`. */
export function subtract(spans: readonly Span[], others: readonly Span[]): readonly Span[] {
  let rest = union(spans)
  for (const other of union(others)) {
    rest = rest.flatMap((span) => {
      if (other.endMs <= span.startMs || other.startMs >= span.endMs) return [span]
      return [
        { startMs: span.startMs, endMs: other.startMs },
        { startMs: other.endMs, endMs: span.endMs },
      ].filter(isNotEmpty)
    })
  }
  return rest
}

/** The parts of `spans` that also lie in one of `others`. */
export function intersect(spans: readonly Span[], others: readonly Span[]): readonly Span[] {
  return subtract(spans, subtract(spans, others))
}

export function overlaps(spans: readonly Span[], { startMs, endMs }: Span): boolean {
  return startMs < endMs && spans.some((span) => span.startMs < endMs && span.endMs > startMs)
}

/** Whether every moment of the span lies in one of `spans`. */
export function covers(spans: readonly Span[], span: Span): boolean {
  return subtract([span], spans).length === 0
}

/** At most `count` spans that hold all of `spans`: the narrowest gaps are filled first. */
export function coarsen(spans: readonly Span[], count: number): readonly Span[] {
  let rest = union(spans)
  while (rest.length > Math.max(1, count)) {
    let narrowest = 1
    for (let index = 1; index < rest.length; index++) {
      if (gap(rest, index) < gap(rest, narrowest)) narrowest = index
    }
    const [left, right] = [rest[narrowest - 1], rest[narrowest]]
    if (left === undefined || right === undefined) return rest
    const joined = { startMs: left.startMs, endMs: right.endMs }
    rest = [...rest.slice(0, narrowest - 1), joined, ...rest.slice(narrowest + 1)]
  }
  return rest
}

/** A moment as SQL text, in UTC: `2026-01-31 12:00:00`. */
export function sqlTime(ms: number): string {
  const iso = new Date(ms).toISOString()
  const text = iso.slice(0, 19).replace('T', ' ')
  return ms % 1_000 === 0 ? text : `${text}.${iso.slice(20, 23)}`
}

export function formatSpan({ startMs, endMs }: Span): string {
  return `[${isoTime(startMs)}, ${isoTime(endMs)})`
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

function gap(spans: readonly Span[], index: number): number {
  return (spans[index]?.startMs ?? 0) - (spans[index - 1]?.endMs ?? 0)
}

function isNotEmpty({ startMs, endMs }: Span): boolean {
  return startMs < endMs
}

/** `Date.UTC` takes the years 0 to 99 for 1900 to 1999. */
function utc(year: number, month: number): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month, 1)
  return date.getTime()
}
