/**
 * One value of a primitive type: its binary form in bounds, its order, its JSON form
 * (spec, "Appendix D: Single-value serialization").
 *
 * Guards: bounds of a file older than a promotion keep the narrower width (iceberg-facts 9), strings
 * order by UTF-8 bytes and not by UTF-16 units (28), nothing is rounded (29).
 */
import { formatUuid, CorruptDataError, ValidationError, type Json } from '../../common/index.ts'
import {
  formatDate,
  formatTimeOfDay,
  formatTimestamp,
  microsPerDay,
  parseDate,
  parseTimeOfDay,
  parseTimestamp,
} from './calendar.ts'
import { formatType } from './type-text.ts'
import type { PrimitiveType, Value } from './types.ts'

// ---- binary form -----------------------------------------------------------------------------

export function encodeValue(type: PrimitiveType, value: Value): Uint8Array {
  switch (type.type) {
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0)
    case 'int':
    case 'date':
      return fixedWidth(4, (view) => view.setInt32(0, Number(value), true))
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return fixedWidth(8, (view) => view.setBigInt64(0, BigInt(value as bigint), true))
    case 'float':
      return fixedWidth(4, (view) => view.setFloat32(0, Number(value), true))
    case 'double':
      return fixedWidth(8, (view) => view.setFloat64(0, Number(value), true))
    case 'decimal':
      return encodeDecimal(BigInt(value as bigint))
    case 'string':
      return Buffer.from(value as string, 'utf8')
    case 'uuid':
      return Buffer.from((value as string).replaceAll('-', ''), 'hex')
    case 'fixed':
    case 'binary':
      return value as Uint8Array
  }
}

/** Reads a bound; a width that the type never had is CorruptDataError. */
export function decodeValue(type: PrimitiveType, bytes: Uint8Array): Value {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (type.type) {
    case 'boolean':
      return widths(type, bytes, 1) && view.getUint8(0) !== 0
    case 'int':
    case 'date':
      return widths(type, bytes, 4) && view.getInt32(0, true)
    case 'long':
    case 'time':
      if (bytes.length === 4) return BigInt(view.getInt32(0, true))
      return widths(type, bytes, 8) && view.getBigInt64(0, true)
    case 'timestamp':
    case 'timestamptz':
      // v3 promotes a date to a timestamp: the old bound is a count of days.
      if (bytes.length === 4) return BigInt(view.getInt32(0, true)) * microsPerDay
      return widths(type, bytes, 8) && view.getBigInt64(0, true)
    case 'float':
      return widths(type, bytes, 4) && view.getFloat32(0, true)
    case 'double':
      if (bytes.length === 4) return view.getFloat32(0, true)
      return widths(type, bytes, 8) && view.getFloat64(0, true)
    case 'decimal':
      return decodeDecimal(bytes)
    case 'string':
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
    case 'uuid':
      return widths(type, bytes, 16) && formatUuid(bytes)
    case 'fixed':
    case 'binary':
      return bytes
  }
}

/** Minimal two's complement, big-endian, at least one byte. */
export function encodeDecimal(unscaled: bigint): Uint8Array {
  let length = 1
  while (BigInt.asIntN(8 * length, unscaled) !== unscaled) length++
  const hex = BigInt.asUintN(8 * length, unscaled).toString(16)
  return Buffer.from(hex.padStart(2 * length, '0'), 'hex')
}

