import { describe, expect, it } from 'vitest'
import { checkDiff, checkPublished } from './act-replay.ts'

const exact = { same: 30n, differing: 0n, onlyBase: 0n, onlyBranch: 0n }

describe('checkDiff()', () => {
  it('passes only where every record read again is the row that was there', () => {
    expect(checkDiff(exact, 30n).passed).toBe(true)
    expect(checkDiff({ ...exact, same: 29n }, 30n).passed).toBe(false)
    for (const kind of ['differing', 'onlyBase', 'onlyBranch']) {
      expect(checkDiff({ ...exact, [kind]: 1n }, 30n).passed, kind).toBe(false)
    }
    expect(checkDiff({ ...exact, same: 0n }, 0n).passed).toBe(false)
  })
})

describe('checkPublished()', () => {
  const content = { rows: 9n, hashSum: '7', delaySum: '1', distanceSum: '2' }
  const before = { content, offsets: 'flights/0:9', snapshotId: 1n }
  const after = { ...before, snapshotId: 2n }

  it('passes a new snapshot of the same rows at the same place', () => {
    expect(checkPublished(before, after).passed).toBe(true)
    expect(checkPublished(before, before).passed).toBe(false)
    expect(checkPublished(before, { ...after, offsets: 'flights/0:6' }).passed).toBe(false)
    const other = { ...after, content: { ...content, hashSum: '8' } }
    expect(checkPublished(before, other).passed).toBe(false)
  })
})
