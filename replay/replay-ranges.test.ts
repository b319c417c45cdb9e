import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamOffsets } from '../ingest/index.ts'
import {
  type LogFacts,
  parseRecordCoordinates,
  type ReplayFrom,
  ReplayRefusedError,
  type ReplayUntil,
  requestText,
  resolveRanges,
} from './replay-ranges.ts'

const committed = (next: readonly bigint[]): StreamOffsets => ({
  clusterId: 'c',
  topics: new Map([['t', { topicId: 'i', nextOffsets: new Map(next.map((n, p) => [p, n])) }]]),
})

const log = (
  bounds: readonly (readonly [bigint, bigint])[],
  times: readonly (bigint | undefined)[] = [],
): LogFacts => {
  const byTime = new Map(times.map((offset, p) => [`t:${p}`, offset]))
  return {
    bounds: new Map(bounds.map(([earliest, latest], p) => [`t:${p}`, { earliest, latest }])),
    fromTimes: byTime,
    untilTimes: byTime,
  }
}

const place = (partition: number, offset: bigint) => ({ topic: 't', partition, offset })
const latest: ReplayUntil = { kind: 'latest' }

describe('resolveRanges()', () => {
  it('[P1] takes from the log what it still has, up to what the table holds', () => {
    const facts = log([
      [5n, 100n],
      [0n, 70n],
      [30n, 30n],
    ])
    const found = resolveRanges(committed([80n, 60n, 30n]), { kind: 'earliest' }, latest, facts)
    expect(found).toEqual([
      { topic: 't', partition: 0, from: 5n, to: 80n },
      { topic: 't', partition: 1, from: 0n, to: 60n },
    ])
  })

  it('takes only the partitions that are named, to the end that each has', () => {
    const facts = log([
      [0n, 100n],
      [0n, 100n],
    ])
    const from: ReplayFrom = { kind: 'offsets', coordinates: [place(1, 10n), place(0, 20n)] }
    const until: ReplayUntil = { kind: 'offsets', coordinates: [place(1, 15n)] }
    expect(resolveRanges(committed([80n, 60n]), from, until, facts)).toEqual([
      { topic: 't', partition: 0, from: 20n, to: 80n },
      { topic: 't', partition: 1, from: 10n, to: 15n },
    ])
  })

  it('takes a time for the first offset at or after it, and none for the end of the table', () => {
    const facts = log(
      [
        [0n, 100n],
        [0n, 100n],
      ],
      [40n, undefined],
    )
    const from: ReplayFrom = { kind: 'time', timestampMs: 1 }
    expect(resolveRanges(committed([80n, 60n]), from, latest, facts)).toEqual([
      { topic: 't', partition: 0, from: 40n, to: 80n },
    ])
    const until: ReplayUntil = { kind: 'time', timestampMs: 1 }
    expect(resolveRanges(committed([30n, 60n]), { kind: 'earliest' }, until, facts)).toEqual([
      { topic: 't', partition: 0, from: 0n, to: 30n },
      { topic: 't', partition: 1, from: 0n, to: 60n },
    ])
  })

  it.each([
    ['retention', place(0, 4n), place(0, 10n), /no longer holds the range/],
    ['beyond the table', place(0, 10n), place(0, 81n), /beyond what the table holds/],
    ['an unknown partition', place(3, 10n), place(0, 20n), /holds nothing of/],
    ['an empty range', place(0, 10n), place(0, 10n), /nothing to replay/],
  ])('[P1] refuses %s', (_, from, to, message) => {
    const asked = [
      { kind: 'offsets', coordinates: [from] },
      { kind: 'offsets', coordinates: [to] },
    ] as const
    const resolve = () => resolveRanges(committed([80n]), asked[0], asked[1], log([[5n, 100n]]))
    expect(resolve).toThrow(ReplayRefusedError)
    expect(resolve).toThrow(message)
  })

  it('[P1] never gives a range that the table does not hold or the log has lost', () => {
    const offset = fc.bigInt({ min: 0n, max: 50n })
    fc.assert(
      fc.property(offset, offset, offset, offset, offset, (next, first, length, from, to) => {
        const facts = log([[first, first + length]])
        const begin: ReplayFrom = { kind: 'offsets', coordinates: [place(0, from)] }
        const until: ReplayUntil = { kind: 'offsets', coordinates: [place(0, to)] }
        try {
          const [range] = resolveRanges(committed([next]), begin, until, facts)
          expect(range).toEqual({ topic: 't', partition: 0, from, to })
          expect(from >= first && from < to && to <= next && to <= first + length).toBe(true)
        } catch (error) {
          if (!(error instanceof ReplayRefusedError)) throw error
          expect(from < first || from >= to || to > next || to > first + length).toBe(true)
        }
      }),
    )
  })
})

describe('the words of a request', () => {
  it('are the same whatever the order of the flags', () => {
    const from = (coordinates: readonly ReturnType<typeof place>[]): ReplayFrom => ({
      kind: 'offsets',
      coordinates,
    })
    const one = requestText(from([place(0, 1n), place(1, 2n)]), latest)
    expect(one).toBe('t:0=1,t:1=2 until latest')
    expect(requestText(from([place(1, 2n), place(0, 1n)]), latest)).toBe(one)
  })

  it('name a place as topic:partition=offset', () => {
    expect(parseRecordCoordinates('a.b-c:12=9007199254740993')).toEqual({
      topic: 'a.b-c',
      partition: 12,
      offset: 9007199254740993n,
    })
    for (const text of ['t=5', 't:x=5', 't:0=-1', ':0=1']) {
      expect(() => parseRecordCoordinates(text)).toThrow(/expected topic:partition=offset/)
    }
  })
})
