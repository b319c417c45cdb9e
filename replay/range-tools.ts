/** A query engine and a directory for new files, for one operation on the rows of a range. */
import { rm } from 'node:fs/promises'
import { type Catalog, decorateCatalog, type Table } from '../catalog/index.ts'
import { formatIdentifier } from '../catalog/format/index.ts'
import { openOwnDirectory } from '../common/index.ts'
import type { QueryStage } from '../sql/index.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface RangeTools extends ReplayTools {
  readonly stage: QueryStage
  /** New files are written below it, and deleted with it. */
  readonly directory: string
  /** From now on the stage reads this state of the table. */
  readonly pin: (table: Table) => void
}

export async function withRangeTools<T>(
  tools: ReplayTools,
  work: (tools: RangeTools) => Promise<T>,
  workDirectory?: string,
): Promise<T> {
  const directory = await openOwnDirectory('tidewater-replay', workDirectory)
  const pins = new Map<string, Table>()
  try {
    const pin = (table: Table): void => {
      pins.set(formatIdentifier(table.identifier), table)
    }
    return await tools.withQueryStage(pinnedCatalog(tools.catalog, pins), (stage) =>
      work({ ...tools, stage, directory, pin }),
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The rows for a commit are computed from the same state of the table that the commit is tried on. */
function pinnedCatalog(catalog: Catalog, pins: ReadonlyMap<string, Table>): Catalog {
  return decorateCatalog(catalog, {
    loadTable: async (identifier) =>
      pins.get(formatIdentifier(identifier)) ?? (await catalog.loadTable(identifier)),
  })
}
