/** Loading a table that may not exist. */
import { NotFoundError } from '../common/index.ts'
import type { Catalog, Table } from './catalog.ts'
import type { TableIdentifier } from './format/identifiers.ts'

/** Undefined when there is no such table; throws what else `loadTable` throws. */
export async function loadTableIfExists(
  catalog: Pick<Catalog, 'loadTable'>,
  identifier: TableIdentifier,
): Promise<Table | undefined> {
  try {
    return await catalog.loadTable(identifier)
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}
