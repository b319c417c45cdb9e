import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatType, parseType } from './type-text.ts'
import type { Type } from './types.ts'

const leaf: fc.Arbitrary<Type> = fc.oneof(
  fc.constantFrom<Type>({ type: 'long' }, { type: 'string' }, { type: 'timestamptz' }),
  fc.record({ type: fc.constant('fixed' as const), length: fc.integer({ min: 1, max: 99 }) }),
  fc
    .tuple(fc.integer({ min: 1, max: 38 }), fc.integer({ min: 0, max: 38 }))
    .filter(([precision, scale]) => scale <= precision)
    .map(([precision, scale]) => ({ type: 'decimal' as const, precision, scale })),
)
const fieldName = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.string({ minLength: 1, unit: fc.constantFrom('a', '1', '"', '`', ',', '.', ':', '>', ' ') }),
)
const anyType = fc.letrec<{ type: Type }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('type').map(
      (element): Type => ({ type: 'list', elementId: 0, element, elementRequired: false }),
    ),
    fc.tuple(tie('type'), tie('type')).map(
      ([key, value]): Type => ({
        type: 'map',
        keyId: 0,
        key,
        valueId: 0,
        value,
        valueRequired: false,
      }),
    ),
    fc
      .uniqueArray(fc.tuple(fieldName, tie('type')), {
        minLength: 1,
        maxLength: 3,
        selector: ([name]) => name,
      })
      .map(
        (fields): Type => ({
          type: 'struct',
          fields: fields.map(([name, type]) => ({ id: 0, name, type, required: false })),
        }),
      ),
  ),
})).type

describe('parseType()', () => {
  it('reads back what formatType() writes, whatever the fields are called', () => {
    fc.assert(
      fc.property(anyType, (type) => {
        expect(parseType(formatType(type))).toEqual(type)
      }),
    )
  })

  it.each([
    ['decimal(9,2)', 'decimal(9, 2)'],
    ['fixed(16)', 'fixed[16]'],
    ['fixed[ 16 ]', 'fixed[16]'],
    [' LONG\n', 'long'],
    ['map<string,long>', 'map<string, long>'],
    ['list<struct<a: int, `b c`: string>>', 'list<struct<a: int, "b c": string>>'],
  ])('reads %j', (text, formatted) => {
    expect(formatType(parseType(text))).toBe(formatted)
  })

  it.each([
    ['bigint', 'unknown type "bigint", did you mean long (character 7)'],
    ['strng', 'unknown type "strng", did you mean string'],
    ['constructor', 'unknown type "constructor"'],
    ['timestamp_ns', 'type timestamp_ns is not in this release'],
    ['decimal(39,2)', 'precision is 1 to 38'],
    ['decimal(4,5)', 'scale is at most the precision'],
    ['decimal(9)', '"," is missing before ")" (character 10)'],
    ['fixed[0]', 'a fixed has at least 1 byte'],
    ['fixed(16]', '")" is missing before "]"'],
    ['list<int', '">" is missing at the end (character 9)'],
    ['list<int>>', '">" is left over'],
    ['struct<a int>', '":" is missing before "int>"'],
    ['struct<a: int, a: long>', 'field "a" is declared twice'],
    ['', 'the name of a type is missing'],
    [`${'list<'.repeat(40)}int${'>'.repeat(40)}`, 'nested deeper than 32 levels'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseType(text)).toThrow(reason)
  })
})
