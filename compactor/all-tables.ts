/** Every table of a catalog, nested namespaces too. */
import type { Catalog } from '../catalog/index.ts'
import type { Namespace, TableIdentifier } from '../catalog/format/index.ts'

/** A server whose namespaces nest deeper than this reports them in a circle. */
const depthMax = 32

export async function* allTables(
  catalog: Catalog,
  parent?: Namespace,
  depth = 0,
): AsyncGenerator<TableIdentifier> {
  if (depth === depthMax) return
  for (const namespace of await catalog.listNamespaces(parent)) {
    yield* await catalog.listTables(namespace)
    yield* allTables(catalog, namespace, depth + 1)
  }
}
