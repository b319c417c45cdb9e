import { describe, expect, it } from 'vitest'
import { lakeTable, openCatalogLake } from '../tests/support/catalog-lake.ts'
import type { Catalog } from './catalog.ts'
import { decorateCatalog } from './decorate-catalog.ts'
import { RestCatalog } from './rest/rest-catalog.ts'
import { ObjectStoreCatalog } from './stores/object-store-catalog.ts'

/** A catalog that answers with what it was called by. */
function echoing(methods: readonly string[]): Catalog {
  const answers = methods.map((name) => [name, (...given: readonly unknown[]) => [name, ...given]])
  return Object.fromEntries(answers) as unknown as Catalog
}

function methodsOf(type: { readonly prototype: object }): readonly string[] {
  return Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor')
}

describe('decorateCatalog', () => {
  it.each([ObjectStoreCatalog, RestCatalog])('passes on every method of %o', (type) => {
    const methods = methodsOf(type)
    expect(methods).toContain('stageTable')
    const decorated: unknown = decorateCatalog(echoing(methods), {})
    const called = decorated as Record<string, (...given: readonly unknown[]) => unknown>
    for (const name of methods) expect(called[name]?.(1, 'two')).toEqual([name, 1, 'two'])
    expect(Object.keys(called).sort()).toEqual([...methods].sort())
  })

  it('lacks an optional method where the catalog below lacks it', () => {
    const decorated = decorateCatalog(echoing(['loadTable']), {})
    expect('stageTable' in decorated).toBe(false)
  })

  it('answers by the overrides, and by a catalog of a class for the rest', async () => {
    const lake = await openCatalogLake()
    const { identifier, ...rest } = await lake.load()
    const renamed = { ...rest, identifier: { ...identifier, name: 'other' } }
    const decorated = decorateCatalog(lake.catalog, { loadTable: () => Promise.resolve(renamed) })
    expect(await decorated.loadTable(lakeTable)).toBe(renamed)
    expect(await decorated.listNamespaces()).toEqual([['db']])
    expect((await lake.catalog.loadTable(lakeTable)).identifier).toEqual(lakeTable)
  })
})
