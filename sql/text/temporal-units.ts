/** Dates and times as numbers, read from the text of results digit by digit, so nothing is rounded. */
import { CorruptDataError } from '../../common/index.ts'

const nanosPerSecond = 1_000_000_000n
const secondsPerDay = 86_400n

/** What DuckDB stores for the infinities of dates. */
const infiniteDays = 2 ** 31 - 1

/** Days since 1970-01-01 in the calendar without a gap that DuckDB and Arrow use. */
export function epochDays(text: string): number {
  if (text === 'infinity') return infiniteDays
  if (text === '-infinity') return -infiniteDays
  const { days } = parts(text)
  return Number(days)
}

/** Nanoseconds since 1970-01-01 00:00, of `2026-01-31 12:00:00.5` and with `+00` or ` (BC)`. */
export function epochNanos(text: string): bigint {
  const { days, nanos } = parts(text)
  return days * secondsPerDay * nanosPerSecond + nanos
}

/** Nanoseconds since midnight, of `12:00:00.5`. */
export function nanosOfDay(text: string): bigint {
  return parts(`1970-01-01 ${text}`).nanos
}

const pattern =
  /^(\d+)-(\d\d)-(\d\d)( \(BC\))?(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?)?( \(BC\))?(?:\+00)?$/

function parts(text: string): { readonly days: bigint; readonly nanos: bigint } {
  const match = pattern.exec(text)
  if (match === null) {
    throw new CorruptDataError('a date or time has an unknown form', { facts: { value: text } })
  }
  const [, yearText = '', month = '', day = '', bc1, hour = '0', minute = '0', second = '0'] = match
  const [fraction = '', bc2] = match.slice(8)
  const era = bc1 ?? bc2
  const year = era === undefined ? Number(yearText) : 1 - Number(yearText)
  const seconds = (BigInt(hour) * 60n + BigInt(minute)) * 60n + BigInt(second)
  return {
    days: BigInt(civilDays(year, Number(month), Number(day))),
    nanos: seconds * nanosPerSecond + BigInt(fraction.padEnd(9, '0')),
  }
}

/** Years of 400 have one length, and a year that begins in March has its leap day at its end. */
function civilDays(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
