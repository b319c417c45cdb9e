import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partitionPath } from './partition-path.ts'
import { valueFromJson } from './single-value.ts'
import { applyTransform, canTransform, hashValue, transformResultType } from './transform.ts'
import { formatTransform, parseTransform } from './transform-text.ts'
import { isPrimitive, parseType } from './type-text.ts'
import type { PrimitiveType, Schema, Value } from './types.ts'

const type = (text: string): PrimitiveType => {
  const parsed = parseType(text)
  if (!isPrimitive(parsed)) throw new Error(text)
  return parsed
}
const apply = (transform: string, typeText: string, value: Value | null): Value | null =>
  applyTransform(parseTransform(transform), type(typeText), value)

describe('hashValue()', () => {
  it.each([
    ['int', 34, 2017239379],
    ['long', 34n, 2017239379],
    ['decimal(9,2)', '14.20', -500754589],
    ['date', '2017-11-16', -653330422],
    ['time', '22:31:08', -662762989],
    ['timestamp', '2017-11-16T22:31:08', -2047944441],
    ['timestamp', '2017-11-16T22:31:08.000001', -1207196810],
    ['timestamptz', '2017-11-16T14:31:08-08:00', -2047944441],
    ['timestamptz', '2017-11-16T14:31:08.000001-08:00', -1207196810],
    ['string', 'iceberg', 1210000089],
    ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 1488055340],
    ['fixed[4]', '00010203', -188683207],
    ['binary', '00010203', -188683207],
  ])('[F21] hashes %s %s as Appendix B says', (text, json, hash) => {
    expect(hashValue(type(text), valueFromJson(type(text), json))).toBe(hash)
  })
})

describe('applyTransform()', () => {
  it('[F21] truncates towards minus infinity and by code points', () => {
    expect(apply('truncate[10]', 'int', 1)).toBe(0)
    expect(apply('truncate[10]', 'int', -1)).toBe(-10)
    expect(apply('truncate[10]', 'long', -1n)).toBe(-10n)
    expect(apply('truncate[50]', 'decimal(9,2)', 1065n)).toBe(1050n)
    expect(apply('truncate[50]', 'decimal(9,2)', -1065n)).toBe(-1100n)
    expect(apply('truncate[3]', 'string', 'iceberg')).toBe('ice')
    expect(apply('truncate[2]', 'string', 'a\u{1F600}b')).toBe('a\u{1F600}')
    expect(apply('truncate[2]', 'binary', Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2))
  })

  it('[F21] wraps around where the multiple leaves the type, as the writers of Java do', () => {
    expect(apply('truncate[10]', 'long', -(2n ** 63n))).toBe(2n ** 63n - 2n)
    expect(apply('truncate[10]', 'long', 7n - 2n ** 63n)).toBe(2n ** 63n - 2n)
    expect(apply('truncate[10]', 'long', 8n - 2n ** 63n)).toBe(8n - 2n ** 63n)
    expect(apply('truncate[16]', 'long', -(2n ** 63n))).toBe(-(2n ** 63n))
    expect(apply('truncate[10]', 'int', -(2 ** 31))).toBe(2 ** 31 - 2)
    expect(apply('truncate[10]', 'int', 2 ** 31 - 1)).toBe(2 ** 31 - 8)
    // Decimals have no such bounds.
    const least = -(2n ** 63n)
    expect(apply('truncate[10]', 'decimal(38,2)', least)).toBe(-9223372036854775810n)
  })

  it('[F21] floors times before 1970', () => {
    expect(apply('year', 'date', -1)).toBe(-1)
    expect(apply('month', 'date', -1)).toBe(-1)
    expect(apply('day', 'timestamp', -1n)).toBe(-1)
    expect(apply('hour', 'timestamptz', -1n)).toBe(-1)
    expect(apply('hour', 'timestamp', -3_600_000_001n)).toBe(-2)
    const at = valueFromJson(type('timestamp'), '2017-12-01T10:12:55.038194')
    expect(apply('year', 'timestamp', at)).toBe(47)
    expect(apply('month', 'timestamp', at)).toBe(575)
    expect(apply('day', 'timestamp', at)).toBe(17501)
    expect(apply('hour', 'timestamp', at)).toBe(420034)
  })

  it('[F20] keeps null null and -0.0 apart from 0.0', () => {
    for (const transform of ['identity', 'void', 'bucket[4]', 'truncate[2]']) {
      expect(apply(transform, 'string', null)).toBeNull()
    }
    expect(apply('void', 'string', 'a')).toBeNull()
    expect(apply('identity', 'double', -0)).toBe(-0)
  })

  it('[F21] gives buckets within range', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 2 ** 31 - 1 }), (text, buckets) => {
        const bucket = apply(`bucket[${buckets}]`, 'string', text)
        expect(bucket).toBeGreaterThanOrEqual(0)
        expect(bucket).toBeLessThan(buckets)
      }),
    )
    expect(apply('bucket[16]', 'string', 'iceberg')).toBe((1210000089 & 0x7fffffff) % 16)
  })
})

