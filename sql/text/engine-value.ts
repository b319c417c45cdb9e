/**
 * Values from the text that DuckDB writes of them: in the statistics of COPY, and by a cast to VARCHAR.
 *
 * Such text follows no standard: `.0125` for a decimal(4,4), `inf`, `0044-03-15 (BC)`, `24:00:00`. Read
 * here and nowhere else, to the last digit.
 */
import { parseDecimal, type PrimitiveType, type Value } from '../../catalog/format/index.ts'
import { CorruptDataError, UnsupportedError } from '../../common/index.ts'
import { epochDays, epochNanos, nanosOfDay } from './temporal-units.ts'

const nanosPerMicro = 1_000n
/** What DuckDB stores for the infinities of timestamps. */
const infiniteMicros = 2n ** 63n - 1n

const numbers: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ['-nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
])

/** Bytes are expected as hexadecimal digits. Throws CorruptDataError for anything that is no such value. */
export function engineValue(type: PrimitiveType, text: string): Value {
  const value = valueOrUndefined(type, text)
  if (value !== undefined) return value
  throw new CorruptDataError('the engine wrote a value in a form that is not known', {
    facts: { type: type.type, value: text.slice(0, 80) },
  })
}

/** True for `infinity` and `-infinity` of dates and timestamps, which are no times of a calendar. */
export function isInfiniteTime(text: string): boolean {
  return text === 'infinity' || text === '-infinity'
}

function valueOrUndefined(type: PrimitiveType, text: string): Value | undefined {
  switch (type.type) {
    case 'boolean':
      return text === '1' || text === 'true'
    case 'int':
      return isWhole(text) ? Number(text) : undefined
    case 'long':
      return isWhole(text) ? BigInt(text) : undefined
    case 'float':
    case 'double': {
      const number = numbers.get(text) ?? (/^-?\d/.test(text) ? Number(text) : undefined)
      return type.type === 'float' && number !== undefined ? Math.fround(number) : number
    }
    case 'decimal':
      return parseDecimal(text.replace(/^(-?)\./, '$10.'), type.scale)
    case 'date':
      return epochDays(text)
    case 'time':
      return nanosOfDay(text) / nanosPerMicro
    case 'timestamp':
    case 'timestamptz':
      if (isInfiniteTime(text)) return text.startsWith('-') ? -infiniteMicros : infiniteMicros
      return epochNanos(text) / nanosPerMicro
    case 'string':
      return text
    case 'uuid':
      return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(text) ? text : undefined
    case 'binary':
      return /^([\da-f]{2})*$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : undefined
    case 'fixed':
      throw new UnsupportedError('fixed columns are not written')
  }
}

function isWhole(text: string): boolean {
  return /^-?\d+$/.test(text)
}
