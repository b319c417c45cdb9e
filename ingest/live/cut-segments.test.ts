import { describe, expect, it } from 'vitest'
import { cutSegments } from './cut-segments.ts'

const segment = (
  ...ranges: readonly (readonly [number, bigint | undefined, bigint])[]
): {
  readonly ranges: readonly {
    readonly topic: string
    readonly partition: number
    readonly from: bigint | undefined
    readonly to: bigint
  }[]
} => ({ ranges: ranges.map(([partition, from, to]) => ({ topic: 't', partition, from, to })) })

const cut = (
  segments: readonly ReturnType<typeof segment>[],
  stored: Readonly<Record<number, bigint>>,
): string => {
  const { pieces, next, gaps } = cutSegments(segments, ({ partition }) => stored[partition])
  const read = segments.map((each) =>
    (pieces.get(each) ?? []).map(({ partition, from, to }) => `${partition}:${from}-${to}`),
  )
  const ends = [...next].map(([key, offset]) => `${key}@${offset}`)
  return `${read.map((each) => `[${each.join(' ')}]`).join('')} ${ends.join(' ')} gaps ${gaps.join(' ')}`
}

describe('cutSegments()', () => {
  it('[L3] goes on where the snapshot ends, in each partition', () => {
    const segments = [
      segment([0, 5n, 10n], [1, 0n, 3n]),
      segment([0, 10n, 20n]),
      segment([1, 3n, 9n]),
    ]
    expect(cut(segments, { 0: 5n, 1: 3n })).toBe('[0:5-10][0:10-20][1:3-9] t:0@20 t:1@9 gaps ')
    expect(cut(segments, { 0: 12n, 1: 9n })).toBe('[][0:12-20][] t:0@20 t:1@9 gaps ')
  })

  it('[L3] takes rows before the first commit, and of partitions that the snapshot does not know', () => {
    const segments = [segment([0, undefined, 10n]), segment([0, 10n, 12n], [1, undefined, 4n])]
    expect(cut(segments, {})).toBe('[0:undefined-10][0:10-12 1:undefined-4] t:0@12 t:1@4 gaps ')
    expect(cut(segments, { 0: 11n })).toBe('[][0:11-12 1:undefined-4] t:0@12 t:1@4 gaps ')
  })

  it('[L3] ends at a gap, for good, and says so', () => {
    const segments = [segment([0, 5n, 10n]), segment([0, 12n, 20n]), segment([0, 10n, 30n])]
    expect(cut(segments, { 0: 5n })).toBe('[0:5-10][][] t:0@10 gaps t:0')
    expect(cut(segments, { 0: 4n })).toBe('[][][] t:0@4 gaps t:0')
    // The table was emptied or rolled back to before the first commit.
    expect(cut(segments, {})).toBe('[][][]  gaps t:0')
  })
})
