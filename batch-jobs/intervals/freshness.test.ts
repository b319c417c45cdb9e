import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IntervalConfig } from '../settings/model-settings.ts'
import { doneAfter, dueSpans, firstSpan, freshSpans, type SpanStaleness } from './freshness.ts'
import { covers, intersect, type Span, subtract, union } from './interval.ts'
import type { SourceStates } from './model-state.ts'

const day = 86_400_000
const at = (from: number, to: number): Span => ({ startMs: from * day, endMs: to * day })
const config: IntervalConfig = {
  eventTime: 'ts',
  batchSize: 'day',
  beginMs: 0,
  lookback: 0,
  lambda: false,
  allowPartials: false,
}
const sources = (snapshotId: number): SourceStates =>
  new Map([
    [
      's.t',
      { tableUuid: 'u', snapshotId: BigInt(snapshotId), sequenceNumber: 1n, offsets: undefined },
    ],
  ])
const staleness = (span: Span, changed: SpanStaleness['changed'] = [], id = 1): SpanStaleness => ({
  ...span,
  sources: sources(id),
  changed,
})
const request = { config, staleness: [], nowMs: 5.5 * day, isAnyChanged: false }

describe('firstSpan()', () => {
  it('is what a first run is given', () => {
    for (const allowPartials of [false, true]) {
      const own = { ...config, allowPartials }
      expect([firstSpan(own, 5.5 * day)]).toEqual(dueSpans({ ...request, config: own }))
    }
  })

  it('is the first interval while none is due yet', () => {
    expect(firstSpan({ ...config, beginMs: 9.5 * day }, 5.5 * day)).toEqual(at(9, 10))
    expect(firstSpan({ ...config, beginMs: 5 * day }, 5.5 * day)).toEqual(at(5, 6))
  })
})

describe('dueSpans()', () => {
  it('wants everything from begin to the last whole interval at first', () => {
    expect(dueSpans(request)).toEqual([at(0, 5)])
    expect(dueSpans({ ...request, config: { ...config, beginMs: 1.5 * day } })).toEqual([at(1, 5)])
    expect(dueSpans({ ...request, config: { ...config, beginMs: 9 * day } })).toEqual([])
  })

  it('wants the interval under way too where partial ones are allowed', () => {
    expect(dueSpans({ ...request, config: { ...config, allowPartials: true } })).toEqual([at(0, 6)])
  })

  it('[B3] wants nothing of what is done, and all of what changed since', () => {
    const done = [staleness(at(0, 5))]
    expect(dueSpans({ ...request, staleness: done })).toEqual([])
    const late = [staleness(at(0, 5), [{ startMs: 2.2 * day, endMs: 2.3 * day }])]
    expect(dueSpans({ ...request, staleness: late })).toEqual([at(2, 3)])
    expect(dueSpans({ ...request, staleness: [staleness(at(0, 5), 'unknown')] })).toEqual([
      at(0, 5),
    ])
  })

  it('looks back only when any source has changed', () => {
    const back = { ...config, lookback: 2 }
    const done = [staleness(at(0, 5))]
    expect(dueSpans({ ...request, config: back, staleness: done })).toEqual([])
    expect(dueSpans({ ...request, config: back, staleness: done, isAnyChanged: true })).toEqual([
      at(3, 5),
    ])
  })

  it('takes a window whether it is done or not, widened to whole intervals', () => {
    const window = { startMs: 1.5 * day, endMs: 2.5 * day }
    expect(dueSpans({ ...request, staleness: [staleness(at(0, 5))], window })).toEqual([at(1, 3)])
    expect(dueSpans({ ...request, window: { endMs: 99 * day } })).toEqual([at(0, 5)])
  })

  it('begins anew on a full refresh', () => {
    expect(dueSpans({ ...request, staleness: [staleness(at(0, 5))], fullRefresh: true })).toEqual([
      at(0, 5),
    ])
  })
})

describe('doneAfter()', () => {
  it('takes fresh intervals forward to the new sources and keeps stale ones as they were', () => {
    const before = [staleness(at(0, 3), [at(1, 2)]), staleness(at(3, 4), [], 2)]
    expect(doneAfter('day', before, [at(4, 5)], sources(9))).toEqual([
      { ...at(0, 1), sources: sources(9) },
      { ...at(1, 2), sources: sources(1) },
      { ...at(2, 5), sources: sources(9) },
    ])
  })

  it('[B3] never loses an interval, never calls a stale one fresh', () => {
    const span = fc
      .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 6 }))
      .map(([from, length]) => at(from, from + length))
    const changes = fc.array(span, { maxLength: 3 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(span, changes), { maxLength: 4 }),
        changes,
        (parts, computed) => {
          let free: readonly Span[] = [at(0, 40)]
          const before = parts.flatMap(([each, changed], index) => {
            const own = intersect([each], free)
            free = subtract(free, [each])
            return own.map((one) => staleness(one, changed, index))
          })
          const after = doneAfter('day', before, computed, sources(99))
          const isNew = (states: SourceStates): boolean => states.get('s.t')?.snapshotId === 99n
          const fresh = after.filter((each) => isNew(each.sources))
          const bare = (list: readonly Span[]): readonly Span[] =>
            union(list.map(({ startMs, endMs }) => ({ startMs, endMs })))
          expect(bare(after)).toEqual(bare([...before, ...computed]))
          for (const each of fresh) {
            expect(covers([...freshSpans('day', before), ...computed], each)).toBe(true)
          }
          for (const [index, each] of after.entries()) {
            const next = after[index + 1]
            if (next !== undefined) expect(each.endMs).toBeLessThanOrEqual(next.startMs)
          }
        },
      ),
    )
  })
})
