/** Timestamps that records write as a number: how long since 1970 began, in UTC. */

export const epochUnits = ['unix_s', 'unix_ms', 'unix_us'] as const
export type EpochUnit = (typeof epochUnits)[number]

/** The unit of a timestamp at a path of the declared fields; `element` and `value` step into lists and maps. */
export interface EpochColumn {
  readonly path: readonly string[]
  readonly unit: EpochUnit
}

/** Decimal places of the unit that are whole microseconds. */
export const microsecondPlaces: Readonly<Record<EpochUnit, number>> = {
  unix_s: 6,
  unix_ms: 3,
  unix_us: 0,
}

/** The years 1 to 9999, as for timestamps in text. */
const microsMin = -62_135_596_800_000_000n
const microsMax = 253_402_300_799_999_999n

const number = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * Microseconds since the epoch, exactly. A text says why there are none: the number is finer than a microsecond or
 * leads out of the calendar.
 */
export function microsOf(token: string, unit: EpochUnit): bigint | string {
  const [, sign, whole = '', fraction = '', exponent = '0'] = number.exec(token) ?? []
  if (sign === undefined) return 'not a number'
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '')
  const places = microsecondPlaces[unit] + Number(exponent) - fraction.length
  // Both bounds have 18 digits.
  if (digits !== '0' && digits.length + places > 18) return 'outside of years 1 to 9999'
  const kept = places < 0 ? digits.slice(0, places) : digits + '0'.repeat(places)
  if (places < 0 && /[1-9]/.test(digits.slice(places))) return 'finer than a microsecond'
  const micros = BigInt(kept === '' ? '0' : kept) * (sign === '-' ? -1n : 1n)
  return micros < microsMin || micros > microsMax ? 'outside of years 1 to 9999' : micros
}
