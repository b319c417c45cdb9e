import { describe, expect, it } from 'vitest'
import { lakeTable, openCatalogLake } from '../tests/support/catalog-lake.ts'
import { UnavailableError } from '../common/index.ts'
import { loadTableIfExists } from './load-table.ts'

describe('loadTableIfExists', () => {
  it('gives the table, undefined where there is none, and throws every other fault', async () => {
    const { catalog, load } = await openCatalogLake()
    expect(await loadTableIfExists(catalog, lakeTable)).toEqual(await load())
    expect(await loadTableIfExists(catalog, { ...lakeTable, name: 'none' })).toBeUndefined()
    const away = { loadTable: () => Promise.reject(new UnavailableError('bucket is away')) }
    await expect(loadTableIfExists(away, lakeTable)).rejects.toThrow(/bucket is away/)
  })
})
