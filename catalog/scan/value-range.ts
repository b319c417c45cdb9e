/**
 * The range of the values of one column in a set of rows, and whether a test can hold for any of them.
 *
 * Used for a manifest's partition summary, a partition tuple (a range of one value) and a data file's
 * bounds alike. "Might match" errs towards true: unknown bounds, unknown counts and NaN, which engines
 * sort above every number, keep the rows (iceberg-facts 29 and 30).
 */
import { compareValues } from '../format/single-value.ts'
import type { PrimitiveType, Value } from '../format/types.ts'
import type { ComparisonOperator } from './expression.ts'
import type { Test } from './predicate.ts'

export interface ValueRange {
  readonly lower: Value | undefined
  readonly upper: Value | undefined
  readonly mayHoldNull: boolean
  readonly mayHoldNan: boolean
  /** Values that are neither null nor NaN. */
  readonly mayHoldValue: boolean
}

export function isFloating(type: PrimitiveType): boolean {
  return type.type === 'float' || type.type === 'double'
}

/** A single value as a range. */
export function rangeOf(value: Value | null): ValueRange {
  const nan = Number.isNaN(value)
  const bound = value === null || nan ? undefined : value
  return {
    lower: bound,
    upper: bound,
    mayHoldNull: value === null,
    mayHoldNan: nan,
    mayHoldValue: bound !== undefined,
  }
}

export function mightMatch(test: Test, type: PrimitiveType, range: ValueRange): boolean {
  switch (test.kind) {
    case 'is-null':
      return range.mayHoldNull
    case 'not-null':
      return range.mayHoldNan || range.mayHoldValue
    case 'comparison':
      return mightCompare(test.operator, test.literal, type, range)
    case 'in':
      return test.literals.some((literal) => mightCompare('=', literal, type, range))
    case 'not-in':
      return (
        range.mayHoldNan ||
        (range.mayHoldValue && !test.literals.some((literal) => isOnly(literal, type, range)))
      )
    case 'starts-with':
      return range.mayHoldValue && mightStartWith(test.prefix, type, range)
    case 'not-starts-with':
      return range.mayHoldValue && !allStartWith(test.prefix, range)
  }
}

function mightCompare(
  operator: ComparisonOperator,
  literal: Value,
  type: PrimitiveType,
  range: ValueRange,
): boolean {
  const { lower, upper, mayHoldNan, mayHoldValue } = range
  // How engines order NaN differs in detail; a literal NaN is rare enough to prune nothing.
  if (Number.isNaN(literal)) return mayHoldNan || (mayHoldValue && operator !== '=')
  const lowerOrder = lower === undefined ? -1 : compare(type, lower, literal)
  const upperOrder = upper === undefined ? 1 : compare(type, upper, literal)
  switch (operator) {
    case '=':
      return mayHoldValue && lowerOrder <= 0 && upperOrder >= 0
    case '<':
      return mayHoldValue && lowerOrder < 0
    case '<=':
      return mayHoldValue && lowerOrder <= 0
    case '>':
      return mayHoldNan || (mayHoldValue && upperOrder > 0)
    case '>=':
      return mayHoldNan || (mayHoldValue && upperOrder >= 0)
    case '!=':
      return mayHoldNan || (mayHoldValue && !isOnly(literal, type, range))
  }
}

/** True when every value of the range equals the literal. */
function isOnly(literal: Value, type: PrimitiveType, { lower, upper }: ValueRange): boolean {
  if (lower === undefined || upper === undefined || Number.isNaN(literal)) return false
  return compare(type, lower, literal) === 0 && compare(type, upper, literal) === 0
}

function mightStartWith(prefix: string, type: PrimitiveType, range: ValueRange): boolean {
  const { lower, upper } = range
  const aboveAll =
    typeof lower === 'string' && compare(type, lower, prefix) > 0 && !lower.startsWith(prefix)
  const belowAll = typeof upper === 'string' && compare(type, upper, prefix) < 0
  return !aboveAll && !belowAll
}

function allStartWith(prefix: string, { lower, upper }: ValueRange): boolean {
  return (
    typeof lower === 'string' &&
    typeof upper === 'string' &&
    lower.startsWith(prefix) &&
    upper.startsWith(prefix)
  )
}

/** The order of SQL, in which -0.0 equals 0.0, unlike in the total order of bounds. */
function compare(type: PrimitiveType, left: Value, right: Value): number {
  if (isFloating(type)) return left < right ? -1 : left > right ? 1 : 0
  return compareValues(type, left, right)
}
