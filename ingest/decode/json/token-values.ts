/**
 * The values of JSON tokens that the row scanner has checked to be exact for their columns, as the bits that a
 * column file holds. No string or bigint is made for an ordinary value.
 */

const MINUS = 0x2d
const two32 = 2 ** 32
/**
 * Powers of ten that a double holds exactly. With a whole number of at most 53 bits above one of them the
 * quotient is correctly rounded (Clinger, "How to read floating point numbers accurately").
 */
export const exactPowers = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`))
const dayMs = 86_400_000

/** 64 bits as two halves, little-endian, at an index of 32-bit words. */
export function writeLong(
  words: Int32Array,
  at: number,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  const isNegative = data[start] === MINUS
  const first = isNegative ? start + 1 : start
  if (end - first > 15) {
    writeBigint(words, at, BigInt(latin1(data, start, end)))
    return
  }
  let value = 0
  for (let pos = first; pos < end; pos++) value = value * 10 + ((data[pos] as number) - 0x30)
  writeSafe(words, at, isNegative ? -value : value)
}

/** An integer of at most 53 bits. */
export function writeSafe(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0
  words[at + 1] = Math.floor(value / two32)
}

export function writeBigint(words: Int32Array, at: number, value: bigint): void {
  words[at] = Number(BigInt.asIntN(32, value))
  words[at + 1] = Number(BigInt.asIntN(32, value >> 32n))
}

/**
 * Microseconds since the epoch of `YYYY-MM-DDTHH:MM[:SS[.ffffff]][zone]`, whose grammar the scanner has
 * checked; a missing zone is UTC.
 */
export function writeTimestamp(
  words: Int32Array,
  at: number,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  const year = two(data, start) * 100 + two(data, start + 2)
  const days = daysSinceEpoch(year, two(data, start + 5), two(data, start + 8))
  let seconds = days * 86_400 + two(data, start + 11) * 3600 + two(data, start + 14) * 60
  let micros = 0
  let pos = start + 16
  if (pos < end && data[pos] === 0x3a) {
    seconds += two(data, pos + 1)
    pos += 3
    if (pos < end && data[pos] === 0x2e) {
      let unit = 100_000
      for (pos++; pos < end; pos++, unit /= 10) {
        const digit = (data[pos] as number) - 0x30
        if (digit < 0 || digit > 9) break
        micros += digit * unit
      }
    }
  }
  if (pos < end) seconds -= zoneSeconds(data, pos, end)
  // Years 1685 to 2255 are within 53 bits of microseconds.
  if (seconds < 9e9 && seconds > -9e9) writeSafe(words, at, seconds * 1_000_000 + micros)
  else writeBigint(words, at, BigInt(seconds) * 1_000_000n + BigInt(micros))
}

function zoneSeconds(data: Uint8Array, pos: number, end: number): number {
  const sign = data[pos]
  if (sign !== 0x2b && sign !== MINUS) return 0
  const hours = two(data, pos + 1)
  const minutes = end - pos > 3 ? two(data, end - 2) : 0
  return (sign === MINUS ? -1 : 1) * (hours * 3600 + minutes * 60)
}

let lastYear = 0
let lastMonth = 0
let lastMonthDays = 0

/** Proleptic Gregorian. Neighbouring records share their month, so that is looked up once. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  if (year !== lastYear || month !== lastMonth) {
    const date = new Date(0)
    date.setUTCFullYear(year, month - 1, 1)
    lastYear = year
    lastMonth = month
    lastMonthDays = date.getTime() / dayMs
  }
  return lastMonthDays + day - 1
}

function two(data: Uint8Array, pos: number): number {
  return ((data[pos] as number) - 0x30) * 10 + ((data[pos + 1] as number) - 0x30)
}

export function latin1(data: Uint8Array, start: number, end: number): string {
  return Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('latin1')
}
