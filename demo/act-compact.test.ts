import { describe, expect, it } from 'vitest'
import { checkCompaction } from './act-compact.ts'

const look = (
  paths: number,
  changes: Partial<{ rows: bigint; hashSum: string; offsets: string }> = {},
) => {
  const { rows = 10n, hashSum = '77', offsets = 'flights/0:10' } = changes
  return {
    files: { paths: Array.from({ length: paths }, String), deletePaths: [], sizeBytes: 1n },
    content: { rows, hashSum, delaySum: '1', distanceSum: '2' },
    offsets,
  }
}

const failed = (...looks: Parameters<typeof checkCompaction>): readonly string[] =>
  checkCompaction(...looks)
    .filter(({ passed }) => !passed)
    .map(({ name }) => name)

describe('checkCompaction()', () => {
  it('passes what became fewer files and nothing else', () => {
    expect(failed(look(9), look(2))).toEqual([])
  })

  it('fails for as many files, other rows, other values, and another place in the log', () => {
    expect(failed(look(9), look(9))).toEqual(['fewer files'])
    expect(failed(look(9), look(0))).toEqual(['fewer files'])
    expect(failed(look(9), look(2, { rows: 9n }))).toEqual(['same rows'])
    expect(failed(look(9), look(2, { hashSum: '78' }))).toEqual(['same rows'])
    expect(failed(look(9), look(2, { offsets: 'flights/0:9' }))).toEqual(['same place'])
    expect(failed(look(9, { offsets: '' }), look(2, { offsets: '' }))).toEqual(['same place'])
  })
})
