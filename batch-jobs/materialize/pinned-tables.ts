/**
 * A catalog that shows each table as it was when it was first asked for: all queries of a run read one
 * state of the lake, and the run knows which (docs/spec/batch-jobs.md, B2).
 */
import { type Catalog, decorateCatalog, type Table } from '../../catalog/index.ts'
import { formatIdentifier, type TableIdentifier } from '../../catalog/format/index.ts'
import { NotFoundError } from '../../common/index.ts'

export interface PinnedTables {
  /** For reading: writes go past the pins, to the catalog itself. */
  readonly catalog: Catalog
  load(identifier: TableIdentifier): Promise<Table | undefined>
  /** Every table that was read so far, by `namespace.table`. */
  read(): Promise<ReadonlyMap<string, Table>>
}

export function pinTables(catalog: Catalog): PinnedTables {
  const pinned = new Map<string, Promise<Table>>()
  const loadTable = (identifier: TableIdentifier): Promise<Table> => {
    const key = formatIdentifier(identifier)
    const table = pinned.get(key) ?? catalog.loadTable(identifier)
    pinned.set(key, table)
    return table
  }
  return {
    catalog: decorateCatalog(catalog, { loadTable }),
    load: (identifier) => loadTable(identifier).catch(undefinedWhenMissing),
    read: async () => {
      const tables = new Map<string, Table>()
      for (const [name, loading] of pinned) {
        const table = await loading.catch(undefinedWhenMissing)
        if (table !== undefined) tables.set(name, table)
      }
      return tables
    },
  }
}

function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof NotFoundError) return undefined
  throw error
}
