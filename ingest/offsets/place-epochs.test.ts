import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  advanceOffsets,
  formatOffsetMap,
  parseOffsetMap,
  startOffsets,
  type StreamOffsets,
} from './offset-map.ts'
import type { OffsetRange } from './offset-range.ts'
import {
  firstOffsetOf,
  notePlaces,
  type PlaceColumns,
  placedSince,
  placesOf,
} from './place-epochs.ts'

const struct: PlaceColumns = { partition: 3, offset: 4, timestamp: 5 }
const columns: PlaceColumns = { partition: 7, offset: 8 }
const identity = { clusterId: 'c', topicIds: new Map([['t', 'id']]) }

function commit(
  earlier: StreamOffsets | undefined,
  place: PlaceColumns | undefined,
  ranges: readonly OffsetRange[],
): StreamOffsets {
  const starts = ranges.map(({ topic, partition, from = 0n }) => ({
    topic,
    partition,
    position: from,
  }))
  const before = startOffsets(earlier, identity, starts)
  const advanced = ranges.map((each) => ({ ...each, nextOffset: each.to }))
  const after = advanceOffsets(before, identity, advanced)
  return { ...after, places: notePlaces(before, place, ranges) }
}

const range = (from: bigint | undefined, to: bigint, partition = 0): OffsetRange => ({
  topic: 't',
  partition,
  from,
  to,
})
const within = (from: bigint, to: bigint, partition = 0) => ({
  ...range(from, to, partition),
  from,
})

describe('the epochs of a stream', () => {
  it('[P10] are one as long as the same columns are filled', () => {
    const one = commit(undefined, struct, [range(undefined, 10n)])
    const two = commit(one, struct, [range(10n, 20n), range(undefined, 3n, 1)])
    expect(two.places).toEqual([{ columns: struct, since: new Map() }])
    expect(placesOf(two, within(0n, 20n))).toEqual([struct])
  })

  it('[P10] say for each partition from where on rows are in which columns', () => {
    const one = commit(undefined, struct, [range(undefined, 10n), range(undefined, 5n, 1)])
    const two = commit(one, undefined, [range(10n, 20n)])
    const three = commit(two, struct, [range(20n, 30n), range(5n, 9n, 1)])
    expect(placesOf(three, within(0n, 10n))).toEqual([struct])
    expect(placesOf(three, within(9n, 11n))).toEqual([struct, undefined])
    expect(placesOf(three, within(20n, 30n))).toEqual([struct])
    // The partition was idle while rows had no place.
    expect(placesOf(three, within(0n, 9n, 1))).toEqual([struct, struct])
    expect(placedSince(three, 't', 0)).toBe(20n)
  })

  it('[P10] know where a stream began, and what was written by a client that records nothing', () => {
    const late = commit(undefined, struct, [range(20n, 30n)])
    expect(firstOffsetOf(late, 't', 0)).toBe(20n)
    expect(placesOf(late, within(5n, 20n))).toEqual([])
    const { places: _, ...old } = late
    expect(placesOf(old, within(5n, 25n))).toEqual([undefined])
    expect(placesOf(commit(old, struct, [range(30n, 40n)]), within(29n, 31n))).toEqual([
      undefined,
      struct,
    ])
  })

  it('[P10] are never fewer than the columns that rows of a range are in, offsets set back or not', () => {
    const step = fc.record({
      place: fc.constantFrom(struct, columns, undefined),
      partition: fc.integer({ min: 0, max: 1 }),
      back: fc.bigInt({ min: 0n, max: 4n }),
      length: fc.bigInt({ min: 1n, max: 5n }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let offsets: StreamOffsets | undefined
        const next = [0n, 0n]
        const written = new Map<string, Set<PlaceColumns | undefined>>()
        for (const { place, partition, back, length } of steps) {
          const at = next[partition] ?? 0n
          const from = back < at ? at - back : at
          const isNew = offsets?.topics.get('t')?.nextOffsets.get(partition) === undefined
          if (!isNew && from < at) {
            offsets = advanceOffsets(offsets, identity, [
              { topic: 't', partition, nextOffset: from },
            ])
          }
          offsets = commit(offsets, place, [
            range(isNew ? undefined : from, from + length, partition),
          ])
          next[partition] = from + length
          for (let offset = from; offset < from + length; offset++) {
            const key = `${partition}:${offset}`
            written.set(key, (written.get(key) ?? new Set()).add(place))
          }
        }
        if (offsets === undefined) return
        for (const [key, places] of written) {
          const [partition, offset] = key.split(':').map(Number) as [number, number]
          const known = placesOf(offsets, within(BigInt(offset), BigInt(offset) + 1n, partition))
          for (const place of places) {
            const isKnown =
              known.includes(undefined) || known.some((one) => one?.offset === place?.offset)
            expect(isKnown, key).toBe(true)
          }
        }
        expect(offsets.places?.length ?? 0).toBeLessThanOrEqual(9)
        const text = formatOffsetMap(new Map([['s', offsets]]))
        expect(formatOffsetMap(parseOffsetMap(text, 'text'))).toBe(text)
      }),
    )
  })
})
