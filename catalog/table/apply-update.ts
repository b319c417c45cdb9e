/**
 * What each update of a commit does to table metadata: one small pure function per action.
 *
 * The record below is total, so a new action does not compile until it is handled. Rules that span
 * the updates of one commit (logs, times, "-1 = last added") live in `apply-updates.ts`.
 * Spec: "Table Metadata"; REST OpenAPI, "TableUpdate".
 */
import { isDeepStrictEqual } from 'node:util'
import {
  CommitFailedError,
  type Json,
  type JsonObject,
  UnsupportedError,
  ValidationError,
  asBigint,
  isJsonObject,
} from '../../common/index.ts'
import { highestFieldId, indexFields, validateSchema } from '../format/schema.ts'
import { mainBranch } from '../format/table-metadata.ts'
import type { PartitionSpec, Schema, SortOrder, TableMetadata, Transform } from '../format/types.ts'
import type { TableUpdate, UpdateAction } from './update.ts'

const handlers: {
  readonly [A in UpdateAction]: (metadata: TableMetadata, update: TableUpdate<A>) => TableMetadata
} = {
  'assign-uuid': assignUuid,
  'upgrade-format-version': upgradeFormatVersion,
  'add-schema': addSchema,
  'set-current-schema': setCurrentSchema,
  'add-spec': addSpec,
  'set-default-spec': setDefaultSpec,
  'add-sort-order': addSortOrder,
  'set-default-sort-order': setDefaultSortOrder,
  'add-snapshot': addSnapshot,
  'set-snapshot-ref': setSnapshotRef,
  'remove-snapshots': removeSnapshots,
  'remove-snapshot-ref': removeSnapshotRef,
  'set-location': (metadata, { location }) => ({ ...metadata, location: withoutSlash(location) }),
  'set-properties': setProperties,
  'remove-properties': removeProperties,
  'set-statistics': (metadata, { statistics }) => putStatistics(metadata, 'statistics', statistics),
  'remove-statistics': (metadata, { snapshotId }) =>
    dropStatistics(metadata, 'statistics', new Set([snapshotId])),
  'set-partition-statistics': (metadata, { partitionStatistics }) =>
    putStatistics(metadata, 'partition-statistics', partitionStatistics),
  'remove-partition-statistics': (metadata, { snapshotId }) =>
    dropStatistics(metadata, 'partition-statistics', new Set([snapshotId])),
  'remove-partition-specs': removePartitionSpecs,
  'remove-schemas': removeSchemas,
}

/** Applies one update; throws ValidationError when it makes no sense on this table. */
export function applyUpdate<A extends UpdateAction>(
  metadata: TableMetadata,
  update: TableUpdate<A>,
): TableMetadata {
  return handlers[update.action](metadata, update)
}

// ---- Identity and version ---------------------------------------------------------------------

function assignUuid(metadata: TableMetadata, { uuid }: TableUpdate<'assign-uuid'>): TableMetadata {
  if (metadata.tableUuid === '') return { ...metadata, tableUuid: uuid.toLowerCase() }
  if (metadata.tableUuid.toLowerCase() === uuid.toLowerCase()) return metadata
  throw new ValidationError('the uuid of a table cannot be changed', {
    facts: { current: metadata.tableUuid, requested: uuid },
  })
}

function upgradeFormatVersion(
  metadata: TableMetadata,
  { formatVersion }: TableUpdate<'upgrade-format-version'>,
): TableMetadata {
  if (formatVersion === metadata.formatVersion) return metadata
  if (formatVersion < metadata.formatVersion) {
    throw new ValidationError('a table cannot go back to an older format version', {
      facts: { current: metadata.formatVersion, requested: formatVersion },
    })
  }
  if (formatVersion !== 2) {
    throw new UnsupportedError('format version is not supported for writing; use 2', {
      facts: { requested: formatVersion },
    })
  }
  return { ...metadata, formatVersion: 2 }
}

// ---- Schemas ----------------------------------------------------------------------------------

function addSchema(
  metadata: TableMetadata,
  { schema, lastColumnId }: TableUpdate<'add-schema'>,
): TableMetadata {
  validateSchema(schema)
  const highest = highestFieldId(schema)
  if (lastColumnId !== undefined && lastColumnId < highest) {
    throw new ValidationError('last-column-id is below a column id of the schema', {
      facts: { lastColumnId, columnId: highest },
    })
  }
  const withIds = {
    ...metadata,
    lastColumnId: Math.max(metadata.lastColumnId, lastColumnId ?? 0, highest),
  }
  if (findSchema(metadata, schema) !== undefined) return withIds
  const schemaId = 1 + Math.max(-1, ...metadata.schemas.map((existing) => existing.schemaId))
  return { ...withIds, schemas: [...metadata.schemas, { ...schema, schemaId }] }
}

