import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { civilFromDays, daysFromCivil, formatTimestamp } from './calendar.ts'
import {
  compareValues,
  decodeDecimal,
  decodeValue,
  encodeDecimal,
  encodeValue,
  formatDecimal,
  parseDecimal,
  valueFromJson,
  valueToJson,
} from './single-value.ts'
import { isPrimitive, parseType } from './type-text.ts'
import type { PrimitiveType, Value } from './types.ts'

const type = (text: string): PrimitiveType => {
  const parsed = parseType(text)
  if (!isPrimitive(parsed)) throw new Error(text)
  return parsed
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Spec, "Appendix D: Single-value serialization": type, value, binary form, JSON form. */
const table: readonly (readonly [string, Value, string, unknown])[] = [
  ['boolean', true, '01', true],
  ['boolean', false, '00', false],
  ['int', 34, '22000000', 34],
  ['int', -1, 'ffffffff', -1],
  ['long', 34n, '2200000000000000', 34n],
  ['long', 9007199254740993n, '0100000000002000', 9007199254740993n],
  ['float', 1.0, '0000803f', 1],
  ['double', 1.0, '000000000000f03f', 1],
  ['double', -0, '0000000000000080', -0],
  ['date', 17486, '4e440000', '2017-11-16'],
  ['time', 81068123456n, '406509e012000000', '22:31:08.123456'],
  ['timestamp', 1510871468123456n, '40a5282d215e0500', '2017-11-16T22:31:08.123456'],
  ['timestamptz', 1510871468123456n, '40a5282d215e0500', '2017-11-16T22:31:08.123456+00:00'],
  ['timestamp', -1n, 'ffffffffffffffff', '1969-12-31T23:59:59.999999'],
  ['string', 'iceberg', '69636562657267', 'iceberg'],
  [
    'uuid',
    'f79c3e09-677c-4bbd-a479-3f349cb785e7',
    'f79c3e09677c4bbda4793f349cb785e7',
    'f79c3e09-677c-4bbd-a479-3f349cb785e7',
  ],
  ['fixed[4]', Uint8Array.of(0, 1, 2, 255), '000102ff', '000102ff'],
  ['binary', Uint8Array.of(0, 1, 2, 255), '000102ff', '000102ff'],
  ['decimal(9,2)', 1420n, '058c', '14.20'],
  ['decimal(9,2)', -1n, 'ff', '-0.01'],
  ['decimal(9,2)', 128n, '0080', '1.28'],
]

describe('encodeValue()', () => {
  it.each(table)('[F26] writes %s %s as %s, and reads it back', (text, value, bytes, json) => {
    expect(hex(encodeValue(type(text), value))).toBe(bytes)
    const back = decodeValue(type(text), Buffer.from(bytes, 'hex'))
    expect(back instanceof Uint8Array ? hex(back) : back).toEqual(
      value instanceof Uint8Array ? hex(value) : value,
    )
    expect(valueToJson(type(text), value)).toEqual(json)
    expect(compareValues(type(text), valueFromJson(type(text), json as never), value)).toBe(0)
  })
})

describe('decodeValue()', () => {
  it('[F9] reads bounds of before a promotion at their old width', () => {
    expect(decodeValue(type('long'), encodeValue(type('int'), -7))).toBe(-7n)
    expect(decodeValue(type('double'), encodeValue(type('float'), 0.5))).toBe(0.5)
    expect(decodeValue(type('decimal(20,2)'), encodeDecimal(-105n))).toBe(-105n)
    expect(decodeValue(type('timestamp'), encodeValue(type('date'), 1))).toBe(86_400_000_000n)
  })
  it.each(['int', 'long', 'float', 'double', 'uuid', 'boolean'])(
    'refuses a width that %s never has',
    (text) => expect(() => decodeValue(type(text), new Uint8Array(3))).toThrow(/width/),
  )
  it('[F26] keeps any decimal through its minimal form', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }), (unscaled) => {
        const bytes = encodeDecimal(unscaled)
        expect(decodeDecimal(bytes)).toBe(unscaled)
        if (bytes.length > 1) {
          expect(BigInt.asIntN(8 * (bytes.length - 1), unscaled)).not.toBe(unscaled)
        }
        expect(parseDecimal(formatDecimal(unscaled, 5), 5)).toBe(unscaled)
      }),
    )
  })
})

describe('compareValues()', () => {
  it('[F28] orders strings as their UTF-8 bytes', () => {
    const units = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(units, units, (left, right) => {
        const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right))
        expect(Math.sign(compareValues(type('string'), left, right))).toBe(bytes)
      }),
      { numRuns: 2000 },
    )
    expect(compareValues(type('string'), '\uFF5E', '\u{1F600}')).toBeLessThan(0)
  })
  it('puts -0.0 before 0.0 and NaN last', () => {
    const order = [Number.NaN, 1, -0, 0, -Infinity, Infinity]
    const sorted = order.sort((left, right) => compareValues(type('double'), left, right))
    expect(sorted.map((value) => (Object.is(value, -0) ? '-0' : String(value)))).toEqual([
      '-Infinity',
      '-0',
      '0',
      '1',
      'Infinity',
      'NaN',
    ])
  })
  it('orders uuids, bytes and whole numbers', () => {
    expect(compareValues(type('long'), 2n ** 53n, 2n ** 53n + 1n)).toBe(-1)
    expect(compareValues(type('binary'), Uint8Array.of(127), Uint8Array.of(128))).toBe(-1)
    expect(compareValues(type('binary'), Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(-1)
  })
})

describe('calendar', () => {
  it('agrees with Date over its whole range', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000_000, max: 100_000_000 }), (days) => {
        const date = new Date(days * 86_400_000)
        const civil = civilFromDays(days)
        expect(civil).toEqual({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
        })
        expect(daysFromCivil(civil)).toBe(days)
      }),
    )
  })
  it('writes the whole range of 64-bit microseconds and reads it back', () => {
    const micros = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    fc.assert(
      fc.property(micros, (value) => {
        expect(valueFromJson(type('timestamp'), formatTimestamp(value))).toBe(value)
      }),
    )
  })
})

describe('valueFromJson()', () => {
  it.each([
    ['date', '2023-02-29'],
    ['date', '2023-13-01'],
    ['time', '24:00:00'],
    ['timestamp', '2023-01-01T00:00:00Z'],
    ['timestamptz', '2023-01-01T00:00:00'],
    ['decimal(9,2)', '1.005'],
    ['int', 1.5],
    ['uuid', 'f79c3e09'],
    ['binary', 'abc'],
    ['boolean', 'true'],
  ])('refuses as %s the value %s', (text, json) => {
    expect(() => valueFromJson(type(text), json)).toThrow(/not a value of this type/)
  })
  it('reads a zone', () => {
    expect(valueFromJson(type('timestamptz'), '2017-11-16T14:31:08.000001-08:00')).toBe(
      1510871468000001n,
    )
  })
})
