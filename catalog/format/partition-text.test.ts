import { describe, expect, it } from 'vitest'
import { firstPiece, joinTerms, parsePartitionTerm } from './partition-text.ts'

describe('parsePartitionTerm()', () => {
  it.each([
    ['day(ts)', { column: 'ts', transform: { kind: 'day' } }],
    ['days(ts)', { column: 'ts', transform: { kind: 'day' } }],
    ['date(ts)', { column: 'ts', transform: { kind: 'day' } }],
    ['day("odd name")', { column: 'odd name', transform: { kind: 'day' } }],
    ['region', { column: 'region', transform: { kind: 'identity' } }],
    ['identity(a.b)', { column: 'a.b', transform: { kind: 'identity' } }],
    ['bucket(16,id)', { column: 'id', transform: { kind: 'bucket', buckets: 16 } }],
    ['bucket(id, 16)', { column: 'id', transform: { kind: 'bucket', buckets: 16 } }],
    [' truncate( 10 , name ) ', { column: 'name', transform: { kind: 'truncate', width: 10 } }],
  ])('reads %s', (text, term) => {
    expect(parsePartitionTerm(text)).toEqual({ text, ...term })
  })

  it.each([
    ['dya(ts)', 'unknown partition transform "dya", did you mean day'],
    ['bucket(id)', 'not a partition term'],
    ['bucket(0,id)', 'the number is 1 or more'],
    ['day(ts', 'not a partition term'],
    ['day()', 'not a partition term'],
    ['day(a,b)', 'not a partition term'],
  ])('refuses %s', (text, reason) => {
    expect(() => parsePartitionTerm(text)).toThrow(reason)
  })

  it('joinTerms() mends what commas of a flow list cut', () => {
    expect(joinTerms(['day(ts)', 'bucket(16', 'id)', 'x'])).toEqual([
      'day(ts)',
      'bucket(16,id)',
      'x',
    ])
    expect(joinTerms(['bucket(16', 'id'])).toEqual(['bucket(16,id'])
  })
  it('firstPiece() finds where a term was written', () => {
    const pieces = ['day(ts)', 'bucket(16', 'id)', 'truncate(2,x)', 'y']
    expect([0, 1, 2, 3].map((term) => firstPiece(term, pieces))).toEqual([0, 1, 3, 4])
    expect(firstPiece(1, [])).toBe(0)
  })
})
