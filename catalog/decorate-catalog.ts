/** A catalog that overrides some methods and passes the others on to the catalog below it. */
import type { Catalog } from './catalog.ts'

/** Total, so that a method which is added to `Catalog`, even an optional one, does not compile until it stands here. */
const methodNames: { readonly [Method in keyof Required<Catalog>]: true } = {
  listNamespaces: true,
  createNamespace: true,
  loadNamespace: true,
  updateNamespaceProperties: true,
  dropNamespace: true,
  listTables: true,
  createTable: true,
  stageTable: true,
  loadTable: true,
  commitTable: true,
  dropTable: true,
  renameTable: true,
  registerTable: true,
}

/** An optional method that `catalog` lacks is absent from the result, too, unless it is given. */
export function decorateCatalog(catalog: Catalog, overrides: Partial<Catalog>): Catalog {
  const inherited = Object.keys(methodNames).flatMap((name) => {
    const method = catalog[name as keyof Catalog]
    return method === undefined ? [] : [[name, method.bind(catalog)] as const]
  })
  return { ...(Object.fromEntries(inherited) as unknown as Catalog), ...overrides }
}
