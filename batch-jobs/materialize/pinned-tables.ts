/**
 * A catalog that returns each table as it was at its first load: all queries of a run read one state of the
 * lake, and the run records which (docs/spec/batch-jobs.md, B2).
 */
import {
  type Catalog,
  decorateCatalog,
  loadTableIfExists,
  type Table,
} from '../../catalog/index.ts'
import { formatIdentifier, type TableIdentifier } from '../../catalog/format/index.ts'

export interface PinnedTables {
  /** For reading; commits go to the original catalog. */
  readonly catalog: Catalog
  load(identifier: TableIdentifier): Promise<Table | undefined>
  /** Every table that was read so far, by `namespace.table`. */
  read(): Promise<ReadonlyMap<string, Table>>
}

export function pinTables(catalog: Catalog): PinnedTables {
  const identifiers = new Map<string, TableIdentifier>()
  const loaded = new Map<string, Promise<Table>>()
  const pinned = decorateCatalog(catalog, {
    loadTable: (identifier) => {
      const name = formatIdentifier(identifier)
      const table = loaded.get(name) ?? catalog.loadTable(identifier)
      identifiers.set(name, identifier)
      loaded.set(name, table)
      return table
    },
  })
  return {
    catalog: pinned,
    load: (identifier) => loadTableIfExists(pinned, identifier),
    read: async () => {
      const tables = new Map<string, Table>()
      for (const [name, identifier] of identifiers) {
        const table = await loadTableIfExists(pinned, identifier)
        if (table !== undefined) tables.set(name, table)
      }
      return tables
    },
  }
}
