import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareUtf8, decodeValue } from '../format/single-value.ts'
import type { Schema } from '../format/types.ts'
import { lowerBoundFor, metricsModes, upperBoundFor } from './metrics-mode.ts'
import {
  truncateBinaryLower,
  truncateBinaryUpper,
  truncateStringLower,
  truncateStringUpper,
} from './truncate-bounds.ts'

describe('truncateStringUpper()', () => {
  it.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'abd'],
    ['ab\u{10FFFF}d', 3, 'ac'],
    ['\u{10FFFF}\u{10FFFF}', 1, undefined],
    ['aaaaaaaaaaaaaaa\u{1F600}x', 16, 'aaaaaaaaaaaaaaa\u{1F601}'],
    ['\uD7FFx', 1, '\uE000'],
    ['\uFFFFx', 1, '\u{10000}'],
  ])('[F27] shortens %j to %i code points as %j', (text, width, expected) => {
    expect(truncateStringUpper(text, width)).toBe(expected)
  })

  it('[F27] [F29] bounds the whole string from both sides, whatever it is', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 })
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 6 }), (value, width) => {
        expect(compareUtf8(truncateStringLower(value, width), value)).toBeLessThanOrEqual(0)
        const upper = truncateStringUpper(value, width)
        if (upper === undefined) return
        expect(compareUtf8(upper, value)).toBeGreaterThanOrEqual(0)
        expect(Array.from(upper).length).toBeLessThanOrEqual(width)
      }),
    )
  })
})

describe('truncateBinaryUpper()', () => {
  it('[F27] shortens by byte, grows, or gives up', () => {
    expect(truncateBinaryUpper(Uint8Array.of(1, 2, 3), 2)).toEqual(Uint8Array.of(1, 3))
    expect(truncateBinaryUpper(Uint8Array.of(1, 255, 3), 2)).toEqual(Uint8Array.of(2))
    expect(truncateBinaryUpper(Uint8Array.of(255, 255, 3), 2)).toBeUndefined()
    expect(truncateBinaryUpper(Uint8Array.of(255, 255), 2)).toEqual(Uint8Array.of(255, 255))
    expect(truncateBinaryLower(Uint8Array.of(1, 2, 3), 2)).toEqual(Uint8Array.of(1, 2))
  })
})

describe('metricsModes()', () => {
  const schema: Schema = {
    schemaId: 0,
    identifierFieldIds: [],
    fields: [
      { id: 1, name: 'a', required: false, type: { type: 'string' } },
      {
        id: 2,
        name: 's',
        required: false,
        type: {
          type: 'struct',
          fields: [{ id: 3, name: 'b', required: false, type: { type: 'long' } }],
        },
      },
      {
        id: 4,
        name: 'l',
        required: false,
        type: { type: 'list', elementId: 5, elementRequired: false, element: { type: 'long' } },
      },
    ],
  }
  it('takes truncate(16), and only counts inside lists', () => {
    expect([...metricsModes(schema, {})]).toEqual([
      [1, { kind: 'truncate', width: 16 }],
      [3, { kind: 'truncate', width: 16 }],
      [5, { kind: 'counts' }],
    ])
  })
  it('honours default, column and number of inferred columns', () => {
    const modes = metricsModes(schema, {
      'write.metadata.metrics.default': 'counts',
      'write.metadata.metrics.column.s.b': 'full',
    })
    expect(modes.get(1)).toEqual({ kind: 'counts' })
    expect(modes.get(3)).toEqual({ kind: 'full' })
    const few = metricsModes(schema, { 'write.metadata.metrics.max-inferred-column-defaults': '1' })
    expect(few.get(3)).toEqual({ kind: 'none' })
  })
  it('names the property of a mode that does not exist', () => {
    for (const property of ['default', 'column.a'].map((end) => `write.metadata.metrics.${end}`)) {
      expect(() => metricsModes(schema, { [property]: 'truncate(0)' })).toThrow(
        `property=${property}`,
      )
    }
  })
})

describe('lowerBoundFor() and upperBoundFor()', () => {
  const truncate16 = { kind: 'truncate', width: 16 } as const
  it('[F30] never make a bound of NaN, and none where the mode keeps none', () => {
    expect(lowerBoundFor({ type: 'double' }, Number.NaN, truncate16)).toBeUndefined()
    expect(upperBoundFor({ type: 'double' }, Number.NaN, { kind: 'full' })).toBeUndefined()
    expect(lowerBoundFor({ type: 'long' }, 1n, { kind: 'counts' })).toBeUndefined()
  })
  it('[F29] take the outer one of the two zeros', () => {
    const type = { type: 'double' } as const
    const lower = lowerBoundFor(type, 0, truncate16) ?? new Uint8Array()
    const upper = upperBoundFor(type, -0, truncate16) ?? new Uint8Array()
    expect([decodeValue(type, lower), decodeValue(type, upper)]).toEqual([-0, 0])
  })
  it('[F27] shorten strings and binaries, not fixed or uuid', () => {
    const long = 'x'.repeat(20)
    expect(lowerBoundFor({ type: 'string' }, long, truncate16)).toHaveLength(16)
    expect(upperBoundFor({ type: 'binary' }, new Uint8Array(20), truncate16)).toHaveLength(16)
    expect(
      lowerBoundFor({ type: 'fixed', length: 20 }, new Uint8Array(20), truncate16),
    ).toHaveLength(20)
    expect(upperBoundFor({ type: 'string' }, long, { kind: 'full' })).toHaveLength(20)
    const highest = '\u{10FFFF}'.repeat(20)
    expect(upperBoundFor({ type: 'string' }, highest, truncate16)).toBeUndefined()
  })
})
