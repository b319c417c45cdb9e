import { describe, expect, it } from 'vitest'
import { parseTransform } from '../spec/transform-text.ts'
import type { PartitionSpec, PrimitiveType, Value } from '../spec/types.ts'
import type { Predicate, Test } from './predicate.ts'
import { projectPredicate } from './project-predicate.ts'

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

  it('keeps null tests under every transform but void', () => {
    const isNull: Test = { kind: 'is-null' }
    for (const transform of ['identity', 'bucket[4]', 'truncate[2]']) {
      expect(project(transform, string, isNull)).toEqual(isNull)
    }
    expect(project('hour', timestamp, { kind: 'not-null' })).toEqual({ kind: 'not-null' })
    expect(project('void', string, isNull)).toBe('always-true')
  })
})
