import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRowCoordinates, CoordinatePrefix } from './coordinate-prefix.ts'

const keys = { offset: '$o', timestamp: '$t', partition: '$p', topic: '$$topic' }

describe('CoordinatePrefix', () => {
  it('[J9] writes the place of every record exactly, whatever came before it', () => {
    const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    const near = fc.bigInt({ min: -5n, max: 5n }).map((delta) => 2n ** 53n + delta)
    const place = fc.record({
      topic: fc.constantFrom('a', 'b.c-d_e', 'quote"d\\'),
      partition: fc.nat(),
      offset: fc.oneof(long, near, fc.bigInt({ min: 0n, max: 2_000_000_000n })),
      timestamp: fc.oneof(long, near, fc.constant(1_700_000_000_000n), fc.constant(-1n)),
    })
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 20 }), (places) => {
        const prefix = new CoordinatePrefix(keys)
        const offsets = BigInt64Array.from(places, (p) => p.offset)
        const timestamps = BigInt64Array.from(places, (p) => p.timestamp)
        for (const [index, expected] of places.entries()) {
          prefix.enter(expected.topic, expected.partition)
          prefix.write(offsets, timestamps, index)
          const members = prefix.bytes.subarray(0, prefix.length).toString()
          const row = Buffer.from(`{${members},"x":1}`)
          const found = parseRowCoordinates(row, keys)
          expect(found).toEqual({ ...expected, length: members.length + 2 })
          expect(row.subarray(found.length).toString()).toBe('"x":1}')
        }
      }),
    )
  })

  it('parseRowCoordinates() refuses a row that does not begin with its coordinates', () => {
    expect(() => parseRowCoordinates(Buffer.from('{"x":1}'), keys)).toThrow(
      'does not begin with its coordinates',
    )
  })
})
