import { describe, expect, it } from 'vitest'
import { buildOrder, downstreamOf, upstreamOf } from './graph.ts'
import type { Model } from './model.ts'
import { selectModels } from './select.ts'

/** a -> b -> c -> d, a -> e */
const models = [
  model('a', [], 'models/raw/a.sql', ['daily']),
  model('b', ['a'], 'models/raw/b.sql', []),
  model('c', ['b'], 'models/marts/c.sql', ['daily', 'slow']),
  model('d', ['c'], 'models/marts/d.sql', []),
  model('e', ['a'], 'models/marts/e.sql', ['slow']),
]

function model(name: string, dependsOn: readonly string[], file: string, tags: readonly string[]) {
  const config = { materialized: name === 'e' ? 'incremental' : 'table', tags }
  return { kind: 'model', name, dependsOn, file, config } as unknown as Model
}

function names(select: readonly string[], exclude: readonly string[] = []): string {
  return selectModels(models, select, exclude)
    .map(({ name }) => name)
    .join('')
}

describe('buildOrder()', () => {
  it('puts every model after those it reads', () => {
    const ordered = buildOrder([...models].reverse()).map(({ name }) => name)
    expect(ordered).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('names the circle', () => {
    const nodes = [
      { name: 'x', dependsOn: ['y'] },
      { name: 'y', dependsOn: ['z'] },
      { name: 'z', dependsOn: ['y'] },
    ]
    expect(() => buildOrder(nodes)).toThrow(/in a circle: y -> z -> y/)
  })

  it('follows edges both ways', () => {
    expect([...upstreamOf(models, ['d'])].sort()).toEqual(['a', 'b', 'c'])
    expect([...downstreamOf(models, ['a'])].sort()).toEqual(['b', 'c', 'd', 'e'])
  })
})

describe('selectModels()', () => {
  it.each([
    [[], 'abcde'],
    [['c'], 'c'],
    [['+c'], 'abc'],
    [['c+'], 'cd'],
    [['+c+'], 'abcd'],
    [['1+c'], 'bc'],
    [['a+1'], 'abe'],
    [['a+2'], 'abce'],
    [['b e'], 'be'],
    [['tag:daily'], 'ac'],
    [['tag:daily,tag:slow'], 'c'],
    [['tag:slow', 'b'], 'bce'],
    [['path:models/raw'], 'ab'],
    [['path:models/marts/'], 'cde'],
    [['path:models/*/c.sql'], 'c'],
    [['config.materialized:incremental'], 'e'],
    [['*'], 'abcde'],
    [['tag:none'], ''],
  ])('understands %j', (select, expected) => {
    expect(names(select)).toBe(expected)
  })

  it('takes away what is excluded', () => {
    expect(names([], ['b+'])).toBe('ae')
    expect(names(['+d'], ['tag:daily'])).toBe('bd')
  })

  it('refuses a name that is none, and unknown ways to select', () => {
    expect(() => names(['nope'])).toThrow(/no model is named "nope"/)
    expect(() => names(['sate:modified'])).toThrow(/unknown way to select "sate:"/)
  })
})
