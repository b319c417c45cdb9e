import { describe, expect, it } from 'vitest'
import { bucketPolicies, checkNode, skewOf } from './doctor.ts'

describe('doctor', () => {
  it.each([
    ['v20.19.0', true],
    ['v20.18.9', false],
    ['v20.20.0', true],
    ['v18.99.99', false],
    ['v22.0.0', true],
  ])('checkNode() judges %s', (version, ok) => {
    expect(checkNode(version)).toMatchObject({ ok })
    expect(checkNode(version).fix === undefined).toBe(ok)
  })

  it('skewOf() forgives whole seconds and the time a request takes', () => {
    expect(skewOf(10_000, 10_900, 10_950)).toBe(0)
    expect(skewOf(10_920, 10_900, 10_950)).toBe(0)
    expect(skewOf(4_000, 10_900, 10_950)).toBe(-6_000)
    expect(skewOf(20_950, 10_900, 10_950)).toBe(10_000)
  })

  it('bucketPolicies() has one file per role, scoped to the warehouse', () => {
    const policies = bucketPolicies('s3://lake/warehouse')
    expect(policies.map(({ file }) => file)).toEqual([
      'tidewater-ingest.json',
      'tidewater-reader.json',
      'tidewater-sweeper.json',
    ])
    for (const { text } of policies) expect(text).toContain('arn:aws:s3:::lake/warehouse/')
  })
})
