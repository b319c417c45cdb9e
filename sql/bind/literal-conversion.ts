/**
 * A constant, as DuckDB compares it, into a literal of the column's own type, as planning compares it.
 *
 * The two may differ in type (1.5 against a long, a date against a timestamp); the result may accept
 * more rows than DuckDB's comparison, never fewer (docs/spec/sql.md Q3). Where that is not certain
 * the answer is undefined and nothing is pushed down.
 */
import type { PrimitiveType, Value } from '../../catalog/format/index.ts'
import type { ComparisonOperator } from '../../catalog/scan/index.ts'
import type { Constant } from '../text/constant-value.ts'

export interface Converted {
  readonly operator: ComparisonOperator
  readonly literal: Value
}

const microsPerDay = 86_400_000_000n

/** Bounds of an integer type as [min, max]. */
const integerRange = {
  int: [-(2n ** 31n), 2n ** 31n - 1n],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
  date: [-(2n ** 31n), 2n ** 31n - 1n],
  timestamp: [-(2n ** 63n), 2n ** 63n - 1n],
  timestamptz: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

/** `column operator constant` in the column's type. */
export function convertComparison(
  type: PrimitiveType,
  operator: ComparisonOperator,
  constant: Constant,
): Converted | undefined {
  switch (type.type) {
    case 'int':
    case 'long':
      return onIntegers(type.type, operator, numberFraction(constant), (value) =>
        type.type === 'int' ? Number(value) : value,
      )
    case 'decimal': {
      const fraction = decimalFraction(type.scale, constant)
      const limit = 10n ** BigInt(type.precision)
      return onGrid(operator, fraction, [-limit, limit], (value) => value)
    }
    case 'float':
    case 'double':
      return onFloats(type.type, operator, constant)
    case 'date':
      return onIntegers('date', operator, dateFraction(constant), Number)
    case 'timestamp':
    case 'timestamptz':
      return onIntegers(type.type, operator, timestampFraction(constant), (value) => value)
    default:
      return same(type, operator, constant)
  }
}

/**
 * Constants that DuckDB compares with the column in one common type (`BETWEEN`, `IN`, and a single
 * one as well), each as it is after that; undefined when the common type could change a comparison.
 */
export function commonConstants(
  type: PrimitiveType,
  given: readonly (Constant | undefined)[],
): readonly Constant[] | undefined {
  const constants = given.filter((constant) => constant !== undefined)
  if (constants.length < given.length) return undefined
  const whole = wholeDigitsOf(type)
  if (whole === undefined) return constants
  const exact = constants.filter((constant) => constant.kind === 'exact')
  if (exact.length < constants.length) {
    // One double makes the comparison one of doubles, for the others too.
    return constants.map((constant) => {
      const value = floatValue(constant)
      return { kind: 'double', value: value ?? Number.NaN }
    })
  }
  const scale = Math.max(scaleOf(type), ...exact.map((constant) => constant.scale))
  const digits = Math.max(whole, ...exact.map((constant) => constant.wholeDigits))
  // Beyond 38 digits there is no decimal to compare in; whole numbers need none.
  return scale > 0 && digits + scale > 38 ? undefined : constants
}

function wholeDigitsOf(type: PrimitiveType): number | undefined {
  if (type.type === 'int') return 10
  if (type.type === 'long') return 19
  return type.type === 'decimal' ? type.precision - type.scale : undefined
}

function scaleOf(type: PrimitiveType): number {
  return type.type === 'decimal' ? type.scale : 0
}

/** A number as a fraction of the column's unit. */
interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

function onIntegers(
  type: keyof typeof integerRange,
  operator: ComparisonOperator,
  fraction: Fraction | undefined,
  toValue: (value: bigint) => Value,
): Converted | undefined {
  return onGrid(operator, fraction, integerRange[type], toValue)
}

/** Comparing whole numbers with a fraction is comparing them with its floor. */
function onGrid(
  operator: ComparisonOperator,
  fraction: Fraction | undefined,
  [min, max]: readonly [bigint, bigint],
  toValue: (value: bigint) => Value,
): Converted | undefined {
  if (fraction === undefined) return undefined
  const { numerator, denominator } = fraction
  const remainder = numerator % denominator
  const floor = numerator / denominator - (remainder < 0n ? 1n : 0n)
  if (floor < min || floor > max) return undefined
  const literal = toValue(floor)
  if (remainder === 0n) return { operator, literal }
  if (operator === '>' || operator === '>=') return { operator: '>', literal }
  if (operator === '<' || operator === '<=') return { operator: '<=', literal }
  return undefined
}

function numberFraction(constant: Constant): Fraction | undefined {
  if (constant.kind === 'exact') return constant
  // DuckDB compares as doubles; below 2^53 that agrees with comparing exactly.
  if (constant.kind !== 'double' || !(Math.abs(constant.value) < 2 ** 53)) return undefined
  const floor = Math.floor(constant.value)
  if (floor === constant.value) return { numerator: BigInt(floor), denominator: 1n }
  return { numerator: BigInt(floor) * 2n + 1n, denominator: 2n }
}

function decimalFraction(scale: number, constant: Constant): Fraction | undefined {
  if (constant.kind !== 'exact') return undefined
  return {
    numerator: constant.numerator * 10n ** BigInt(scale),
    denominator: constant.denominator,
  }
}

function dateFraction(constant: Constant): Fraction | undefined {
  if (constant.kind === 'date') return { numerator: BigInt(constant.days), denominator: 1n }
  if (constant.kind !== 'timestamp' && constant.kind !== 'timestamptz') return undefined
  return { numerator: constant.micros, denominator: microsPerDay }
}

/** Sessions run in UTC, so a local timestamp and an instant are the same number. */
function timestampFraction(constant: Constant): Fraction | undefined {
  if (constant.kind === 'timestamp' || constant.kind === 'timestamptz') {
    return { numerator: constant.micros, denominator: 1n }
  }
  if (constant.kind !== 'date') return undefined
  return { numerator: BigInt(constant.days) * microsPerDay, denominator: 1n }
}

/** Only a constant that the column's type holds exactly: any rounding could prune a match. */
function onFloats(
  type: 'float' | 'double',
  operator: ComparisonOperator,
  constant: Constant,
): Converted | undefined {
  const value = floatValue(constant)
  if (value === undefined || !Number.isFinite(value)) return undefined
  if (type === 'float' && Math.fround(value) !== value) return undefined
  if (value !== 0) return { operator, literal: value }
  // To DuckDB the two zeros are equal, to planning -0.0 is the smaller: take the weaker one.
  if (operator === '=' || operator === '!=') return undefined
  return { operator, literal: operator === '<' || operator === '<=' ? 0 : -0 }
}

function floatValue(constant: Constant): number | undefined {
  if (constant.kind === 'double') return constant.value
  if (constant.kind !== 'exact') return undefined
  const { numerator, denominator } = constant
  const magnitude = numerator < 0n ? -numerator : numerator
  // Both sides of the division are exact doubles, so the quotient is the correctly rounded one.
  if (magnitude >= 2n ** 53n || denominator > 10n ** 22n) return undefined
  return Number(numerator) / Number(denominator)
}

/** Types that are compared with constants of the same kind only. */
function same(
  type: PrimitiveType,
  operator: ComparisonOperator,
  constant: Constant,
): Converted | undefined {
  if (constant.kind !== type.type) return undefined
  if (constant.kind === 'boolean') return { operator, literal: constant.value }
  if (constant.kind === 'time') return { operator, literal: constant.micros }
  if (constant.kind === 'binary') return { operator, literal: constant.bytes }
  if (constant.kind !== 'string' && constant.kind !== 'uuid') return undefined
  return { operator, literal: constant.text }
}
