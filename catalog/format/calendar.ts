/**
 * Days and microseconds since 1970 to the proleptic Gregorian calendar and back.
 *
 * JavaScript's Date has milliseconds and a smaller range than a 64-bit count of microseconds, so
 * bounds would be rounded (iceberg-facts 29); everything here floors, also before 1970.
 */

export const microsPerDay = 86_400_000_000n
const microsPerSecond = 1_000_000n

/** The milliseconds of years 1 to 9999 in UTC, which every engine reads as a timestamp. */
export const instantMillis = { min: -62_135_596_800_000n, max: 253_402_300_799_999n } as const

export interface CivilDate {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
}

/** Largest quotient not above numerator/denominator, for a positive denominator. */
export function floorDivide(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  return numerator % denominator < 0n ? quotient - 1n : quotient
}

/** Calendar date of a day count, by 400-year cycles that start on 1 March of year 0. */
export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719_468
  const cycle = Math.floor(shifted / 146_097)
  const dayOfCycle = shifted - cycle * 146_097
  const yearOfCycle = Math.floor(
    (dayOfCycle -
      Math.floor(dayOfCycle / 1460) +
      Math.floor(dayOfCycle / 36_524) -
      Math.floor(dayOfCycle / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return {
    year: yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  }
}

export function daysFromCivil({ year, month, day }: CivilDate): number {
  const marchYear = month <= 2 ? year - 1 : year
  const cycle = Math.floor(marchYear / 400)
  const yearOfCycle = marchYear - cycle * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfCycle =
    yearOfCycle * 365 + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100) + dayOfYear
  return cycle * 146_097 + dayOfCycle - 719_468
}

/** ISO 8601: a year of four digits, or of more digits with a sign. */
export function formatDate(days: number): string {
  const { year, month, day } = civilFromDays(days)
  return `${formatYear(year)}-${pad(month, 2)}-${pad(day, 2)}`
}

export function formatYear(year: number): string {
  if (year >= 0 && year <= 9999) return pad(year, 4)
  return `${year < 0 ? '-' : '+'}${pad(Math.abs(year), 4)}`
}

/** `HH:MM:SS` with as many microseconds as needed: none, or six digits. */
export function formatTimeOfDay(micros: bigint): string {
  const seconds = Number(micros / microsPerSecond)
  const fraction = Number(micros % microsPerSecond)
  const text = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    .map((part) => pad(part, 2))
    .join(':')
  return fraction === 0 ? text : `${text}.${pad(fraction, 6)}`
}

/** `YYYY-MM-DDTHH:MM:SS[.ffffff]` without a zone. */
export function formatTimestamp(micros: bigint): string {
  const days = floorDivide(micros, microsPerDay)
  return `${formatDate(Number(days))}T${formatTimeOfDay(micros - days * microsPerDay)}`
}

/** `undefined` when the text is not a date of the calendar. */
export function parseDate(text: string): number | undefined {
  const match = /^([+-]?\d{4,6})-(\d\d)-(\d\d)$/.exec(text)
  if (match === null) return undefined
  const date = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
  const days = daysFromCivil(date)
  const back = civilFromDays(days)
  const exists = back.year === date.year && back.month === date.month && back.day === date.day
  return exists ? days : undefined
}

export function parseTimeOfDay(text: string): bigint | undefined {
  const match = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?$/.exec(text)
  if (match === null) return undefined
  const [hours, minutes, seconds] = [match[1], match[2], match[3] ?? '0'].map(Number)
  if (hours === undefined || minutes === undefined || seconds === undefined) return undefined
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined
  const fraction = (match[4] ?? '').slice(0, 6).padEnd(6, '0')
  return BigInt(hours * 3600 + minutes * 60 + seconds) * microsPerSecond + BigInt(fraction)
}

/** Date, `T` or a space, time; a zone (`Z`, `+02:00`) only where `zone` is set. */
export function parseTimestamp(text: string, zone: boolean): bigint | undefined {
  const match = /^([^T ]+)[T ]([\d:.]+)(Z|[+-]\d\d:?\d\d)?$/i.exec(text)
  if (match === null || (match[3] !== undefined) !== zone) return undefined
  const days = parseDate(match[1] ?? '')
  const time = parseTimeOfDay(match[2] ?? '')
  if (days === undefined || time === undefined) return undefined
  return BigInt(days) * microsPerDay + time - zoneMicros(match[3] ?? 'Z')
}

function zoneMicros(zone: string): bigint {
  if (zone.toUpperCase() === 'Z') return 0n
  const digits = zone.slice(1).replace(':', '')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return BigInt(zone.startsWith('-') ? -minutes : minutes) * 60n * microsPerSecond
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0')
}
