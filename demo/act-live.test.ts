import { describe, expect, it } from 'vitest'
import { type Answer, checkAnswers } from './act-live.ts'
import { Ledger } from './ledger.ts'

const ledger = new Ledger(new Map([[0, 10n]]), 100)
ledger.add({ partition: 0, baseOffset: 10n, values: ['{"delay":1}', '{"delay":2}'] })

function answer(next: number, count: number, delaySum: number, committed = 10): Answer {
  return { count, delaySum, committed, offsets: new Map([[0, next]]), newestArrivalAgeMs: 1 }
}

const failed = (...answers: readonly Answer[]): readonly string[] =>
  checkAnswers(answers, ledger, 12)
    .filter(({ passed }) => !passed)
    .map(({ name }) => name)

describe('checkAnswers()', () => {
  it('passes answers that are the ledger at their own offsets, live ones among them', () => {
    expect(failed(answer(10, 10, 100), answer(11, 11, 101), answer(12, 12, 103))).toEqual([])
  })

  it('fails for a row too many, one missing, a wrong sum, and offsets of nowhere', () => {
    const last = answer(12, 12, 103)
    for (const wrong of [answer(11, 12, 101), answer(12, 11, 103), answer(12, 12, 104)]) {
      expect(failed(wrong, last)).toEqual(['answers'])
    }
    expect(failed(answer(13, 13, 103), last)).toEqual(['answers'])
    expect(failed({ ...last, offsets: new Map() }, last)).toEqual(['answers'])
  })

  it('fails without live rows, without the last record, and without answers', () => {
    expect(failed(answer(12, 12, 103, 12))).toEqual(['live rows'])
    expect(failed(answer(11, 11, 101))).toEqual(['everything'])
    expect(failed()).toEqual(['answers', 'live rows', 'everything'])
  })
})
