/**
 * The metadata that a commit makes of its base: requirements checked, updates applied. Pure.
 */
import { formatIdentifier } from '../format/identifiers.ts'
import { NotFoundError, ValidationError } from '../../common/index.ts'
import type { Table, TableCommit } from '../catalog.ts'
import type { TableMetadata } from '../format/types.ts'
import { applyUpdates } from '../table/apply-updates.ts'
import { checkRequirements } from '../table/check-requirement.ts'
import { blankMetadata } from '../table/new-table-metadata.ts'

export interface CommitContext {
  readonly nowMs: number
  /** Uuid and location of a table that the commit creates without stating them. */
  readonly tableUuid: string
  readonly location: string
}

/** Returns the base's own metadata when nothing changes. */
export function nextMetadata(
  commit: TableCommit,
  base: Table | undefined,
  context: CommitContext,
): TableMetadata {
  const { requirements, updates, identifier } = commit
  const creates = requirements.some((requirement) => requirement.type === 'assert-create')
  if (base === undefined && !creates) {
    throw new NotFoundError('the table does not exist', {
      facts: { table: formatIdentifier(identifier) },
    })
  }
  checkRequirements(base?.metadata, requirements)
  if (base !== undefined) {
    const { metadataLocation } = base
    return applyUpdates(base.metadata, updates, { nowMs: context.nowMs, metadataLocation })
  }
  const created = applyUpdates(blankMetadata, updates, { nowMs: context.nowMs })
  return completed(created, context)
}

/** Completes a created table with defaults for what the updates leave out. */
function completed(metadata: TableMetadata, context: CommitContext): TableMetadata {
  const { schemas, partitionSpecs, sortOrders } = metadata
  const schema = schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  if (schema === undefined) {
    throw new ValidationError('a commit that creates a table must set its current schema')
  }
  const hasSpec = partitionSpecs.some(({ specId }) => specId === metadata.defaultSpecId)
  const hasOrder = sortOrders.some(({ orderId }) => orderId === metadata.defaultSortOrderId)
  if ((!hasSpec && partitionSpecs.length > 0) || (!hasOrder && sortOrders.length > 0)) {
    throw new ValidationError('a commit that creates a table must set its default spec and order')
  }
  return {
    ...metadata,
    tableUuid: metadata.tableUuid === '' ? context.tableUuid : metadata.tableUuid,
    location: metadata.location === '' ? context.location : metadata.location,
    ...(hasSpec ? {} : { partitionSpecs: [{ specId: 0, fields: [] }], defaultSpecId: 0 }),
    ...(hasOrder ? {} : { sortOrders: [{ orderId: 0, fields: [] }], defaultSortOrderId: 0 }),
  }
}