describe('parseTransform()', () => {
  it.each(['identity', 'void', 'bucket[16]', 'truncate[4]', 'day', 'zorder[2]'])(
    'reads back %s',
    (text) => expect(formatTransform(parseTransform(text))).toBe(text),
  )
  it('keeps a transform of a later spec as its text', () => {
    expect(parseTransform('zorder[2]')).toEqual({ kind: 'unknown', text: 'zorder[2]' })
  })
  it.each(['bucket[0]', 'truncate[99999999999]'])('refuses %s', (text) => {
    expect(() => parseTransform(text)).toThrow(/positive 32-bit/)
  })
})

describe('canTransform()', () => {
  it.each([
    ['bucket[4]', 'double', false],
    ['bucket[4]', 'uuid', true],
    ['truncate[4]', 'date', false],
    ['hour', 'date', false],
    ['hour', 'timestamptz', true],
    ['day', 'string', false],
    ['identity', 'float', true],
  ])('%s of %s: %s', (transform, text, allowed) => {
    expect(canTransform(parseTransform(transform), type(text))).toBe(allowed)
  })
  it('gives day partitions the type date, others int', () => {
    expect(transformResultType({ kind: 'day' }, type('timestamp'))).toEqual({ type: 'date' })
    expect(transformResultType({ kind: 'hour' }, type('timestamp'))).toEqual({ type: 'int' })
    expect(transformResultType({ kind: 'identity' }, type('uuid'))).toEqual({ type: 'uuid' })
  })
})

describe('partitionPath()', () => {
  const schema: Schema = {
    schemaId: 0,
    identifierFieldIds: [],
    fields: ['timestamp', 'string', 'decimal(9,2)', 'timestamptz', 'binary'].map((text, index) => ({
      id: index + 1,
      name: `c${index + 1}`,
      required: false,
      type: type(text),
    })),
  }
  const path = (transform: string, sourceId: number, value: Value | null): string =>
    partitionPath(
      {
        specId: 0,
        fields: [{ sourceId, fieldId: 1000, name: 'p', transform: parseTransform(transform) }],
      },
      schema,
      [value],
    )
  it.each([
    ['day', 1, -1, 'p=1969-12-31'],
    ['hour', 1, -1, 'p=1969-12-31-23'],
    ['month', 1, 575, 'p=2017-12'],
    ['month', 1, -1, 'p=1969-12'],
    ['year', 1, 47, 'p=2017'],
    ['bucket[4]', 2, 3, 'p=3'],
    ['identity', 2, null, 'p=null'],
    ['identity', 2, 'a b/c=ä*~', 'p=a+b%2Fc%3D%C3%A4*%7E'],
    ['identity', 2, '..', 'p=..'],
    ['identity', 3, -105n, 'p=-1.05'],
    ['identity', 4, 0n, 'p=1970-01-01T00%3A00%3A00Z'],
    ['identity', 5, Uint8Array.of(255), 'p=%2Fw%3D%3D'],
  ])('writes %s of column %i, %s, as %s', (transform, column, value, expected) => {
    expect(path(transform, column, value)).toBe(expected)
  })
})
