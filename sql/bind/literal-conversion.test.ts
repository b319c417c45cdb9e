import { describe, expect, it } from 'vitest'
import { isPrimitive, parseType, type PrimitiveType } from '../../catalog/format/index.ts'
import type { ComparisonOperator } from '../../catalog/scan/index.ts'
import type { Constant } from '../text/constant-value.ts'
import { commonConstants, convertComparison } from './literal-conversion.ts'

function exact(text: string, wholeDigits = 10): Constant {
  const [whole = '', fraction = ''] = text.split('.')
  const scale = fraction.length
  return {
    kind: 'exact',
    numerator: BigInt(whole + fraction),
    denominator: 10n ** BigInt(scale),
    wholeDigits,
    scale,
  }
}
const double = (value: number): Constant => ({ kind: 'double', value })
const timestamp = (micros: bigint): Constant => ({ kind: 'timestamp', micros })
const day = 86_400_000_000n

function convert(type: string, operator: ComparisonOperator, constant: Constant): string {
  const parsed = parseType(type)
  if (!isPrimitive(parsed)) throw new Error(type)
  const converted = convertComparison(parsed, operator, constant)
  if (converted === undefined) return 'nothing'
  const { literal } = converted
  return `${converted.operator} ${Object.is(literal, -0) ? '-0' : String(literal)}`
}

describe('[Q3] convertComparison()', () => {
  it.each<[string, ComparisonOperator, Constant, string]>([
    ['int', '=', exact('5'), '= 5'],
    ['int', '>', exact('1.5'), '> 1'],
    ['int', '>=', exact('1.5'), '> 1'],
    ['int', '<', exact('1.5'), '<= 1'],
    ['int', '<=', exact('-1.5'), '<= -2'],
    ['int', '>', exact('-0.5'), '> -1'],
    ['int', '=', exact('1.5'), 'nothing'],
    ['int', '!=', exact('1.5'), 'nothing'],
    ['int', '<', exact('2147483648'), 'nothing'],
    ['long', '=', exact('9007199254740993', 19), '= 9007199254740993'],
    ['long', '=', double(2 ** 53), 'nothing'],
    ['long', '<', double(1.5), '<= 1'],
    ['long', '<', double(Number.NaN), 'nothing'],
    ['long', '<', double(Infinity), 'nothing'],
    ['decimal(9,2)', '=', exact('1.25'), '= 125'],
    ['decimal(9,2)', '>=', exact('1.255'), '> 125'],
    ['decimal(9,2)', '<', exact('-1.255'), '<= -126'],
    ['decimal(9,2)', '=', double(1.25), 'nothing'],
    ['double', '>', exact('0.1'), '> 0.1'],
    ['double', '>', exact('9007199254740993', 19), 'nothing'],
    ['double', '<=', exact('0'), '<= 0'],
    ['double', '>=', exact('0'), '>= -0'],
    ['double', '>', exact('0'), '> -0'],
    ['double', '=', exact('0'), 'nothing'],
    ['float', '=', double(0.1), 'nothing'],
    ['float', '=', double(1.5), '= 1.5'],
    ['float', '=', exact('16777217'), 'nothing'],
    ['date', '>=', timestamp(day), '>= 1'],
    ['date', '>=', timestamp(day + 1n), '> 1'],
    ['date', '<', timestamp(day + 1n), '<= 1'],
    ['date', '<', timestamp(-1n), '<= -1'],
    ['date', '=', timestamp(day + 1n), 'nothing'],
    ['timestamp', '<', { kind: 'date', days: 1 }, '< 86400000000'],
    ['timestamptz', '=', timestamp(7n), '= 7'],
    ['string', '=', { kind: 'string', text: 'x' }, '= x'],
    ['string', '=', exact('5'), 'nothing'],
    ['boolean', '=', { kind: 'boolean', value: true }, '= true'],
    ['time', '=', timestamp(7n), 'nothing'],
  ])('%s %s', (type, operator, constant, expected) => {
    expect(convert(type, operator, constant)).toBe(expected)
  })
})

describe('[Q3] commonConstants()', () => {
  const type = (text: string): PrimitiveType => {
    const parsed = parseType(text)
    if (!isPrimitive(parsed)) throw new Error(text)
    return parsed
  }

  it('makes doubles of all where one is a double', () => {
    const both = [double(9.007199254740992e15), exact('9007199254740992', 19)]
    expect(commonConstants(type('long'), both)).toEqual([
      double(2 ** 53),
      // Not below 2^53, so it is not compared at all.
      double(Number.NaN),
    ])
    expect(commonConstants(type('int'), [double(1.5), exact('7')])).toEqual([
      double(1.5),
      double(7),
    ])
  })

  it('gives up where decimals would need more than 38 digits, or a value is unknown', () => {
    expect(commonConstants(type('long'), [exact('1.5', 38)])).toBeUndefined()
    expect(commonConstants(type('decimal(30,10)'), [exact('1', 38)])).toBeUndefined()
    expect(commonConstants(type('long'), [exact('1', 38)])).toHaveLength(1)
    expect(commonConstants(type('int'), [exact('1'), undefined])).toBeUndefined()
  })
})
