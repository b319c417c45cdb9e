import { describe, expect, it } from 'vitest'
import { grouped } from './grouped.ts'

describe('grouped()', () => {
  it('sets a comma after every third digit', () => {
    expect([0, 999, 1000, 1234567, 12.6].map(grouped)).toEqual([
      '0',
      '999',
      '1,000',
      '1,234,567',
      '13',
    ])
    expect(grouped(-1234n)).toBe('-1,234')
  })
})
