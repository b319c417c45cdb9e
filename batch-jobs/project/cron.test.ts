import { describe, expect, it } from 'vitest'
import { checkCron, hasTickBetween } from './cron.ts'

const at = (text: string): number => Date.parse(`${text}Z`)

describe('hasTickBetween()', () => {
  it.each([
    ['0 * * * *', '2026-01-01T00:00:00', '2026-01-01T00:59:59', false],
    ['0 * * * *', '2026-01-01T00:00:00', '2026-01-01T01:00:00', true],
    ['0 * * * *', '2026-01-01T01:00:00', '2026-01-01T01:00:30', false],
    ['0 * * * *', '2025-12-31T23:59:59.999', '2026-01-01T00:00:00', true],
    ['30 2 * * *', '2026-03-29T00:00:00', '2026-03-29T02:31:00', true],
    ['30 2 * * *', '2026-03-29T02:30:00', '2026-03-30T02:29:59', false],
    ['0 0 1 * *', '2026-01-01T00:00:00', '2026-01-31T23:59:00', false],
    ['0 0 1 * *', '2026-01-01T00:00:00', '2026-02-01T00:00:00', true],
    ['0 0 * * 1', '2026-01-05T00:00:00', '2026-01-11T23:59:00', false],
    ['*/10 * * * * *', '2026-01-01T00:00:01', '2026-01-01T00:00:09', false],
    ['*/10 * * * * *', '2026-01-01T00:00:01', '2026-01-01T00:00:10', true],
    ['*/20 8-10 * * *', '2026-01-01T10:40:00', '2026-01-02T07:59:59', false],
    ['*/20 8-10 * * *', '2026-01-01T10:39:59', '2026-01-02T07:59:59', true],
    ['0 0 L * *', '2026-02-01T00:00:00', '2026-02-27T23:59:59', false],
    ['0 0 L * *', '2026-02-01T00:00:00', '2026-02-28T00:00:00', true],
    ['0 0 29 2 *', '2020-01-01T00:00:00', '2026-01-01T00:00:00', true],
  ])('%s after %s until %s: %s', (expression, after, until, expected) => {
    expect(hasTickBetween(expression, at(after), at(until))).toBe(expected)
  })
})

describe('checkCron()', () => {
  it('refuses what is no cron expression', () => {
    expect(() => checkCron('*/5 * * * *', 'models/a.sql')).not.toThrow()
    expect(() => checkCron('every day', 'models/a.sql')).toThrow(
      /models\/a\.sql: not a cron expression: "every day"/,
    )
    expect(() => checkCron('61 * * * *', 'm')).toThrow(/not a cron/)
  })
})
