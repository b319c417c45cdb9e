import { describe, expect, it } from 'vitest'
import { didYouMean, editDistance, nearest } from './suggest.ts'

describe('suggest', () => {
  it('editDistance() counts insertions, deletions, replacements and swaps', () => {
    expect(editDistance('topics', 'topics')).toBe(0)
    expect(editDistance('topic', 'topics')).toBe(1)
    expect(editDistance('tpoics', 'topics')).toBe(1)
    expect(editDistance('', 'abc')).toBe(3)
    expect(editDistance('kitten', 'sitting')).toBe(3)
  })

  it('nearest() sees through case and dashes, and leaves strangers alone', () => {
    expect(nearest('Seed-Brokers', ['seed_brokers', 'topics'])).toBe('seed_brokers')
    expect(nearest('partition_bye', ['partition_by', 'properties'])).toBe('partition_by')
    expect(nearest('zebra', ['seed_brokers', 'topics'])).toBeUndefined()
    expect(didYouMean('tolerence', ['tolerance'])).toBe(', did you mean tolerance')
    expect(didYouMean('zebra', ['tolerance'])).toBe('')
  })
})
