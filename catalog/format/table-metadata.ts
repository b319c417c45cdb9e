/** Looking up parts of table metadata by id, and the rules between its fields (spec, "Table Metadata Fields"). */
import { CorruptDataError, NotFoundError } from '../../common/index.ts'
import type { PartitionSpec, Schema, Snapshot, TableMetadata } from './types.ts'

export const mainBranch = 'main'

/** Each throws NotFoundError for an id that the table does not have. */
export const schemaById = lookup('schema', 'schemas', ({ schemaId }) => schemaId)
export const partitionSpecById = lookup('partition spec', 'partitionSpecs', ({ specId }) => specId)
export const sortOrderById = lookup('sort order', 'sortOrders', ({ orderId }) => orderId)

export function currentSchema(metadata: TableMetadata): Schema {
  return schemaById(metadata, metadata.currentSchemaId)
}

export function defaultPartitionSpec(metadata: TableMetadata): PartitionSpec {
  return partitionSpecById(metadata, metadata.defaultSpecId)
}

export function snapshotById(metadata: TableMetadata, snapshotId: bigint): Snapshot | undefined {
  return metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId)
}

/** The newest snapshot of `main`; undefined for an empty table. */
export function currentSnapshot(metadata: TableMetadata): Snapshot | undefined {
  const { currentSnapshotId } = metadata
  return currentSnapshotId === undefined ? undefined : snapshotById(metadata, currentSnapshotId)
}

/** Throws CorruptDataError naming the first rule that the metadata breaks. */
export function checkTableMetadata(metadata: TableMetadata, where: string): void {
  const broken = brokenRule(metadata)
  if (broken !== undefined) {
    throw new CorruptDataError(`table metadata contradicts itself: ${broken}`, { facts: { where } })
  }
}

function brokenRule(metadata: TableMetadata): string | undefined {
  const { schemas, partitionSpecs, sortOrders, refs, snapshots, currentSnapshotId } = metadata
  if (!schemas.some((schema) => schema.schemaId === metadata.currentSchemaId)) {
    return `no schema has current-schema-id ${metadata.currentSchemaId}`
  }
  if (!partitionSpecs.some((spec) => spec.specId === metadata.defaultSpecId)) {
    return `no partition spec has default-spec-id ${metadata.defaultSpecId}`
  }
  if (!sortOrders.some((order) => order.orderId === metadata.defaultSortOrderId)) {
    return `no sort order has default-sort-order-id ${metadata.defaultSortOrderId}`
  }
  const snapshotIds = new Set(snapshots.map((snapshot) => snapshot.snapshotId))
  if (snapshotIds.size !== snapshots.length) return 'two snapshots have the same id'
  for (const [name, ref] of Object.entries(refs)) {
    if (!snapshotIds.has(ref.snapshotId)) return `ref ${name} names no snapshot`
  }
  const main = refs[mainBranch]
  if (main !== undefined && main.type !== 'branch') return 'ref main is not a branch'
  if (main?.snapshotId !== currentSnapshotId) {
    return `current-snapshot-id ${currentSnapshotId ?? 'absent'} is not ref main ${main?.snapshotId ?? 'absent'}`
  }
  return undefined
}

type Parts = Pick<TableMetadata, 'schemas' | 'partitionSpecs' | 'sortOrders'>

function lookup<Name extends keyof Parts>(
  kind: string,
  name: Name,
  idOf: (part: Parts[Name][number]) => number,
): (metadata: TableMetadata, id: number) => Parts[Name][number] {
  return (metadata, id) => {
    const parts: readonly Parts[Name][number][] = metadata[name]
    const part = parts.find((one) => idOf(one) === id)
    if (part !== undefined) return part
    throw new NotFoundError(`table has no such ${kind}`, {
      facts: { id, table: metadata.location },
    })
  }
}
