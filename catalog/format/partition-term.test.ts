import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  firstPiece,
  formatPartitionTerm,
  parsePartitionTerm,
  partitionTermList,
} from './partition-term.ts'
import type { Transform } from './types.ts'

describe('parsePartitionTerm()', () => {
  it.each([
    ['day(ts)', 'ts', { kind: 'day' }],
    ['days(ts)', 'ts', { kind: 'day' }],
    ['date(ts)', 'ts', { kind: 'day' }],
    ['MONTH ( ts )', 'ts', { kind: 'month' }],
    ['day("odd name")', 'odd name', { kind: 'day' }],
    ['day(odd name)', 'odd name', { kind: 'day' }],
    ['region', 'region', { kind: 'identity' }],
    ['a,b', 'a,b', { kind: 'identity' }],
    ['"a(b"', 'a(b', { kind: 'identity' }],
    ['identity(a.b)', 'a.b', { kind: 'identity' }],
    ['void(id)', 'id', { kind: 'void' }],
    ['bucket(16,id)', 'id', { kind: 'bucket', buckets: 16 }],
    ['bucket(id, 16)', 'id', { kind: 'bucket', buckets: 16 }],
    ['bucket(16, "a,b")', 'a,b', { kind: 'bucket', buckets: 16 }],
    ['bucket(16, `a``b)`)', 'a`b)', { kind: 'bucket', buckets: 16 }],
    ['bucket(4, "16")', '16', { kind: 'bucket', buckets: 4 }],
    ['bucket("16", 4)', '16', { kind: 'bucket', buckets: 4 }],
    [' truncate( 10 , name ) ', 'name', { kind: 'truncate', width: 10 }],
  ])('reads %s', (text, column, transform) => {
    expect(parsePartitionTerm(text)).toEqual({ text, column, transform })
  })

  it.each([
    ['day(ts) as d', 'ts', 'd'],
    ['bucket(16, id) AS shard', 'id', 'shard'],
    ['region as "of the day"', 'region', 'of the day'],
    ['"as" as `a``s`', 'as', 'a`s'],
    ['odd name as x', 'odd name', 'x'],
    ['as', 'as', undefined],
    ['as as as', 'as', 'as'],
    ['has', 'has', undefined],
    ['a as b c', 'a as b c', undefined],
    ['"a as b"', 'a as b', undefined],
  ])('reads the name of the field in %s', (text, column, name) => {
    expect(parsePartitionTerm(text)).toMatchObject({ column, ...(name && { name }) })
    expect(parsePartitionTerm(text).name).toBe(name)
  })

  it.each([
    ['dya(ts)', 'unknown partition transform "dya", did you mean day (character 4)'],
    ['identitys(id)', 'unknown partition transform "identitys", did you mean identity'],
    ['voids(id)', 'unknown partition transform "voids", did you mean void'],
    ['week(ts)', 'unknown partition transform "week"'],
    ['bucket(id)', '"," is missing before ")" (character 10)'],
    ['bucket(id, name)', 'bucket takes a number and a column'],
    ['bucket(0,id)', 'the number is 1 to 2147483647'],
    ['truncate(2147483648, id)', 'the number is 1 to 2147483647'],
    ['bucket(16, )', 'a column name is missing (character 12)'],
    ['day(ts', '")" is missing at the end (character 7)'],
    ['day()', 'a column name is missing (character 5)'],
    ['day(a,b)', '")" is missing before ",b)"'],
    ['day(ts) x', '"x" is left over (character 9)'],
    ['day(ts) as', '"as" is left over (character 9)'],
    ['day(ts) as 5', 'the name behind "as" is missing (character 12)'],
    ['day(ts) as d e', '"e" is left over (character 14)'],
    ['day("ts)', 'a quoted name does not end (character 5)'],
    ['""', 'a quoted name is empty'],
    ['', 'a column name is missing'],
    [')', 'a column name is missing'],
  ])('refuses %s', (text, reason) => {
    expect(() => parsePartitionTerm(text)).toThrow(reason)
    expect(() => parsePartitionTerm(text)).toThrow('write day(ts), bucket(16, id)')
  })

  it('reads back what formatPartitionTerm() writes, whatever the column is called', () => {
    const transform: fc.Arbitrary<Transform> = fc.oneof(
      fc.constantFrom('identity', 'void', 'year', 'month', 'day', 'hour').map((kind) => ({ kind })),
      fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((buckets) => ({ kind: 'bucket', buckets })),
      fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((width) => ({ kind: 'truncate', width })),
    ) as never
    const column = fc.oneof(
      fc.string({ minLength: 1, unit: 'binary' }),
      fc.string({
        minLength: 1,
        unit: fc.constantFrom('a', '1', '"', '`', ',', '.', '(', ')', ' '),
      }),
    )
    fc.assert(
      fc.property(column, transform, fc.option(column), (of, kind, as) => {
        const term = { column: of, transform: kind, ...(as === null ? {} : { name: as }) }
        const text = formatPartitionTerm(term)
        expect(parsePartitionTerm(text)).toEqual({ text, ...term })
        expect(partitionTermList.split(`${text}, ${text}`)).toEqual([text, text])
      }),
    )
  })
})

describe('partitionTermList', () => {
  it('joins what commas of a flow list cut', () => {
    const { join } = partitionTermList
    expect(join(['day(ts)', 'bucket(16', 'id)', 'x'])).toEqual(['day(ts)', 'bucket(16,id)', 'x'])
    expect(join(['bucket(16', 'id'])).toEqual(['bucket(16,id'])
    expect(join(['bucket(16, "a(b")', 'x'])).toEqual(['bucket(16, "a(b")', 'x'])
  })
  it('splits one text at the commas between terms', () => {
    expect(partitionTermList.split('day(ts), bucket(16, "a, b"),x,')).toEqual([
      'day(ts)',
      'bucket(16, "a, b")',
      'x',
    ])
  })
  it('firstPiece() finds where a term was written', () => {
    const pieces = ['day(ts)', 'bucket(16', 'id)', 'truncate(2,x)', 'y']
    expect([0, 1, 2, 3].map((term) => firstPiece(term, pieces))).toEqual([0, 1, 3, 4])
    expect(firstPiece(1, [])).toBe(0)
  })
})
