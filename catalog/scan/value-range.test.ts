import { describe, expect, it } from 'vitest'
import type { Value } from '../format/types.ts'
import type { ComparisonOperator } from './expression.ts'
import { mightMatch, rangeOf, type ValueRange } from './value-range.ts'

const double = { type: 'double' } as const
const test = (operator: ComparisonOperator, literal: Value, range: ValueRange): boolean =>
  mightMatch({ kind: 'comparison', operator, literal }, double, range)

describe('mightMatch()', () => {
  it('[F20] takes the two zeros as equal, as SQL does, though bounds order them', () => {
    expect(test('=', 0, rangeOf(-0))).toBe(true)
    expect(test('=', -0, rangeOf(0))).toBe(true)
    expect(test('<', 0, rangeOf(-0))).toBe(false)
    expect(test('<=', -0, rangeOf(0))).toBe(true)
    expect(test('!=', 0, rangeOf(-0))).toBe(false)
    expect(mightMatch({ kind: 'in', literals: [0] }, double, rangeOf(-0))).toBe(true)
  })

  it('[F30] keeps rows of NaN for what is above every number', () => {
    const nan = rangeOf(Number.NaN)
    expect(test('>', 1e308, nan)).toBe(true)
    expect(test('>=', 1e308, nan)).toBe(true)
    expect(test('!=', 1, nan)).toBe(true)
    expect(test('=', Number.NaN, nan)).toBe(true)
    expect(test('<', 1e308, nan)).toBe(false)
    expect(test('=', 1, nan)).toBe(false)
    expect(mightMatch({ kind: 'not-null' }, double, nan)).toBe(true)
    expect(mightMatch({ kind: 'is-null' }, double, nan)).toBe(false)
  })

  it('keeps null for null tests only', () => {
    const none = rangeOf(null)
    expect(mightMatch({ kind: 'is-null' }, double, none)).toBe(true)
    expect(mightMatch({ kind: 'not-null' }, double, none)).toBe(false)
    expect(test('!=', 1, none)).toBe(false)
    expect(test('>', 1, none)).toBe(false)
  })
})
