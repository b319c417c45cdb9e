/** Adding partition specs to table metadata and removing them (spec, "Partitioning"). */
import { isDeepStrictEqual } from 'node:util'
import { ValidationError } from '../../common/index.ts'
import type { PartitionSpec, TableMetadata, Transform } from '../format/types.ts'
import { checkSourceIds } from './check-source-ids.ts'
import { withoutParts } from './parts-by-id.ts'
import type { TableUpdate } from './update.ts'

export function addSpec(metadata: TableMetadata, { spec }: TableUpdate<'add-spec'>): TableMetadata {
  checkSourceIds(
    metadata,
    spec.fields.map((field) => field.sourceId),
    'partition',
  )
  checkPartitionFieldIds(metadata, spec)
  if (findSpec(metadata, spec) !== undefined) return metadata
  const specId = 1 + Math.max(-1, ...metadata.partitionSpecs.map((existing) => existing.specId))
  return {
    ...metadata,
    partitionSpecs: [...metadata.partitionSpecs, { ...spec, specId }],
    lastPartitionId: Math.max(
      metadata.lastPartitionId,
      ...spec.fields.map((field) => field.fieldId),
    ),
  }
}

/** The spec of this table with the same fields in the same order; field ids do not count. */
export function findSpec(metadata: TableMetadata, spec: PartitionSpec): PartitionSpec | undefined {
  const shape = (one: PartitionSpec): unknown =>
    one.fields.map(({ sourceId, name, transform }) => ({ sourceId, name, transform }))
  return metadata.partitionSpecs.find((existing) => isDeepStrictEqual(shape(existing), shape(spec)))
}

export function removePartitionSpecs(
  metadata: TableMetadata,
  { specIds }: TableUpdate<'remove-partition-specs'>,
): TableMetadata {
  const inUse = { what: 'default partition spec', id: metadata.defaultSpecId }
  const partitionSpecs = withoutParts(metadata.partitionSpecs, 'specId', specIds, inUse)
  return { ...metadata, partitionSpecs }
}

/** A partition field id means the same field in all specs of the table, except in v1, which counts by position. */
function checkPartitionFieldIds(metadata: TableMetadata, spec: PartitionSpec): void {
  const ids = spec.fields.map((field) => field.fieldId)
  if (new Set(ids).size !== ids.length) {
    throw new ValidationError('partition field ids must be unique', {
      facts: { fieldIds: ids.join(',') },
    })
  }
  if (metadata.formatVersion === 1) return
  const existing = metadata.partitionSpecs.flatMap((one) => one.fields)
  for (const { fieldId, sourceId, transform } of spec.fields) {
    const other = existing.find((field) => field.fieldId === fieldId)
    // v1 removes a field by making it void, so its id may stand for a void field.
    if (other === undefined || [other.transform, transform].some(isVoid)) continue
    if (other.sourceId !== sourceId || !isDeepStrictEqual(other.transform, transform)) {
      throw new ValidationError('a partition field id already means another field', {
        facts: { fieldId, other: other.name },
      })
    }
  }
}

function isVoid(transform: Transform): boolean {
  return transform.kind === 'void'
}
