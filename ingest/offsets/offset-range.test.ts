import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  containsOffset,
  continuesAt,
  cutRange,
  isSameRange,
  type OffsetRange,
  PartitionRanges,
  rangeSize,
} from './offset-range.ts'

const range = (from: bigint | undefined, to: bigint, partition = 0): OffsetRange => ({
  topic: 't',
  partition,
  from,
  to,
})

describe('an offset range', () => {
  it('is half open', () => {
    expect([4n, 5n, 9n, 10n].map((offset) => containsOffset(range(5n, 10n), offset))).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(containsOffset(range(undefined, 10n), 0n)).toBe(true)
    expect(rangeSize(range(5n, 10n))).toBe(5n)
    expect(rangeSize(range(10n, 5n))).toBe(0n)
    expect(rangeSize(range(undefined, 10n))).toBeUndefined()
  })

  it('continues a reader who stands in it or behind its beginning', () => {
    expect(continuesAt(range(5n, 10n), 5n)).toBe(true)
    expect(continuesAt(range(5n, 10n), 4n)).toBe(false)
    expect(continuesAt(range(5n, 10n), undefined)).toBe(false)
    expect(continuesAt(range(undefined, 10n), undefined)).toBe(true)
  })

  it('is cut so that the rest has exactly the offsets at and beyond the place', () => {
    const offset = fc.bigInt({ min: 0n, max: 20n })
    fc.assert(
      fc.property(fc.option(offset, { nil: undefined }), offset, offset, (from, to, position) => {
        const whole = range(from, to)
        const rest = cutRange(whole, position)
        for (let at = 0n; at <= 20n; at++) {
          const expected = containsOffset(whole, at) && at >= position
          expect(rest !== undefined && containsOffset(rest, at)).toBe(expected)
        }
      }),
    )
    expect(cutRange(range(5n, 10n), undefined)).toEqual(range(5n, 10n))
  })

  it('is the same only with the same partition and ends', () => {
    expect(isSameRange(range(1n, 2n), range(1n, 2n))).toBe(true)
    expect(isSameRange(range(1n, 2n), range(1n, 2n, 1))).toBe(false)
    expect(isSameRange(range(undefined, 2n), range(1n, 2n))).toBe(false)
  })
})

describe('PartitionRanges', () => {
  it('unites what is added to a partition, and begins where the caller says', () => {
    const ranges = new PartitionRanges()
    expect(ranges.isEmpty).toBe(true)
    ranges.extend({ topic: 't', partition: 1 }, 7n, () => 3n)
    ranges.extend({ topic: 't', partition: 0 }, 2n, () => undefined)
    ranges.extend({ topic: 't', partition: 1 }, 9n, () => 100n)
    expect(ranges.all).toEqual([range(3n, 9n, 1), range(undefined, 2n)])
  })

  it('[E4] refuses to go back', () => {
    const ranges = new PartitionRanges()
    ranges.extend({ topic: 't', partition: 0 }, 7n, () => 3n)
    expect(() => ranges.extend({ topic: 't', partition: 0 }, 6n, () => 3n)).toThrow('went back')
    expect(() => ranges.extend({ topic: 't', partition: 1 }, 2n, () => 3n)).toThrow('went back')
  })
})
