import { describe, expect, it } from 'vitest'
import { Ledger } from './ledger.ts'

const delays = (...values: readonly number[]): readonly string[] =>
  values.map((delay) => JSON.stringify({ delay }))

describe('Ledger', () => {
  it('sums what lies below any offsets of any partition', () => {
    const ledger = new Ledger(
      new Map([
        [0, 10n],
        [1, 20n],
      ]),
      1_000,
    )
    ledger.add({ partition: 0, baseOffset: 10n, values: delays(1, 2) })
    ledger.add({ partition: 1, baseOffset: 20n, values: delays(-5) })
    ledger.add({ partition: 0, baseOffset: 12n, values: delays(4) })
    const below = (zero: number, one: number): unknown =>
      ledger.below(
        new Map([
          [0, zero],
          [1, one],
        ]),
      )
    expect(below(10, 20)).toEqual({ count: 30, delaySum: 1_000 })
    expect(below(12, 20)).toEqual({ count: 32, delaySum: 1_003 })
    expect(below(13, 21)).toEqual({ count: 34, delaySum: 1_002 })
    expect(below(14, 21)).toBeUndefined()
    expect(below(9, 21)).toBeUndefined()
    expect(ledger.below(new Map([[0, 10]]))).toBeUndefined()
  })

  it('takes appends in the order of the log only', () => {
    const ledger = new Ledger(new Map([[0, 10n]]), 0)
    expect(() => ledger.add({ partition: 0, baseOffset: 11n, values: delays(1) })).toThrow(
      'follows 10',
    )
    expect(() => ledger.add({ partition: 3, baseOffset: 0n, values: [] })).toThrow('partition 3')
  })
})
