/**
 * What a JSON scalar must look like so that its column keeps it exactly. All checks work on the raw
 * bytes; digits beyond what a column holds are a fault, never rounded.
 */
import { NodeKind } from './scan-plan.ts'

const longMax = 9223372036854775807n
const longMin = -9223372036854775808n

/** Why a number token does not fit its column. `shape`: 0 integer, 1 fraction, 2 exponent. */
export function numberFault(kind: number, token: string, shape: number): string | undefined {
  if (kind === NodeKind.int || kind === NodeKind.long) {
    if (shape !== 0) return 'not an integer'
    const value = BigInt(token)
    if (kind === NodeKind.int) {
      return value > 2147483647n || value < -2147483648n ? 'out of the range of int' : undefined
    }
    return value > longMax || value < longMin ? 'out of the range of long' : undefined
  }
  const value = Number(token)
  if (!Number.isFinite(value)) return 'out of the range of double'
  const narrow = kind === NodeKind.float ? Math.fround(value) : value
  if (!Number.isFinite(narrow)) return 'out of the range of float'
  // A rounded value is an approximation; one that becomes zero is lost.
  if (narrow === 0 && /^[^e]*[1-9]/i.test(token)) {
    return `too small for a ${kind === NodeKind.float ? 'float' : 'double'}`
  }
  if (shape !== 0 || isExactInteger(narrow, token)) return undefined
  return kind === NodeKind.float ? 'integer not exact in a float' : 'integer not exact in a double'
}

/**
 * Fractions are approximations; an integer is a count or an id and must be kept exactly. Beyond 64 bits it is
 * not an id, and the digits that JavaScript prints for a double mean that double.
 */
function isExactInteger(value: number, token: string): boolean {
  const integer = BigInt(token)
  if (BigInt(value) === integer) return true
  return (integer > longMax || integer < longMin) && String(value) === token
}

/** YYYY-MM-DD of an existing day in years 1 to 9999. */
export function isDate(data: Uint8Array, start: number, end: number): boolean {
  return end - start === 10 && hasDate(data, start)
}

/** HH:MM, or HH:MM:SS with a fraction that is whole microseconds. */
export function isTime(data: Uint8Array, start: number, end: number): boolean {
  if (end - start === 5) return hasClock(data, start, false)
  if (end - start < 8 || !hasClock(data, start, true)) return false
  const rest = afterFraction(data, start + 8, end)
  return rest === end
}

/** Why the text is not a timestamp of the given kind; undefined when it is. */
export function isTimestamp(
  data: Uint8Array,
  start: number,
  end: number,
  withZone: boolean,
): string | undefined {
  const grammar = 'not a timestamp (YYYY-MM-DDTHH:MM:SS.ffffff)'
  if (end - start < 16 || !hasDate(data, start)) return grammar
  const separator = data[start + 10]
  if (separator !== 0x54 && separator !== 0x20) return grammar
  let pos = start + 11
  const isToTheSecond = hasSeconds(data, start, end)
  if (!hasClock(data, pos, isToTheSecond)) return grammar
  pos += isToTheSecond ? 8 : 5
  if (isToTheSecond) {
    const rest = afterFraction(data, pos, end)
    if (rest < 0) return 'finer than a microsecond'
    pos = rest
  }
  const hasZone = pos < end
  if (hasZone && !isZone(data, pos, end)) return grammar
  if (withZone && hasZone && isOutsideCalendar(data, start, pos, end))
    return 'outside of years 1 to 9999'
  if (withZone) return hasZone ? undefined : 'timestamp without a zone'
  return hasZone ? 'timestamp with a zone in a column without one' : undefined
}

export function isUuid(data: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 36) return false
  for (let index = 0; index < 36; index++) {
    const byte = data[start + index] as number
    const isDash = index === 8 || index === 13 || index === 18 || index === 23
    if (isDash ? byte !== 0x2d : !isHexDigit(byte)) return false
  }
  return true
}

