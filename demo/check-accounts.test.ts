import { describe, expect, it } from 'vitest'
import { type Accounts, checkAccounts } from './check-accounts.ts'

const content = { rows: 10n, delaySum: '7', distanceSum: '900', hashSum: '12345' }

const whole: Accounts = {
  log: [
    { partition: 0, first: 0n, next: 6n },
    { partition: 1, first: 0n, next: 4n },
  ],
  produced: 10,
  partitions: [
    { partition: 0, rows: 6n, inLog: 6n, distinct: 6n, first: 0n, last: 5n },
    { partition: 1, rows: 4n, inLog: 4n, distinct: 4n, first: 0n, last: 3n },
  ],
  source: content,
  table: content,
  recordsOfSnapshot: 10n,
  deadLetters: 0n,
}

function failed(accounts: Accounts): readonly string[] {
  return checkAccounts(accounts)
    .filter(({ passed }) => !passed)
    .map(({ name }) => name)
}

function withPartition(changes: Partial<Accounts['partitions'][number]>): Accounts {
  return {
    ...whole,
    partitions: whole.partitions.map((one) => (one.partition === 1 ? { ...one, ...changes } : one)),
  }
}

describe('checkAccounts()', () => {
  it('finds nothing where table, log and source agree', () => {
    expect(failed(whole)).toEqual([])
    expect(checkAccounts(whole).map(({ name }) => name)).toContain('lost 0')
    expect(failed({ ...whole, produced: undefined })).toEqual([])
  })

  it('counts a record of the log that no row has as lost', () => {
    const accounts = withPartition({ rows: 3n, inLog: 3n, distinct: 3n })
    expect(failed({ ...accounts, recordsOfSnapshot: 9n })).toEqual(['lost 1'])
    expect(failed({ ...accounts, recordsOfSnapshot: 10n })).toEqual(['lost 1', 'metadata'])
  })

  it('counts a second row of one record as duplicated, also where the sum of rows is right', () => {
    const more = withPartition({ rows: 5n, inLog: 5n, distinct: 4n })
    expect(failed({ ...more, recordsOfSnapshot: 11n })).toEqual(['duplicated 1'])
    const swapped = withPartition({ rows: 4n, inLog: 4n, distinct: 3n })
    expect(failed(swapped)).toEqual(['lost 1', 'duplicated 1'])
  })

  it('refuses rows of offsets that the log does not have', () => {
    const accounts = withPartition({ rows: 5n, inLog: 4n, distinct: 4n, last: 9n })
    expect(failed({ ...accounts, recordsOfSnapshot: 11n })).toEqual(['offsets'])
  })

  it('refuses values that are not those of the source', () => {
    for (const change of [
      { delaySum: '8' },
      { distanceSum: '901' },
      { hashSum: '1' },
      { rows: 9n },
    ]) {
      expect(failed({ ...whole, table: { ...content, ...change } })).toEqual(['content'])
    }
  })

  it('refuses dead letters and a log that is not what was produced', () => {
    expect(failed({ ...whole, deadLetters: 1n })).toEqual(['metadata'])
    expect(failed({ ...whole, produced: 11 })).toEqual(['log'])
  })

  it('does not call an empty run a success', () => {
    const nothing = { rows: 0n, delaySum: '0', distanceSum: '0', hashSum: '0' }
    const empty = { log: [], produced: 0, partitions: [], source: nothing, table: nothing }
    expect(failed({ ...empty, recordsOfSnapshot: 0n, deadLetters: 0n })).toEqual(['lost 0'])
  })
})
