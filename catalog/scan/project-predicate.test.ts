import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyTransform } from '../format/transform.ts'
import { parseTransform } from '../format/transform-text.ts'
import type { PartitionSpec, PrimitiveType, Value } from '../format/types.ts'
import type { Predicate, Test } from './predicate.ts'
import { projectPredicate } from './project-predicate.ts'
import { partitionMightMatch } from './prune.ts'

function project(transform: string, type: PrimitiveType, test: Test): Test | 'always-true' {
  const spec: PartitionSpec = {
    specId: 0,
    fields: [{ sourceId: 1, fieldId: 1000, name: 'p', transform: parseTransform(transform) }],
  }
  const predicate: Predicate = { kind: 'test', fieldId: 1, type, test }
  const projected = projectPredicate(predicate, spec, [type])
  return projected.kind === 'test' ? projected.test : 'always-true'
}
const compare = (operator: '=' | '!=' | '<' | '<=' | '>' | '>=', literal: Value): Test => ({
  kind: 'comparison',
  operator,
  literal,
})
const timestamp: PrimitiveType = { type: 'timestamp' }
const string: PrimitiveType = { type: 'string' }
const day = 86_400_000_000n

describe('projectPredicate()', () => {
  it('turns strict comparisons into inclusive ones under transforms that keep order', () => {
    expect(project('day', timestamp, compare('<', 3n * day))).toEqual(compare('<=', 3))
    expect(project('day', timestamp, compare('>', 3n * day + 5n))).toEqual(compare('>=', 3))
    expect(project('truncate[2]', string, compare('<=', 'abc'))).toEqual(compare('<=', 'ab'))
  })

  it('looks one value further before 1970, where writers of old rounded up', () => {
    expect(project('day', timestamp, compare('=', -1n))).toEqual({ kind: 'in', literals: [-1, 0] })
    expect(project('month', timestamp, compare('<', -1n))).toEqual(compare('<=', 0))
    expect(project('day', timestamp, compare('>', -1n))).toEqual(compare('>=', -1))
    expect(project('truncate[10]', { type: 'int' }, compare('=', -1))).toEqual({
      kind: 'in',
      literals: [-10],
    })
  })

  it('tells nothing of !=, of void, of ranges under bucket, of later transforms', () => {
    expect(project('day', timestamp, compare('!=', 0n))).toBe('always-true')
    expect(project('bucket[4]', string, compare('<', 'a'))).toBe('always-true')
    expect(project('bucket[4]', string, compare('!=', 'a'))).toBe('always-true')
    expect(project('void', string, compare('=', 'a'))).toBe('always-true')
    expect(project('zorder[2]', string, compare('=', 'a'))).toBe('always-true')
  })

  it('shortens prefixes to the width of truncate, by code point', () => {
    const prefix = (text: string): Test => ({ kind: 'starts-with', prefix: text })
    expect(project('truncate[3]', string, prefix('ab'))).toEqual(prefix('ab'))
    expect(project('truncate[2]', string, prefix('\u{1F600}b'))).toEqual(prefix('\u{1F600}b'))
    expect(project('truncate[1]', string, prefix('\u{1F600}b'))).toEqual(compare('=', '\u{1F600}'))
    const not: Test = { kind: 'not-starts-with', prefix: 'ab' }
    expect(project('truncate[3]', string, not)).toBe('always-true')
  })

  it('[F21] finds the least numbers in the partition that they wrapped into', () => {
    const edge = fc.oneof(
      fc.nat(40),
      fc.nat(40).map((n) => 2 ** 32 - 1 - n),
      fc.nat(2 ** 32 - 1),
    )
    const operators = ['=', '!=', '<', '<=', '>', '>='] as const
    const holds = (left: bigint, operator: (typeof operators)[number], right: bigint): boolean => {
      if (operator === '=') return left === right
      if (operator === '!=') return left !== right
      if (operator.endsWith('=') && left === right) return true
      return operator.startsWith('<') ? left < right : left > right
    }
    let kept = 0
    let wrapped = 0
    const property = fc.property(
      fc.constantFrom('int' as const, 'long' as const),
      fc.integer({ min: 1, max: 30 }),
      fc.constantFrom(...operators),
      edge,
      edge,
      (name, width, operator, one, two) => {
        // Both edges of either type: the upper half of the draws is moved to the end of the long.
        const place = (at: number): Value => {
          if (name === 'int') return at - 2 ** 31
          return at < 2 ** 31 ? BigInt(at) - 2n ** 63n : BigInt(at - 2 ** 32) + 2n ** 63n
        }
        const [row, literal] = [place(one), place(two)]
        if (!holds(BigInt(row as bigint), operator, BigInt(literal as bigint))) return
        const transform = { kind: 'truncate' as const, width }
        const type: PrimitiveType = { type: name }
        const spec = { specId: 0, fields: [{ sourceId: 1, fieldId: 1000, name: 'p', transform }] }
        const predicate: Predicate = {
          kind: 'test',
          fieldId: 1,
          type,
          test: compare(operator, literal),
        }
        const partition = applyTransform(transform, type, row)
        kept++
        if (partition !== null && partition > row) wrapped++
        const projected = projectPredicate(predicate, spec, [type])
        expect(partitionMightMatch([partition], projected)).toBe(true)
      },
    )
    fc.assert(property, { numRuns: 1000 })
    expect(kept).toBeGreaterThan(300)
    expect(wrapped).toBeGreaterThan(20)
  })

  it('keeps null tests under every transform but void', () => {
    const isNull: Test = { kind: 'is-null' }
    for (const transform of ['identity', 'bucket[4]', 'truncate[2]']) {
      expect(project(transform, string, isNull)).toEqual(isNull)
    }
    expect(project('hour', timestamp, { kind: 'not-null' })).toEqual({ kind: 'not-null' })
    expect(project('void', string, isNull)).toBe('always-true')
  })
})
