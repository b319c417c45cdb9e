/**
 * Partition transforms (spec, "Partition Transforms", "Bucket Transform Details", "Truncate
 * Transform Details").
 *
 * null stays null in every transform. Times before 1970 floor, remainders of truncate stay
 * non-negative, string widths count code points (iceberg-facts 20 and 21).
 */
import { ValidationError } from '../../common/index.ts'
import { civilFromDays, floorDivide, microsPerDay } from './calendar.ts'
import { murmur3 } from './murmur3.ts'
import { encodeDecimal, encodeValue } from './single-value.ts'
import { formatTransform } from './transform-text.ts'
import { formatType, isPrimitive } from './type-text.ts'
import type { PrimitiveType, Transform, Type, Value } from './types.ts'

const microsPerHour = 3_600_000_000n

/** The transform of one value; an unknown transform yields null, which prunes nothing. */
export function applyTransform(
  transform: Transform,
  sourceType: PrimitiveType,
  value: Value | null,
): Value | null {
  if (value === null) return null
  switch (transform.kind) {
    case 'identity':
      return value
    case 'void':
    case 'unknown':
      return null
    case 'bucket':
      return bucketOf(sourceType, value, transform.buckets)
    case 'truncate':
      return truncateValue(sourceType, value, transform.width)
    case 'year':
      return civilFromDays(daysOf(sourceType, value)).year - 1970
    case 'month': {
      const { year, month } = civilFromDays(daysOf(sourceType, value))
      return (year - 1970) * 12 + month - 1
    }
    case 'day':
      return daysOf(sourceType, value)
    case 'hour':
      // The last 44,000 years of the range, and infinity, have no hour that an int holds.
      return Math.max(
        -(2 ** 31),
        Math.min(2 ** 31 - 1, Number(floorDivide(value as bigint, microsPerHour))),
      )
  }
}

/**
 * The type of partition values. The spec makes `day` an int; it is a date here, as in every other
 * engine, with the same representation.
 */
export function transformResultType(transform: Transform, sourceType: Type): PrimitiveType {
  const { kind } = transform
  if (kind === 'identity' || kind === 'void' || kind === 'truncate') {
    return isPrimitive(sourceType) ? sourceType : { type: 'string' }
  }
  if (kind === 'day') return { type: 'date' }
  return { type: kind === 'unknown' ? 'string' : 'int' }
}

const instants: readonly Type['type'][] = ['timestamp', 'timestamptz']
const calendar: readonly Type['type'][] = ['date', ...instants]
const truncatable: readonly Type['type'][] = ['int', 'long', 'decimal', 'string', 'binary']
const hashable: readonly Type['type'][] = [...calendar, ...truncatable, 'time', 'uuid', 'fixed']

/** Whether the spec allows the transform on columns of this type. */
export function canTransform(transform: Transform, type: Type): boolean {
  switch (transform.kind) {
    case 'identity':
      return isPrimitive(type)
    case 'void':
    case 'unknown':
      return true
    case 'bucket':
      return hashable.includes(type.type)
    case 'truncate':
      return truncatable.includes(type.type)
    case 'hour':
      return instants.includes(type.type)
    case 'year':
    case 'month':
    case 'day':
      return calendar.includes(type.type)
  }
}

export function checkTransform(transform: Transform, type: Type, column: string): void {
  if (transform.kind !== 'unknown' && canTransform(transform, type)) return
  throw new ValidationError('this partition transform does not fit the type of its column', {
    facts: { transform: formatTransform(transform), column, type: formatType(type) },
  })
}

/** The hash of Appendix B, before it is cut to buckets: whole numbers hash as longs. */
export function hashValue(type: PrimitiveType, value: Value): number {
  if (type.type === 'decimal') return murmur3(encodeDecimal(value as bigint))
  if (typeof value === 'number' || typeof value === 'bigint') {
    return murmur3(encodeValue({ type: 'long' }, BigInt(value)))
  }
  return murmur3(encodeValue(type, value))
}

function bucketOf(type: PrimitiveType, value: Value, buckets: number): number {
  return (hashValue(type, value) & 0x7fffffff) % buckets
}

/**
 * For values just above the least int or long the multiple is outside the range of the type. The spec does not
 * say what happens; Java's arithmetic wraps around, and writers must agree on the partition of a row.
 */
function truncateValue(type: PrimitiveType, value: Value, width: number): Value {
  if (typeof value === 'number') return (value - (((value % width) + width) % width)) | 0
  if (typeof value === 'bigint') {
    const wide = BigInt(width)
    const multiple = value - (((value % wide) + wide) % wide)
    return type.type === 'long' ? BigInt.asIntN(64, multiple) : multiple
  }
  if (typeof value === 'string') return firstCodePoints(value, width)
  return typeof value === 'boolean' ? value : value.slice(0, width)
}

/** The first `count` code points; never half of a surrogate pair. */
export function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text
  let units = 0
  for (let taken = 0; taken < count && units < text.length; taken++) {
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1
  }
  return text.slice(0, units)
}

function daysOf(type: PrimitiveType, value: Value): number {
  if (type.type === 'date') return value as number
  return Number(floorDivide(value as bigint, microsPerDay))
}