/** The schema of this table that equals `schema` except for its id. */
export function findSchema(metadata: TableMetadata, schema: Schema): Schema | undefined {
  const identifiers = new Set(schema.identifierFieldIds)
  return metadata.schemas.find(
    (existing) =>
      isDeepStrictEqual(existing.fields, schema.fields) &&
      isDeepStrictEqual(new Set(existing.identifierFieldIds), identifiers),
  )
}

function setCurrentSchema(
  metadata: TableMetadata,
  { schemaId }: TableUpdate<'set-current-schema'>,
): TableMetadata {
  if (!metadata.schemas.some((existing) => existing.schemaId === schemaId)) {
    throw unknownId('schema', schemaId)
  }
  return schemaId === metadata.currentSchemaId
    ? metadata
    : { ...metadata, currentSchemaId: schemaId }
}

function removeSchemas(
  metadata: TableMetadata,
  { schemaIds }: TableUpdate<'remove-schemas'>,
): TableMetadata {
  const removed = new Set(schemaIds)
  if (removed.has(metadata.currentSchemaId)) {
    throw new ValidationError('the current schema cannot be removed', {
      facts: { schemaId: metadata.currentSchemaId },
    })
  }
  return {
    ...metadata,
    schemas: metadata.schemas.filter((existing) => !removed.has(existing.schemaId)),
  }
}

// ---- Partition specs and sort orders ------------------------------------------------------------

