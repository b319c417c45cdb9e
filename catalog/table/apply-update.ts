/**
 * What each update of a commit does to table metadata: one small pure function per action, those of one part
 * of the metadata in one file.
 *
 * The record below is total, so a new action does not compile until it is handled. Rules that span
 * the updates of one commit (logs, times, "-1 = last added") live in `apply-updates.ts`.
 * Spec: "Table Metadata"; REST OpenAPI, "TableUpdate".
 */
import { UnsupportedError, ValidationError } from '../../common/index.ts'
import type { TableMetadata } from '../format/types.ts'
import { addSpec, removePartitionSpecs } from './partition-spec-updates.ts'
import { usePart } from './parts-by-id.ts'
import { addSchema, removeSchemas } from './schema-updates.ts'
import {
  addSnapshot,
  removeSnapshotRef,
  removeSnapshots,
  setSnapshotRef,
} from './snapshot-updates.ts'
import { addSortOrder } from './sort-order-updates.ts'
import { dropStatistics, putStatistics } from './statistics-updates.ts'
import type { TableUpdate, UpdateAction } from './update.ts'

const handlers: {
  readonly [A in UpdateAction]: (metadata: TableMetadata, update: TableUpdate<A>) => TableMetadata
} = {
  'assign-uuid': assignUuid,
  'upgrade-format-version': upgradeFormatVersion,
  'add-schema': addSchema,
  'set-current-schema': (metadata, { schemaId }) => usePart(metadata, 'schema', schemaId),
  'add-spec': addSpec,
  'set-default-spec': (metadata, { specId }) => usePart(metadata, 'partition spec', specId),
  'add-sort-order': addSortOrder,
  'set-default-sort-order': (metadata, { sortOrderId }) =>
    usePart(metadata, 'sort order', sortOrderId),
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

export function withoutSlash(location: string): string {
  let end = location.length
  while (location[end - 1] === '/') end--
  return location.slice(0, end)
}