/** Standard alphabet with padding. */
export function isBase64(data: Uint8Array, start: number, end: number): boolean {
  if ((end - start) % 4 !== 0) return false
  let padding = 0
  for (let pos = start; pos < end; pos++) {
    const byte = data[pos] as number
    if (byte === 0x3d) padding++
    else if (padding > 0 || !isBase64Digit(byte)) return false
  }
  return padding <= 2
}

function hasDate(data: Uint8Array, pos: number): boolean {
  if (data[pos + 4] !== 0x2d || data[pos + 7] !== 0x2d) return false
  const century = twoDigits(data, pos)
  const yearOfCentury = twoDigits(data, pos + 2)
  const month = twoDigits(data, pos + 5)
  const day = twoDigits(data, pos + 8)
  if (century < 0 || yearOfCentury < 0 || month < 1 || month > 12 || day < 1) return false
  const year = century * 100 + yearOfCentury
  return year >= 1 && day <= daysIn(year, month)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function hasClock(data: Uint8Array, pos: number, withSeconds: boolean): boolean {
  const hour = twoDigits(data, pos)
  const minute = twoDigits(data, pos + 3)
  if (hour < 0 || hour > 23 || data[pos + 2] !== 0x3a || minute < 0 || minute > 59) return false
  if (!withSeconds) return true
  const second = twoDigits(data, pos + 6)
  return data[pos + 5] === 0x3a && second >= 0 && second <= 59
}

/** Position after an optional fraction; -1 when it has no digit, or one beyond the sixth that is not 0. */
function afterFraction(data: Uint8Array, pos: number, end: number): number {
  if (pos >= end || data[pos] !== 0x2e) return pos
  let digit = pos + 1
  while (digit < end && isDigit(data[digit] as number)) {
    if (digit > pos + 6 && data[digit] !== 0x30) return -1
    digit++
  }
  return digit > pos + 1 ? digit : -1
}

/** For a text that `isTimestamp`: whether it has seconds, and not only hours and minutes. */
export function hasSeconds(data: Uint8Array, start: number, end: number): boolean {
  return end - start >= 19 && data[start + 16] === 0x3a
}

/** Z, z, +HH, +HHMM or +HH:MM. */
function isZone(data: Uint8Array, pos: number, end: number): boolean {
  const byte = data[pos] as number
  const length = end - pos
  if (length === 1) return byte === 0x5a || byte === 0x7a
  if (byte !== 0x2b && byte !== 0x2d) return false
  const hour = twoDigits(data, pos + 1)
  if (hour < 0 || hour > 15 || (length !== 3 && length !== 5 && length !== 6)) return false
  if (length === 3) return true
  if (length === 6 && data[pos + 3] !== 0x3a) return false
  const minute = twoDigits(data, end - 2)
  return minute >= 0 && minute <= 59
}

/** Whether the zone at `zone` moves the first or last day of the calendar out of it. */
function isOutsideCalendar(data: Uint8Array, start: number, zone: number, end: number): boolean {
  const year = twoDigits(data, start) * 100 + twoDigits(data, start + 2)
  if (year !== 1 && year !== 9999) return false
  if (twoDigits(data, start + 5) !== (year === 1 ? 1 : 12)) return false
  if (twoDigits(data, start + 8) !== (year === 1 ? 1 : 31)) return false
  const sign = data[zone]
  if (sign !== 0x2b && sign !== 0x2d) return false
  const minutesOf = (pos: number, next: number): number =>
    twoDigits(data, pos) * 60 + (next < 0 ? 0 : twoDigits(data, next))
  const offset = minutesOf(zone + 1, end - zone > 3 ? end - 2 : -1)
  const utc = minutesOf(start + 11, start + 14) + (sign === 0x2b ? -offset : offset)
  return utc < 0 || utc >= 1440
}

function twoDigits(data: Uint8Array, pos: number): number {
  const tens = (data[pos] as number) - 0x30
  const ones = (data[pos + 1] as number) - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66)
}

function isBase64Digit(byte: number): boolean {
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x7a) || byte === 0x2b || byte === 0x2f
}