function addSpec(metadata: TableMetadata, { spec }: TableUpdate<'add-spec'>): TableMetadata {
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

function setDefaultSpec(
  metadata: TableMetadata,
  { specId }: TableUpdate<'set-default-spec'>,
): TableMetadata {
  if (!metadata.partitionSpecs.some((existing) => existing.specId === specId)) {
    throw unknownId('partition spec', specId)
  }
  return specId === metadata.defaultSpecId ? metadata : { ...metadata, defaultSpecId: specId }
}

function removePartitionSpecs(
  metadata: TableMetadata,
  { specIds }: TableUpdate<'remove-partition-specs'>,
): TableMetadata {
  const removed = new Set(specIds)
  if (removed.has(metadata.defaultSpecId)) {
    throw new ValidationError('the default partition spec cannot be removed', {
      facts: { specId: metadata.defaultSpecId },
    })
  }
  return {
    ...metadata,
    partitionSpecs: metadata.partitionSpecs.filter((existing) => !removed.has(existing.specId)),
  }
}

function addSortOrder(
  metadata: TableMetadata,
  { sortOrder }: TableUpdate<'add-sort-order'>,
): TableMetadata {
  checkSourceIds(
    metadata,
    sortOrder.fields.map((field) => field.sourceId),
    'sort',
  )
  if (findSortOrder(metadata, sortOrder) !== undefined) return metadata
  // Order 0 is by definition the empty one (spec, "Sorting").
  const orderId =
    sortOrder.fields.length === 0
      ? 0
      : 1 + Math.max(0, ...metadata.sortOrders.map((existing) => existing.orderId))
  return { ...metadata, sortOrders: [...metadata.sortOrders, { ...sortOrder, orderId }] }
}

export function findSortOrder(metadata: TableMetadata, order: SortOrder): SortOrder | undefined {
  return metadata.sortOrders.find((existing) => isDeepStrictEqual(existing.fields, order.fields))
}

function setDefaultSortOrder(
  metadata: TableMetadata,
  { sortOrderId }: TableUpdate<'set-default-sort-order'>,
): TableMetadata {
  if (!metadata.sortOrders.some((existing) => existing.orderId === sortOrderId)) {
    throw unknownId('sort order', sortOrderId)
  }
  return sortOrderId === metadata.defaultSortOrderId
    ? metadata
    : { ...metadata, defaultSortOrderId: sortOrderId }
}

function checkSourceIds(
  metadata: TableMetadata,
  sourceIds: readonly number[],
  what: 'partition' | 'sort',
): void {
  if (metadata.schemas.length === 0) return
  const columnIds = new Set(metadata.schemas.flatMap((schema) => [...indexFields(schema).keys()]))
  const missing = sourceIds.find((id) => !columnIds.has(id))
  if (missing !== undefined) {
    throw new ValidationError(`a ${what} field names a column that does not exist`, {
      facts: { sourceId: missing },
    })
  }
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

// ---- Snapshots and refs -------------------------------------------------------------------------

function addSnapshot(
  metadata: TableMetadata,
  { snapshot }: TableUpdate<'add-snapshot'>,
): TableMetadata {
  if (metadata.formatVersion === 3) {
    throw new UnsupportedError('snapshots cannot be added to a format version 3 table yet')
  }
  if (metadata.snapshots.some((existing) => existing.snapshotId === snapshot.snapshotId)) {
    throw new ValidationError('the table already has a snapshot with this id', {
      facts: { snapshotId: snapshot.snapshotId },
    })
  }
  // The manifest list of a snapshot built on an older head lacks the newer files (fact 4).
  const stale = snapshot.sequenceNumber <= metadata.lastSequenceNumber
  if (metadata.formatVersion > 1 && snapshot.parentSnapshotId !== undefined && stale) {
    throw new CommitFailedError('the snapshot was built on an older version of the table', {
      facts: {
        sequenceNumber: snapshot.sequenceNumber,
        lastSequenceNumber: metadata.lastSequenceNumber,
      },
    })
  }
  const last = metadata.lastSequenceNumber
  return {
    ...metadata,
    lastSequenceNumber: snapshot.sequenceNumber > last ? snapshot.sequenceNumber : last,
    snapshots: [...metadata.snapshots, snapshot],
  }
}

function setSnapshotRef(
  metadata: TableMetadata,
  { refName, ref }: TableUpdate<'set-snapshot-ref'>,
): TableMetadata {
  if (!metadata.snapshots.some((existing) => existing.snapshotId === ref.snapshotId)) {
    throw new ValidationError('a ref cannot point to an unknown snapshot', {
      facts: { ref: refName, snapshotId: ref.snapshotId },
    })
  }
  if (refName === mainBranch && ref.type !== 'branch') {
    throw new ValidationError('main must be a branch', { facts: { type: ref.type } })
  }
  if (isDeepStrictEqual(metadata.refs[refName], ref)) return metadata
  const moved = { ...metadata, refs: { ...metadata.refs, [refName]: ref } }
  return refName === mainBranch ? { ...moved, currentSnapshotId: ref.snapshotId } : moved
}

function removeSnapshotRef(
  metadata: TableMetadata,
  { refName }: TableUpdate<'remove-snapshot-ref'>,
): TableMetadata {
  if (metadata.refs[refName] === undefined) return metadata
  const { [refName]: _, ...refs } = metadata.refs
  if (refName !== mainBranch) return { ...metadata, refs }
  const { currentSnapshotId: __, ...rest } = metadata
  return { ...rest, refs, snapshotLog: [] }
}

function removeSnapshots(
  metadata: TableMetadata,
  { snapshotIds }: TableUpdate<'remove-snapshots'>,
): TableMetadata {
  const removed = new Set(snapshotIds)
  if (!metadata.snapshots.some((existing) => removed.has(existing.snapshotId))) return metadata
  // Refs are left as they are: apply-updates.ts refuses a commit that removes the snapshot of a ref.
  const without = {
    ...metadata,
    snapshots: metadata.snapshots.filter((existing) => !removed.has(existing.snapshotId)),
  }
  return dropStatistics(
    dropStatistics(without, 'statistics', removed),
    'partition-statistics',
    removed,
  )
}

// ---- Properties and statistics ------------------------------------------------------------------

function setProperties(
  metadata: TableMetadata,
  { updates }: TableUpdate<'set-properties'>,
): TableMetadata {
  const changed = Object.entries(updates).some(([key, value]) => metadata.properties[key] !== value)
  return changed ? { ...metadata, properties: { ...metadata.properties, ...updates } } : metadata
}

function removeProperties(
  metadata: TableMetadata,
  { removals }: TableUpdate<'remove-properties'>,
): TableMetadata {
  const removed = new Set(removals)
  const kept = Object.entries(metadata.properties).filter(([key]) => !removed.has(key))
  if (kept.length === Object.keys(metadata.properties).length) return metadata
  return { ...metadata, properties: Object.fromEntries(kept) }
}

type StatisticsField = 'statistics' | 'partition-statistics'

function putStatistics(
  metadata: TableMetadata,
  field: StatisticsField,
  statistics: JsonObject,
): TableMetadata {
  const snapshotId = asBigint(statistics['snapshot-id'], `${field}.snapshot-id`)
  const without = dropStatistics(metadata, field, new Set([snapshotId]))
  return withStatistics(without, field, [...statisticsOf(without, field), statistics])
}

function dropStatistics(
  metadata: TableMetadata,
  field: StatisticsField,
  snapshotIds: ReadonlySet<bigint>,
): TableMetadata {
  const all = statisticsOf(metadata, field)
  const kept = all.filter(
    (item) =>
      !isJsonObject(item) ||
      !snapshotIds.has(asBigint(item['snapshot-id'], `${field}.snapshot-id`)),
  )
  return kept.length === all.length ? metadata : withStatistics(metadata, field, kept)
}

function statisticsOf(metadata: TableMetadata, field: StatisticsField): readonly Json[] {
  const items = metadata.unknownFields?.[field]
  return Array.isArray(items) ? (items as readonly Json[]) : []
}

function withStatistics(
  metadata: TableMetadata,
  field: StatisticsField,
  items: readonly Json[],
): TableMetadata {
  return { ...metadata, unknownFields: { ...metadata.unknownFields, [field]: items } }
}

// ---- Shared -------------------------------------------------------------------------------------

function unknownId(what: string, id: number): ValidationError {
  return new ValidationError(`the table has no such ${what}`, { facts: { id } })
}

export function withoutSlash(location: string): string {
  return location.replace(/\/+$/, '')
}
