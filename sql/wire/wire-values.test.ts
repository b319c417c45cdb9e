import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SqlValue } from '../session/values.ts'
import { readWireValue, wireValue } from './wire-values.ts'

const plain = { noNullPrototype: true } as const
const { value } = fc.letrec<{ value: SqlValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<SqlValue>(null, true, false, -0, Number.NaN, Number.POSITIVE_INFINITY),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.record({ kind: fc.constant('decimal' as const), text: fc.string() }, plain),
    fc.record(
      { kind: fc.constant('temporal' as const), text: fc.string(), iso: fc.string() },
      plain,
    ),
    fc.record({ kind: fc.constant('list' as const), items: fc.array(tie('value')) }, plain),
    fc.record(
      {
        kind: fc.constant('struct' as const),
        entries: fc.array(fc.tuple(fc.string(), tie('value'))),
      },
      plain,
    ),
    fc.record(
      {
        kind: fc.constant('map' as const),
        entries: fc.array(fc.tuple(tie('value'), tie('value'))),
      },
      plain,
    ),
  ),
}))

describe('wireValue()', () => {
  it('[Q6] comes back as the same value through plain JSON', () => {
    fc.assert(
      fc.property(value, (original) => {
        const json: unknown = JSON.parse(JSON.stringify(wireValue(original)))
        expect(readWireValue(json as never)).toStrictEqual(original)
      }),
    )
  })

  it('refuses what it does not know', () => {
    expect(() => readWireValue({ constructor: 1 })).toThrow('unknown kind: kind=constructor')
    expect(() => readWireValue({ s: 1 })).toThrow('not whole')
    expect(() => readWireValue(5 as never)).toThrow('unknown kind')
  })
})
