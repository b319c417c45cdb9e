/** Snapshots and refs in JSON (spec, "Snapshots", "Snapshot References", "Appendix C"). */
import { asBigint, type Json, type JsonObject } from '../../common/index.ts'
import { asInt, asString, asStringMap, JsonFields, listOf, unexpected } from './json-fields.ts'
import type { Snapshot, SnapshotOperation, SnapshotRef, Summary } from './types.ts'

const memberNames: ReadonlySet<string> = new Set([
  'sequence-number',
  'snapshot-id',
  'parent-snapshot-id',
  'timestamp-ms',
  'summary',
  'manifest-list',
  'manifests',
  'schema-id',
])

export function snapshotToJson(snapshot: Snapshot, formatVersion: 1 | 2 | 3 = 2): JsonObject {
  return {
    ...(formatVersion === 1 ? {} : { 'sequence-number': snapshot.sequenceNumber }),
    'snapshot-id': snapshot.snapshotId,
    ...(snapshot.parentSnapshotId === undefined
      ? {}
      : { 'parent-snapshot-id': snapshot.parentSnapshotId }),
    'timestamp-ms': snapshot.timestampMs,
    ...(snapshot.summary === undefined ? {} : { summary: snapshot.summary }),
    ...(snapshot.manifestList === undefined ? {} : { 'manifest-list': snapshot.manifestList }),
    ...(snapshot.manifests === undefined ? {} : { manifests: snapshot.manifests }),
    ...(snapshot.schemaId === undefined ? {} : { 'schema-id': snapshot.schemaId }),
    ...snapshot.unknownFields,
  }
}

/** v1 snapshots have no sequence number: they read as 0. */
export function snapshotFromJson(json: Json | undefined, where = 'snapshot'): Snapshot {
  const fields = new JsonFields(json, where)
  const parentSnapshotId = fields.optional('parent-snapshot-id', asBigint)
  const manifestList = fields.optional('manifest-list', asString)
  const manifests = fields.optional('manifests', listOf(asString))
  const summary = fields.optional('summary', summaryFromJson)
  const schemaId = fields.optional('schema-id', asInt)
  const unknownFields = fields.others(memberNames)
  return {
    snapshotId: fields.required('snapshot-id', asBigint),
    ...(parentSnapshotId === undefined ? {} : { parentSnapshotId }),
    sequenceNumber: fields.optional('sequence-number', asBigint) ?? 0n,
    timestampMs: fields.required('timestamp-ms', asBigint),
    ...(manifestList === undefined ? {} : { manifestList }),
    ...(manifests === undefined ? {} : { manifests }),
    ...(summary === undefined ? {} : { summary }),
    ...(schemaId === undefined ? {} : { schemaId }),
    ...(unknownFields === undefined ? {} : { unknownFields }),
  }
}

function summaryFromJson(json: Json, where: string): Summary {
  const entries = asStringMap(json, where)
  // Old v1 writers left `operation` out; overwrite is the operation that promises least about the rows.
  const operation = entries['operation'] ?? 'overwrite'
  if (!isOperation(operation)) throw unexpected('a snapshot operation', operation, where)
  return { ...entries, operation }
}

function isOperation(text: string): text is SnapshotOperation {
  return text === 'append' || text === 'replace' || text === 'overwrite' || text === 'delete'
}

export function snapshotRefToJson(ref: SnapshotRef): JsonObject {
  return {
    'snapshot-id': ref.snapshotId,
    type: ref.type,
    ...(ref.minSnapshotsToKeep === undefined
      ? {}
      : { 'min-snapshots-to-keep': ref.minSnapshotsToKeep }),
    ...(ref.maxSnapshotAgeMs === undefined ? {} : { 'max-snapshot-age-ms': ref.maxSnapshotAgeMs }),
    ...(ref.maxRefAgeMs === undefined ? {} : { 'max-ref-age-ms': ref.maxRefAgeMs }),
  }
}

export function snapshotRefFromJson(json: Json | undefined, where = 'ref'): SnapshotRef {
  const fields = new JsonFields(json, where)
  const type = fields.required('type', asString).toLowerCase()
  if (type !== 'branch' && type !== 'tag') throw unexpected('branch or tag', type, where)
  const minSnapshotsToKeep = fields.optional('min-snapshots-to-keep', asInt)
  const maxSnapshotAgeMs = fields.optional('max-snapshot-age-ms', asBigint)
  const maxRefAgeMs = fields.optional('max-ref-age-ms', asBigint)
  return {
    snapshotId: fields.required('snapshot-id', asBigint),
    type,
    ...(minSnapshotsToKeep === undefined ? {} : { minSnapshotsToKeep }),
    ...(maxSnapshotAgeMs === undefined ? {} : { maxSnapshotAgeMs }),
    ...(maxRefAgeMs === undefined ? {} : { maxRefAgeMs }),
  }
}
