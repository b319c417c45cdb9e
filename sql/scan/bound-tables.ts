/**
 * The tables of a query, resolved, filtered and planned: everything that is decided before DuckDB
 * sees the query itself.
 */
import { type Schema, formatIdentifier } from '../../catalog/format/index.ts'
import type { ManifestSource, Table } from '../../catalog/index.ts'
import {
  planScan,
  type Expression,
  type ScanPlan,
  type ScanRequest,
} from '../../catalog/scan/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import { columnFinder } from '../bind/column-finder.ts'
import { evaluateConstants } from '../bind/constants.ts'
import { isPositionDeletes } from './deleted-rows.ts'
import { pushdownFilter } from '../bind/filter-pushdown.ts'
import type { Layer, NameResolver } from '../bind/name-resolution.ts'
import type { QuerySession } from '../session/query-session.ts'
import type { TableReference } from '../bind/table-references.ts'
import { currentReadPoint, travel, type ReadPoint } from '../bind/time-travel.ts'

/** A reference with the state of the table that it reads. */
export interface BoundTable {
  readonly reference: TableReference
  readonly table: Table
  readonly layer: Layer
  readonly metadataKind: string | undefined
  readonly readPoint: ReadPoint
}

export interface PlannedTable extends BoundTable {
  /** Undefined for a metadata table. */
  readonly plan: ScanPlan | undefined
}

export async function bindTables(
  session: QuerySession,
  resolver: NameResolver,
  references: readonly TableReference[],
): Promise<readonly BoundTable[]> {
  const bound: BoundTable[] = []
  for (const reference of references) {
    const { table, layer, metadataKind } = await resolver.resolve(reference.parts)
    const { timeTravel } = reference
    const readPoint =
      timeTravel === undefined
        ? currentReadPoint(table.metadata)
        : await travel(session, table, timeTravel)
    bound.push({ reference, table, layer, metadataKind, readPoint })
  }
  return bound
}

/** Pushes conditions down and plans each scan. `prune: false` reads every file (for comparison). */
export async function planTables(
  session: QuerySession,
  source: ManifestSource,
  tables: readonly BoundTable[],
  prune: boolean,
): Promise<readonly PlannedTable[]> {
  const filters = prune ? await filtersOf(session, tables) : tables.map(() => undefined)
  return Promise.all(
    tables.map(async (bound, index) => {
      if (bound.metadataKind !== undefined) return { ...bound, plan: undefined }
      const filter = filters[index]
      const request = {
        ...scanOf(bound),
        ...(filter === undefined ? {} : { filter }),
      }
      const plan = await planScan(source.io, bound.table, request, source.cache)
      checkReadable(bound.table, plan)
      return { ...bound, plan }
    }),
  )
}

/** A snapshot that is named is read with its own schema, so a branch goes by its name. */
function scanOf({ reference, readPoint }: BoundTable): ScanRequest {
  const { snapshot, branch } = readPoint
  if (reference.timeTravel === undefined || snapshot === undefined) return {}
  return branch === undefined ? { snapshotId: snapshot.snapshotId } : { ref: branch }
}

/** One filter for each table; undefined where nothing can be pushed down. */
async function filtersOf(
  session: QuerySession,
  tables: readonly BoundTable[],
): Promise<readonly (Expression | undefined)[]> {
  const schemas = new Map<TableReference, Schema>()
  for (const { reference, metadataKind, readPoint } of tables) {
    if (metadataKind === undefined) schemas.set(reference, readPoint.schema)
  }
  const pending = tables.map(({ reference, metadataKind }) => {
    const canPush = metadataKind === undefined && reference.side !== 'none'
    const finder = columnFinder(reference, (other) => schemas.get(other))
    const conditions = canPush ? reference.scope.conditions : []
    return pushdownFilter(conditions, finder, reference.side === 'inner')
  })
  const requests = pending.flatMap((filter) => filter.requests)
  const values = (await evaluateConstants(session, requests)).values()
  return pending.map((filter) => filter.complete(filter.requests.map(() => values.next().value)))
}

/** Wrong rows are worse than none: what this release cannot apply, it refuses. */
export function checkReadable(table: Table, plan: ScanPlan): void {
  const name = formatIdentifier(table.identifier)
  const foreign = plan.tasks
    .flatMap(({ deletes }) => deletes)
    .find((file) => !isPositionDeletes(file))
  if (foreign !== undefined) {
    throw new UnsupportedError(
      'the table has equality deletes, which sql cannot apply yet: rewrite its data files with the engine that wrote them (in Spark: CALL system.rewrite_data_files), or read an earlier snapshot with AT (VERSION => …)',
      { facts: { table: name, delete_file: foreign.filePath } },
    )
  }
  const other = plan.tasks.find(({ file }) => file.fileFormat.toLowerCase() !== 'parquet')
  if (other === undefined) return
  throw new UnsupportedError('sql reads parquet files only', {
    facts: { table: name, format: other.file.fileFormat, file: other.file.filePath },
  })
}
