import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDeclaredType, parseDeclaredType, type DeclaredType } from './declared-type.ts'

const leaf: fc.Arbitrary<DeclaredType> = fc.oneof(
  fc.constantFrom<DeclaredType>({ type: 'long' }, { type: 'string' }, { type: 'timestamptz' }),
  fc.record({ type: fc.constant('fixed' as const), length: fc.integer({ min: 1, max: 99 }) }),
  fc
    .tuple(fc.integer({ min: 1, max: 38 }), fc.integer({ min: 0, max: 38 }))
    .filter(([precision, scale]) => scale <= precision)
    .map(([precision, scale]) => ({ type: 'decimal' as const, precision, scale })),
)
const anyType = fc.letrec<{ type: DeclaredType }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('type').map((element): DeclaredType => ({ type: 'list', element, elementRequired: false })),
    fc
      .tuple(tie('type'), tie('type'))
      .map(([key, value]): DeclaredType => ({ type: 'map', key, value, valueRequired: false })),
    fc.uniqueArray(tie('type'), { minLength: 1, maxLength: 3 }).map(
      (types): DeclaredType => ({
        type: 'struct',
        fields: types.map((type, index) => ({ name: `f ${index}`, type, required: false })),
      }),
    ),
  ),
})).type

describe('parseDeclaredType()', () => {
  it('reads every simple and nested form of the text', () => {
    expect(parseDeclaredType('decimal(9, 2)')).toEqual({ type: 'decimal', precision: 9, scale: 2 })
    expect(parseDeclaredType('fixed[16]')).toEqual({ type: 'fixed', length: 16 })
    expect(parseDeclaredType('LONG')).toEqual({ type: 'long' })
    expect(parseDeclaredType('map<string,long>')).toEqual({
      type: 'map',
      key: { type: 'string' },
      value: { type: 'long' },
      valueRequired: false,
    })
    expect(parseDeclaredType('list<struct<a: int, b: string>>')).toEqual({
      type: 'list',
      elementRequired: false,
      element: {
        type: 'struct',
        fields: [
          { name: 'a', type: { type: 'int' }, required: false },
          { name: 'b', type: { type: 'string' }, required: false },
        ],
      },
    })
  })

  it("reads the shape of Iceberg's type json", () => {
    const type = parseDeclaredType({
      type: 'struct',
      fields: [
        { name: 'id', type: 'long', required: 'true', doc: 'key' },
        { name: 'tags', type: { type: 'list', element: 'string', 'element-required': 'true' } },
      ],
    })
    expect(type).toEqual({
      type: 'struct',
      fields: [
        { name: 'id', type: { type: 'long' }, required: true, doc: 'key' },
        {
          name: 'tags',
          type: { type: 'list', element: { type: 'string' }, elementRequired: true },
          required: false,
        },
      ],
    })
  })

  it('reads back what formatDeclaredType() writes', () => {
    fc.assert(
      fc.property(anyType, (type) => {
        expect(parseDeclaredType(formatDeclaredType(type))).toEqual(type)
      }),
    )
  })

  it.each([
    ['bigint', 'unknown type "bigint", did you mean long'],
    ['strng', 'unknown type "strng", did you mean string'],
    ['timestamp_ns', 'type timestamp_ns is not in this release'],
    ['decimal(39,2)', 'precision is 1 to 38'],
    ['decimal(4,5)', 'scale is at most the precision'],
    ['list<int', '">" is missing at the end'],
    ['list<int>>', '">" is left over'],
    ['struct<a int>', '":" expected before "int>"'],
    ['struct<a: int, a: long>', 'field "a" is declared twice'],
    ['', 'a name is missing'],
    [`${'list<'.repeat(40)}int${'>'.repeat(40)}`, 'nested deeper than 32 levels'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseDeclaredType(text)).toThrow(reason)
  })

  it('refuses unknown and missing keys of the json shape', () => {
    expect(() => parseDeclaredType({ type: 'list' })).toThrow('"element" is missing')
    expect(() => parseDeclaredType({ type: 'list', elemnt: 'int' })).toThrow(
      'unknown key "elemnt" in a type, did you mean element',
    )
  })
})
