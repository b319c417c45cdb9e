/** What DuckDB made of a constant: plain data, so that it can come from another process. */
import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  DuckDBTypeId,
  DuckDBUUIDValue,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'

/** A constant with exactly the value that DuckDB would compare with. */
export type Constant =
  /** An exact number: numerator / denominator; `digits` of its integer part as DuckDB types it. */
  | {
      readonly kind: 'exact'
      readonly numerator: bigint
      readonly denominator: bigint
      readonly wholeDigits: number
      readonly scale: number
    }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'date'; readonly days: number }
  | { readonly kind: 'time'; readonly micros: bigint }
  | { readonly kind: 'timestamp' | 'timestamptz'; readonly micros: bigint }
  | { readonly kind: 'string' | 'uuid'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'binary'; readonly bytes: Uint8Array }

/** Undefined for NULL and for a type that is not pushed down. */
export function toConstant(value: DuckDBValue, type: DuckDBType): Constant | undefined {
  if (value === null) return undefined
  if (typeof value === 'bigint') return exact(value, 0, integerDigits.get(type.typeId) ?? 38)
  if (typeof value === 'string') return { kind: 'string', text: value }
  if (typeof value === 'boolean') return { kind: 'boolean', value }
  if (typeof value === 'number') {
    const isDouble = type.typeId === DuckDBTypeId.DOUBLE || type.typeId === DuckDBTypeId.FLOAT
    if (isDouble) return { kind: 'double', value }
    return exact(BigInt(value), 0, integerDigits.get(type.typeId) ?? 38)
  }
  if (value instanceof DuckDBDecimalValue) {
    return exact(value.value, value.scale, value.width - value.scale)
  }
  return toTemporalConstant(value)
}

function toTemporalConstant(value: DuckDBValue): Constant | undefined {
  if (value instanceof DuckDBDateValue) {
    return value.isFinite ? { kind: 'date', days: value.days } : undefined
  }
  if (value instanceof DuckDBTimestampTZValue) {
    return value.isFinite ? { kind: 'timestamptz', micros: value.micros } : undefined
  }
  if (value instanceof DuckDBTimestampValue) {
    return value.isFinite ? { kind: 'timestamp', micros: value.micros } : undefined
  }
  if (value instanceof DuckDBTimeValue) return { kind: 'time', micros: value.micros }
  if (value instanceof DuckDBUUIDValue) return { kind: 'uuid', text: value.toString() }
  if (value instanceof DuckDBBlobValue) return { kind: 'binary', bytes: value.bytes }
  return undefined
}

function exact(unscaled: bigint, scale: number, digits: number): Constant {
  return {
    kind: 'exact',
    numerator: unscaled,
    denominator: 10n ** BigInt(scale),
    wholeDigits: digits,
    scale,
  }
}

/** Digits that DuckDB reserves when it compares an integer of this type with a decimal. */
const integerDigits: ReadonlyMap<DuckDBTypeId, number> = new Map([
  [DuckDBTypeId.TINYINT, 3],
  [DuckDBTypeId.UTINYINT, 3],
  [DuckDBTypeId.SMALLINT, 5],
  [DuckDBTypeId.USMALLINT, 5],
  [DuckDBTypeId.INTEGER, 10],
  [DuckDBTypeId.UINTEGER, 10],
  [DuckDBTypeId.BIGINT, 19],
  [DuckDBTypeId.UBIGINT, 20],
])
