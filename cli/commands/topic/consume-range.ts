/**
 * Where `tide topic consume` begins and ends, in the spellings of kcat (`beginning`, `end`, `-5`,
 * `s@TS`, `e@TS`) and of rpk (`start`, `end`, `:end`, `+5`, `-5`, `100:200`, `@t1:t2`, `@-1h`).
 */
import { parseDuration } from '../../../common/index.ts'
import { parseTime } from '../../../settings/index.ts'
import type { OffsetBounds } from '../../../ingest/index.ts'
import { UsageError } from '../../frame/failure.ts'

export type OffsetMark =
  | { readonly kind: 'earliest' | 'latest' }
  /** `fromStart`/`fromEnd`: that many offsets after the first, before the end. */
  | { readonly kind: 'absolute' | 'from-start' | 'from-end'; readonly offset: bigint }
  | { readonly kind: 'time'; readonly timestampMs: number }

export interface ConsumeRange {
  readonly start: OffsetMark
  /** Exclusive; absent: reading goes on with new records. */
  readonly end?: OffsetMark
}

const spellings =
  'start, end, 100, 100:200, :200, :end, +5, -5, @2026-01-31T12:00:00Z, @-1h, @t1:t2, @:t2, s@t1, e@t2'

/** Several `-o`, as kcat's `-o s@t1 -o e@t2`, join into one range. `nowMs`: what `@-1h` counts from. */
export function parseConsumeRange(words: readonly string[], nowMs: number): ConsumeRange {
  let range: ConsumeRange = { start: { kind: 'earliest' } }
  for (const word of words) range = { ...range, ...parseWord(word, nowMs) }
  return range
}

function parseWord(word: string, nowMs: number): Partial<ConsumeRange> {
  if (word.startsWith('s@')) return { start: timeMark(word.slice(2), nowMs) }
  if (word.startsWith('e@')) return { end: timeMark(word.slice(2), nowMs) }
  if (word.startsWith('@')) return timeRange(word.slice(1), nowMs)
  const pair = /^(\d*):(\d*|end)$/.exec(word)
  if (pair !== null && word !== ':') {
    const [, from = '', to = ''] = pair
    const end: OffsetMark = to === 'end' ? { kind: 'latest' } : absolute(to)
    return {
      ...(from === '' ? {} : { start: absolute(from) }),
      ...(to === '' ? {} : { end }),
    }
  }
  return { start: startMark(word) }
}

function startMark(word: string): OffsetMark {
  if (['start', 'beginning', 'earliest', 'oldest'].includes(word)) return { kind: 'earliest' }
  if (['end', 'latest', 'newest'].includes(word)) return { kind: 'latest' }
  const relative = /^([+-])(\d+)$/.exec(word)
  if (relative !== null) {
    const offset = BigInt(relative[2] ?? '0')
    return { kind: relative[1] === '+' ? 'from-start' : 'from-end', offset }
  }
  if (/^\d+$/.test(word)) return absolute(word)
  throw new UsageError(`not an offset: "${word}" (${spellings})`)
}

/** `t1`, `t1:`, `:t2` or `t1:t2`; a duration as t2 counts from t1 where that is a time, else from now. */
function timeRange(text: string, nowMs: number): Partial<ConsumeRange> {
  const [from, to] = splitTimes(text, nowMs)
  const start = from === '' ? undefined : timeMark(from, nowMs)
  const fromMs = start?.kind === 'time' && !isDuration(from) ? start.timestampMs : nowMs
  const end: OffsetMark | undefined =
    to === undefined ? undefined : to === 'end' ? { kind: 'latest' } : timeMark(to, fromMs)
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
}

/** The times themselves hold colons: the first split at which both sides are times, or empty, counts. */
function splitTimes(text: string, nowMs: number): readonly [string, string | undefined] {
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    const [from, to] = [text.slice(0, at), text.slice(at + 1)]
    const isStart = from === '' ? to !== '' : isTime(from, nowMs)
    if (isStart && to === '') return [from, undefined]
    if (isStart && (to === 'end' || isTime(to, nowMs))) return [from, to]
  }
  return [text, undefined]
}

function timeMark(word: string, fromMs: number): OffsetMark {
  const timestampMs = timeOf(word, fromMs)
  if (timestampMs === undefined) throw new UsageError(`not a time: "${word}" (${spellings})`)
  return { kind: 'time', timestampMs }
}

function isTime(word: string, nowMs: number): boolean {
  return timeOf(word, nowMs) !== undefined
}

function timeOf(word: string, fromMs: number): number | undefined {
  try {
    if (!isDuration(word)) return parseTime(word)
    const ms = parseDuration(word.replace(/^-/, ''))
    return word.startsWith('-') ? fromMs - ms : fromMs + ms
  } catch {
    return undefined
  }
}

function isDuration(word: string): boolean {
  return /^-?\d+(ms|s|m|h|d)$/.test(word)
}

function absolute(digits: string): OffsetMark {
  return { kind: 'absolute', offset: BigInt(digits) }
}

/** The offset that a mark means in a partition; `atTime` is the log's answer for time marks. */
export function resolveMark(
  mark: OffsetMark,
  { earliest, latest }: OffsetBounds,
  atTime: bigint | undefined,
): bigint {
  const clip = (offset: bigint): bigint =>
    offset < earliest ? earliest : offset > latest ? latest : offset
  if (mark.kind === 'earliest') return earliest
  if (mark.kind === 'latest') return latest
  if (mark.kind === 'absolute') return clip(mark.offset)
  if (mark.kind === 'from-start') return clip(earliest + mark.offset)
  if (mark.kind === 'from-end') return clip(latest - mark.offset)
  // No record that late: begin behind the last one.
  return clip(atTime ?? latest)
}
