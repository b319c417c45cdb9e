/** Snapshots and refs in JSON (spec, "Snapshots", "Snapshot References", "Appendix C"). */
import { asBigint, type Json, type JsonObject } from '../../common/index.ts'
import {
  asArray,
  asInt,
  asObject,
  asString,
  asStringMap,
  optionalField,
  requiredField,
  unexpected,
  unknownMembers,
} from './json-fields.ts'
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
  const object = asObject(json, where)
  const parentSnapshotId = optionalField(object, 'parent-snapshot-id', where, asBigint)
  const manifestList = optionalField(object, 'manifest-list', where, asString)
  const manifests = optionalField(object, 'manifests', where, asArray)
  const summary = optionalField(object, 'summary', where, summaryFromJson)
  const schemaId = optionalField(object, 'schema-id', where, asInt)
  const unknownFields = unknownMembers(object, memberNames)
  return {
    snapshotId: requiredField(object, 'snapshot-id', where, asBigint),
    ...(parentSnapshotId === undefined ? {} : { parentSnapshotId }),
    sequenceNumber: optionalField(object, 'sequence-number', where, asBigint) ?? 0n,
    timestampMs: requiredField(object, 'timestamp-ms', where, asBigint),
    ...(manifestList === undefined ? {} : { manifestList }),
    ...(manifests === undefined
      ? {}
      : { manifests: manifests.map((item) => asString(item, `${where}.manifests`)) }),
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
  const object = asObject(json, where)
  const type = requiredField(object, 'type', where, asString).toLowerCase()
  if (type !== 'branch' && type !== 'tag') throw unexpected('branch or tag', type, where)
  const minSnapshotsToKeep = optionalField(object, 'min-snapshots-to-keep', where, asInt)
  const maxSnapshotAgeMs = optionalField(object, 'max-snapshot-age-ms', where, asBigint)
  const maxRefAgeMs = optionalField(object, 'max-ref-age-ms', where, asBigint)
  return {
    snapshotId: requiredField(object, 'snapshot-id', where, asBigint),
    type,
    ...(minSnapshotsToKeep === undefined ? {} : { minSnapshotsToKeep }),
    ...(maxSnapshotAgeMs === undefined ? {} : { maxSnapshotAgeMs }),
    ...(maxRefAgeMs === undefined ? {} : { maxRefAgeMs }),
  }
}
