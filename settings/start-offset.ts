/** `start_offset`: `earliest`, `latest`, or `@` and a time. */
import { SettingsError, didYouMean } from '../common/index.ts'

/** Where a stream begins when its table holds no offsets yet. */
export type StartOffset =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

const words: Readonly<Record<string, StartOffset>> = {
  earliest: { kind: 'earliest' },
  oldest: { kind: 'earliest' },
  latest: { kind: 'latest' },
  newest: { kind: 'latest' },
}

export function parseStartOffset(text: string): StartOffset {
  const word = words[text.toLowerCase()]
  if (word !== undefined) return word
  if (text.startsWith('@')) return { kind: 'timestamp', timestampMs: parseTime(text.slice(1)) }
  throw new SettingsError(
    `expected earliest, latest or @time, found "${text}"${didYouMean(text, Object.keys(words))}`,
  )
}

/** Milliseconds of an ISO time (UTC unless it names a zone) or of epoch milliseconds. */
export function parseTime(text: string): number {
  if (/^\d{10,14}$/.test(text)) return text.length === 10 ? Number(text) * 1_000 : Number(text)
  const match =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s?(Z|[+-]\d\d:?\d\d)?)?$/.exec(text)
  const [, date = '', time = '00:00', zone = 'Z'] = match ?? []
  const ms = match === null ? Number.NaN : Date.parse(`${date}T${time}${zone}`)
  if (Number.isNaN(ms)) {
    throw new SettingsError(
      `not a time: "${text}" (write 2026-01-31, 2026-01-31T12:00:00Z or epoch milliseconds)`,
    )
  }
  return ms
}
