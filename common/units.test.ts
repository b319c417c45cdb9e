import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

describe('units', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1_500],
    ['7d', 604_800_000],
  ])('parseDuration() reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    ['0B', 0],
    ['64KB', 64_000],
    ['128MB', 128_000_000],
    ['128MiB', 134_217_728],
    ['1.5gb', 1_500_000_000],
  ])('parseSize() reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it('parseDuration() refuses a bare number and says which units there are', () => {
    expect(() => parseDuration('10')).toThrow('a bare number has no unit: write 10s for seconds')
    expect(() => parseDuration('10x')).toThrow('units ms, s, m, h, d')
    expect(() => parseDuration('')).toThrow('not a duration')
    expect(() => parseDuration('-5s')).toThrow('not a duration')
    expect(() => parseDuration('99999999999999999999d')).toThrow('too large')
  })

  it('parseSize() refuses a bare number and says which units there are', () => {
    expect(() => parseSize('128')).toThrow('a bare number has no unit: write 128B for bytes')
    expect(() => parseSize('12 apples')).toThrow('also KiB, MiB, GiB')
  })

  it('formatDuration() and formatSize() write what people read', () => {
    expect(formatDuration(12)).toBe('12ms')
    expect(formatDuration(1_500)).toBe('1.5s')
    expect(formatDuration(61_000)).toBe('1m1s')
    expect(formatDuration(90_061_000)).toBe('1d1h')
    expect(formatSize(999)).toBe('999B')
    expect(formatSize(128_000_000)).toBe('128MB')
  })

  it('parseDuration() reads every whole number of each unit exactly', () => {
    const units = fc.constantFrom(['ms', 1] as const, ['s', 1_000] as const, ['m', 60_000] as const)
    fc.assert(
      fc.property(fc.nat(1_000_000), units, (amount, [unit, factor]) => {
        expect(parseDuration(`${amount}${unit}`)).toBe(amount * factor)
      }),
    )
  })
})
