import { describe, expect, it } from 'vitest'
import { parseConsumeRange, resolveMark } from './consume-range.ts'

const january = Date.UTC(2026, 0, 1)
const february = Date.UTC(2026, 1, 1, 12, 30)
const now = Date.UTC(2026, 2, 1)
const hour = 3_600_000

describe('parseConsumeRange()', () => {
  it.each([
    [[], { start: { kind: 'earliest' } }],
    [['start'], { start: { kind: 'earliest' } }],
    [['beginning'], { start: { kind: 'earliest' } }],
    [['end'], { start: { kind: 'latest' } }],
    [['100'], { start: { kind: 'absolute', offset: 100n } }],
    [['+5'], { start: { kind: 'from-start', offset: 5n } }],
    [['-5'], { start: { kind: 'from-end', offset: 5n } }],
    [
      ['100:200'],
      { start: { kind: 'absolute', offset: 100n }, end: { kind: 'absolute', offset: 200n } },
    ],
    [['7:end'], { start: { kind: 'absolute', offset: 7n }, end: { kind: 'latest' } }],
    [['@2026-01-01'], { start: { kind: 'time', timestampMs: january } }],
    [
      ['@2026-01-01T00:00:00Z:2026-02-01T12:30:00Z'],
      {
        start: { kind: 'time', timestampMs: january },
        end: { kind: 'time', timestampMs: february },
      },
    ],
    [
      ['@2026-01-01:end'],
      { start: { kind: 'time', timestampMs: january }, end: { kind: 'latest' } },
    ],
    [[':200'], { start: { kind: 'earliest' }, end: { kind: 'absolute', offset: 200n } }],
    [[':end'], { start: { kind: 'earliest' }, end: { kind: 'latest' } }],
    [['100:'], { start: { kind: 'absolute', offset: 100n } }],
    [['@2026-01-01:'], { start: { kind: 'time', timestampMs: january } }],
    [
      ['@:2026-01-01'],
      { start: { kind: 'earliest' }, end: { kind: 'time', timestampMs: january } },
    ],
    [['@-1h'], { start: { kind: 'time', timestampMs: now - hour } }],
    [
      ['@-2h:-1h'],
      {
        start: { kind: 'time', timestampMs: now - 2 * hour },
        end: { kind: 'time', timestampMs: now - hour },
      },
    ],
    [
      ['@2026-01-01:1h'],
      {
        start: { kind: 'time', timestampMs: january },
        end: { kind: 'time', timestampMs: january + hour },
      },
    ],
    [
      ['s@2026-01-01', 'e@1769949000000'],
      {
        start: { kind: 'time', timestampMs: january },
        end: { kind: 'time', timestampMs: february },
      },
    ],
  ])('reads %j', (words, range) => {
    expect(parseConsumeRange(words, now)).toEqual(range)
  })

  it.each([
    ['begining'],
    ['@yesterday'],
    ['1:x'],
    ['s@'],
    ['jsn'],
    ['stored'],
    [':'],
    ['@:'],
    ['@-1'],
  ])('refuses %s', (word) => {
    expect(() => parseConsumeRange([word], now)).toThrow(/not (an offset|a time): /)
  })
})

describe('resolveMark()', () => {
  const bounds = { earliest: 10n, latest: 20n }
  it('never leaves the log', () => {
    expect(resolveMark({ kind: 'absolute', offset: 5n }, bounds, undefined)).toBe(10n)
    expect(resolveMark({ kind: 'absolute', offset: 99n }, bounds, undefined)).toBe(20n)
    expect(resolveMark({ kind: 'from-end', offset: 3n }, bounds, undefined)).toBe(17n)
    expect(resolveMark({ kind: 'from-end', offset: 99n }, bounds, undefined)).toBe(10n)
    expect(resolveMark({ kind: 'from-start', offset: 2n }, bounds, undefined)).toBe(12n)
    expect(resolveMark({ kind: 'time', timestampMs: 0 }, bounds, 13n)).toBe(13n)
    expect(resolveMark({ kind: 'time', timestampMs: 0 }, bounds, undefined)).toBe(20n)
  })
})
