import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { completer } from './completion.ts'

let lake: SqlLake
beforeAll(async () => {
  lake = await openSqlLake()
  await lake.create('demo.flights', ['carrier string', 'departure delay int'])
})
afterAll(() => lake.close())

describe('completer()', () => {
  it.each([
    ['SELECT * FROM dem', ['demo.flights'], 'dem'],
    ['SELECT carr', [], 'carr'],
    ['SELECT 1 FROM demo.flights WHERE carr', ['carrier'], 'carr'],
    ['SELECT 1 FROM demo.flights WHERE "dep', ['"departure delay"'], '"dep'],
    ['sel', ['SELECT'], 'sel'],
    ['.ta', ['.tables'], '.ta'],
    ['SELECT ', [], ''],
  ])('%s', async (line, candidates, replaced) => {
    expect(await completer(lake.catalog)(line)).toEqual({ candidates, replaced })
  })
})
