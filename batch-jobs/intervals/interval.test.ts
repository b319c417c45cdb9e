import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  alignOut,
  ceilTo,
  coarsen,
  covers,
  floorTo,
  formatSpan,
  intersect,
  overlaps,
  shift,
  type Span,
  sqlTime,
  subtract,
  union,
} from './interval.ts'

const span = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 12 }))
  .map(([startMs, length]): Span => ({ startMs, endMs: startMs + length }))
const spans = fc.array(span, { maxLength: 8 })

/** The moments of spans, one by one: slow and plain. */
function moments(list: readonly Span[]): readonly number[] {
  const found = new Set<number>()
  for (const { startMs, endMs } of list) {
    for (let ms = startMs; ms < endMs; ms++) found.add(ms)
  }
  return [...found].sort((a, b) => a - b)
}

describe('spans', () => {
  it('are sets of moments: union, difference, intersection, cover', () => {
    fc.assert(
      fc.property(spans, spans, span, (a, b, one) => {
        const [inA, inB] = [new Set(moments(a)), new Set(moments(b))]
        expect(moments(union(a))).toEqual(moments(a))
        expect(moments(subtract(a, b))).toEqual(
          [...inA].filter((ms) => !inB.has(ms)).sort((x, y) => x - y),
        )
        expect(moments(intersect(a, b))).toEqual(
          [...inA].filter((ms) => inB.has(ms)).sort((x, y) => x - y),
        )
        expect(covers(a, one)).toBe(moments([one]).every((ms) => inA.has(ms)))
        expect(overlaps(union(a), one)).toBe(moments([one]).some((ms) => inA.has(ms)))
      }),
    )
  })

  it('are disjoint, apart and in order after union, and few after coarsen', () => {
    fc.assert(
      fc.property(spans, fc.integer({ min: 1, max: 5 }), (a, count) => {
        const joined = union(a)
        for (const [index, each] of joined.entries()) {
          expect(each.startMs).toBeLessThan(each.endMs)
          const next = joined[index + 1]
          if (next !== undefined) expect(each.endMs).toBeLessThan(next.startMs)
        }
        const coarse = coarsen(a, count)
        expect(coarse.length).toBeLessThanOrEqual(count)
        expect(joined.every((each) => covers(coarse, each))).toBe(true)
      }),
    )
  })

  it('fill the narrowest gap first', () => {
    const at = (startMs: number, endMs: number): Span => ({ startMs, endMs })
    expect(coarsen([at(0, 1), at(9, 10), at(11, 12)], 2)).toEqual([at(0, 1), at(9, 12)])
  })
})

describe('units', () => {
  it.each([
    ['hour', '2024-02-29T13:45:10Z', '2024-02-29T13:00:00Z', '2024-02-29T14:00:00Z'],
    ['day', '2024-02-29T13:45:10Z', '2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['month', '2024-02-29T13:45:10Z', '2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['month', '2024-12-31T23:59:59Z', '2024-12-01T00:00:00Z', '2025-01-01T00:00:00Z'],
    ['year', '1969-07-20T20:17:40Z', '1969-01-01T00:00:00Z', '1970-01-01T00:00:00Z'],
    ['day', '1969-12-31T23:00:00Z', '1969-12-31T00:00:00Z', '1970-01-01T00:00:00Z'],
  ] as const)('%s of %s', (unit, at, start, end) => {
    expect(floorTo(unit, Date.parse(at))).toBe(Date.parse(start))
    expect(ceilTo(unit, Date.parse(at))).toBe(Date.parse(end))
    expect(ceilTo(unit, Date.parse(start))).toBe(Date.parse(start))
    expect(shift(unit, Date.parse(end), -1)).toBe(Date.parse(start))
  })

  it('cover what they were aligned from', () => {
    const unit = fc.constantFrom('hour', 'day', 'month', 'year')
    fc.assert(
      fc.property(
        unit,
        fc.integer({ min: -4e12, max: 4e12 }),
        fc.integer({ min: 1, max: 1e10 }),
        (u, startMs, ms) => {
          const aligned = alignOut(u, { startMs, endMs: startMs + ms })
          expect(aligned.startMs).toBeLessThanOrEqual(startMs)
          expect(aligned.endMs).toBeGreaterThanOrEqual(startMs + ms)
          expect(floorTo(u, aligned.startMs)).toBe(aligned.startMs)
          expect(floorTo(u, aligned.endMs)).toBe(aligned.endMs)
        },
      ),
    )
  })

  it('are written as SQL and people write them', () => {
    const at = Date.parse('2024-01-02T03:04:05.678Z')
    expect(sqlTime(at)).toBe('2024-01-02 03:04:05.678')
    expect(sqlTime(Date.parse('2024-01-02'))).toBe('2024-01-02 00:00:00')
    expect(formatSpan({ startMs: 0, endMs: at })).toBe(
      '[1970-01-01T00:00:00Z, 2024-01-02T03:04:05.678Z)',
    )
  })
})
