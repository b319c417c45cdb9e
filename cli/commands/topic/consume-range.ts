/**
 * Where `tide topic consume` begins and ends, in the spellings of kcat (`beginning`, `end`, `-5`,
 * `s@TS`, `e@TS`) and of rpk (`start`, `end`, `+5`, `-5`, `100:200`, `@t1:t2`).
 */
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

const spellings = 'start, end, 100, 100:200, +5, -5, @2026-01-31T12:00:00Z, @t1:t2, s@t1'

/** Several `-o`, as kcat's `-o s@t1 -o e@t2`, join into one range. */
export function parseConsumeRange(words: readonly string[]): ConsumeRange {
  let range: ConsumeRange = { start: { kind: 'earliest' } }
  for (const word of words) range = { ...range, ...parseWord(word) }
  return range
}

function parseWord(word: string): Partial<ConsumeRange> {
  if (word.startsWith('s@')) return { start: timeMark(word.slice(2)) }
  if (word.startsWith('e@')) return { end: timeMark(word.slice(2)) }
  if (word.startsWith('@')) {
    const [from, to] = splitTimes(word.slice(1))
    return { start: timeMark(from), ...(to === undefined ? {} : { end: endMark(to) }) }
  }
  const pair = /^(\d+):(\d+|end)$/.exec(word)
  if (pair !== null) {
    const [, from = '', to = ''] = pair
    const end: OffsetMark = to === 'end' ? { kind: 'latest' } : absolute(to)
    return { start: absolute(from), end }
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

/** `t1:t2` where the times themselves hold colons: the first split at which both are times wins. */
function splitTimes(text: string): readonly [string, string | undefined] {
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    const [from, to] = [text.slice(0, at), text.slice(at + 1)]
    if (isTime(from) && (to === 'end' || isTime(to))) return [from, to]
  }
  return [text, undefined]
}

function endMark(word: string): OffsetMark {
  return word === 'end' ? { kind: 'latest' } : timeMark(word)
}

function timeMark(word: string): OffsetMark {
  if (!isTime(word)) throw new UsageError(`not a time: "${word}" (${spellings})`)
  return { kind: 'time', timestampMs: parseTime(word) }
}

function isTime(word: string): boolean {
  try {
    parseTime(word)
    return true
  } catch {
    return false
  }
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