export function decodeDecimal(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  const hex = Buffer.from(bytes).toString('hex')
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`))
}

function fixedWidth(length: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length)
  fill(new DataView(bytes.buffer))
  return bytes
}

function widths(type: PrimitiveType, bytes: Uint8Array, width: number): true {
  if (bytes.length === width) return true
  throw new CorruptDataError('stored value has a width that its type never has', {
    facts: { type: formatType(type), bytes: bytes.length },
  })
}

// ---- order -----------------------------------------------------------------------------------

/**
 * Negative, zero or positive. Floats order totally: -0.0 before +0.0, NaN after everything.
 * Both values must be of `type`.
 */
export function compareValues(type: PrimitiveType, left: Value, right: Value): number {
  const kind = type.type
  if (kind === 'float' || kind === 'double') return compareFloats(left as number, right as number)
  if (kind === 'string') return compareUtf8(left as string, right as string)
  if (kind === 'fixed' || kind === 'binary') {
    return Buffer.compare(left as Uint8Array, right as Uint8Array)
  }
  return left < right ? -1 : left > right ? 1 : 0
}

function compareFloats(left: number, right: number): number {
  if (left < right) return -1
  if (left > right) return 1
  if (Object.is(left, right)) return 0
  if (Number.isNaN(left)) return 1
  if (Number.isNaN(right)) return -1
  return Object.is(left, -0) ? -1 : 1
}

/** The order of the UTF-8 bytes, which is the order of code points, without encoding. */
export function compareUtf8(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a === b) continue
    // A surrogate is part of a code point above U+FFFF, though the units U+E000 to U+FFFF are greater than it.
    const aIsSurrogate = a >= 0xd800 && a <= 0xdfff
    const bIsSurrogate = b >= 0xd800 && b <= 0xdfff
    if (aIsSurrogate !== bIsSurrogate) return aIsSurrogate ? 1 : -1
    return a - b
  }
  return left.length - right.length
}

// ---- JSON form -------------------------------------------------------------------------------

export function valueToJson(type: PrimitiveType, value: Value): Json {
  switch (type.type) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
    case 'uuid':
      return value as Json
    case 'decimal':
      return formatDecimal(value as bigint, type.scale)
    case 'date':
      return formatDate(value as number)
    case 'time':
      return formatTimeOfDay(value as bigint)
    case 'timestamp':
      return formatTimestamp(value as bigint)
    case 'timestamptz':
      return `${formatTimestamp(value as bigint)}+00:00`
    case 'fixed':
    case 'binary':
      return Buffer.from(value as Uint8Array).toString('hex')
  }
}

/** Reads the JSON form; anything else throws ValidationError. */
export function valueFromJson(type: PrimitiveType, json: Json): Value {
  const value = valueOrUndefined(type, json)
  if (value !== undefined) return value
  throw new ValidationError('not a value of this type', {
    facts: { type: formatType(type), value: String(json).slice(0, 80) },
  })
}

function valueOrUndefined(type: PrimitiveType, json: Json): Value | undefined {
  const text = typeof json === 'string' ? json : undefined
  switch (type.type) {
    case 'boolean':
      return typeof json === 'boolean' ? json : undefined
    case 'int':
      return Number.isInteger(json) && Math.abs(json as number) <= 2 ** 31
        ? (json as number)
        : undefined
    case 'long':
      return typeof json === 'bigint' || Number.isSafeInteger(json)
        ? BigInt(json as number)
        : undefined
    case 'float':
    case 'double':
      return typeof json === 'number' || typeof json === 'bigint' ? Number(json) : undefined
    case 'decimal':
      return text === undefined ? undefined : parseDecimal(text, type.scale)
    case 'date':
      return text === undefined ? undefined : parseDate(text)
    case 'time':
      return text === undefined ? undefined : parseTimeOfDay(text)
    case 'timestamp':
      return text === undefined ? undefined : parseTimestamp(text, false)
    case 'timestamptz':
      return text === undefined ? undefined : parseTimestamp(text, true)
    case 'string':
      return text
    case 'uuid':
      return text !== undefined && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)
        ? text.toLowerCase()
        : undefined
    case 'fixed':
    case 'binary':
      return text !== undefined && /^([\da-f]{2})*$/i.test(text)
        ? Buffer.from(text, 'hex')
        : undefined
  }
}

/** `-1.05` for (-105, scale 2). */
export function formatDecimal(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - scale)}`
}

/** The unscaled value; `undefined` when the text has more digits than `scale` keeps. */
export function parseDecimal(text: string, scale: number): bigint | undefined {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(text)
  if (match === null) return undefined
  const fraction = (match[3] ?? '').replace(/0+$/, '')
  if (fraction.length > scale) return undefined
  const magnitude = BigInt((match[2] ?? '') + fraction.padEnd(scale, '0'))
  return match[1] === '-' ? -magnitude : magnitude
}
