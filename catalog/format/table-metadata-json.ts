/**
 * Table metadata files (spec, "Table Metadata Fields", "Appendix C: JSON serialization").
 *
 * v1, v2 and v3 are read; v1 is brought to v2's shape in memory. Fields that this release does not
 * use are kept in `unknownFields`, because another engine may depend on them. 64-bit ids never pass through
 * a double.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  asBigint,
  CorruptDataError,
  errorMessage,
  parseJson,
  stringifyJson,
  type Json,
  type JsonObject,
} from '../../common/index.ts'
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
import {
  firstPartitionFieldId,
  partitionFieldsFromJson,
  partitionFieldsToJson,
  partitionSpecFromJson,
  partitionSpecToJson,
} from './partition-spec-json.ts'
import { highestFieldId } from './schema.ts'
import { schemaFromJson, schemaToJson } from './schema-json.ts'
import {
  snapshotFromJson,
  snapshotRefFromJson,
  snapshotRefToJson,
  snapshotToJson,
} from './snapshot-json.ts'
import { sortOrderFromJson, sortOrderToJson } from './sort-order-json.ts'
import {
  checkTableMetadata,
  currentSchema,
  defaultPartitionSpec,
  mainBranch,
} from './table-metadata.ts'
import type { PartitionSpec, Schema, SnapshotRef, SortOrder, TableMetadata } from './types.ts'

const memberNames: ReadonlySet<string> = new Set([
  'format-version',
  'table-uuid',
  'location',
  'last-sequence-number',
  'last-updated-ms',
  'last-column-id',
  'schema',
  'schemas',
  'current-schema-id',
  'partition-spec',
  'partition-specs',
  'default-spec-id',
  'last-partition-id',
  'properties',
  'current-snapshot-id',
  'snapshots',
  'snapshot-log',
  'metadata-log',
  'sort-orders',
  'default-sort-order-id',
  'refs',
])

/** A metadata file inflates at most to this; more is an attack or damage. */
const inflatedBytesMax = 1 << 30

/** Parses a metadata file, gzipped or not; `location` is named in errors. */
export function parseTableMetadata(bytes: Uint8Array, location: string): TableMetadata {
  const text = Buffer.from(inflate(bytes, location)).toString('utf8')
  return tableMetadataFromJson(parseJson(text, location), location)
}

export function serializeTableMetadata(
  metadata: TableMetadata,
  compression: 'none' | 'gzip' = 'none',
): Uint8Array {
  const bytes = Buffer.from(stringifyJson(tableMetadataToJson(metadata)), 'utf8')
  return compression === 'gzip' ? gzipSync(bytes) : bytes
}

export function tableMetadataFromJson(
  json: Json | undefined,
  where = 'table-metadata',
): TableMetadata {
  const object = asObject(json, where)
  const formatVersion = requiredField(object, 'format-version', where, asInt)
  if (formatVersion !== 1 && formatVersion !== 2 && formatVersion !== 3) {
    throw unexpected('format-version 1, 2 or 3', formatVersion, where)
  }
  const currentSnapshotId = readCurrentSnapshotId(object, where)
  const schemas = readSchemas(object, where)
  const unknownFields = unknownMembers(object, memberNames)
  const metadata: TableMetadata = {
    formatVersion,
    tableUuid: readTableUuid(object, formatVersion, where),
    location: requiredField(object, 'location', where, asString).replace(/\/+$/, ''),
    lastSequenceNumber:
      formatVersion === 1 ? 0n : requiredField(object, 'last-sequence-number', where, asBigint),
    lastUpdatedMs: requiredField(object, 'last-updated-ms', where, asBigint),
    lastColumnId:
      optionalField(object, 'last-column-id', where, asInt) ??
      Math.max(...schemas.schemas.map(highestFieldId)),
    ...schemas,
    ...readPartitionSpecs(object, where),
    ...readSortOrders(object, where),
    properties: optionalField(object, 'properties', where, asStringMap) ?? {},
    ...(currentSnapshotId === undefined ? {} : { currentSnapshotId }),
    snapshots: (optionalField(object, 'snapshots', where, asArray) ?? []).map((item, index) =>
      snapshotFromJson(item, `${where}.snapshots[${index}]`),
    ),
    ...readLogs(object, where),
    refs: readRefs(object, currentSnapshotId, where),
    ...(unknownFields === undefined ? {} : { unknownFields }),
  }
  checkTableMetadata(metadata, where)
  return metadata
}

export function tableMetadataToJson(metadata: TableMetadata): JsonObject {
  checkTableMetadata(metadata, metadata.location)
  const { formatVersion } = metadata
  const schema = currentSchema(metadata)
  const spec = defaultPartitionSpec(metadata)
  return {
    'format-version': formatVersion,
    ...(metadata.tableUuid === '' ? {} : { 'table-uuid': metadata.tableUuid }),
    location: metadata.location,
    ...(formatVersion === 1 ? {} : { 'last-sequence-number': metadata.lastSequenceNumber }),
    'last-updated-ms': metadata.lastUpdatedMs,
    'last-column-id': metadata.lastColumnId,
    ...(formatVersion === 1 ? { schema: schemaToJson(schema) } : {}),
    'current-schema-id': metadata.currentSchemaId,
    schemas: metadata.schemas.map(schemaToJson),
    ...(formatVersion === 1 ? { 'partition-spec': partitionFieldsToJson(spec.fields) } : {}),
    'default-spec-id': metadata.defaultSpecId,
    'partition-specs': metadata.partitionSpecs.map(partitionSpecToJson),
    'last-partition-id': metadata.lastPartitionId,
    'default-sort-order-id': metadata.defaultSortOrderId,
    'sort-orders': metadata.sortOrders.map(sortOrderToJson),
    properties: metadata.properties,
    // Java writes -1 for an empty v1 or v2 table, so every reader knows it.
    'current-snapshot-id': metadata.currentSnapshotId ?? (formatVersion === 3 ? null : -1),
    refs: Object.fromEntries(
      Object.entries(metadata.refs).map(([name, ref]) => [name, snapshotRefToJson(ref)]),
    ),
    snapshots: metadata.snapshots.map((snapshot) => snapshotToJson(snapshot, formatVersion)),
    'snapshot-log': metadata.snapshotLog.map((entry) => ({
      'timestamp-ms': entry.timestampMs,
      'snapshot-id': entry.snapshotId,
    })),
    'metadata-log': metadata.metadataLog.map((entry) => ({
      'timestamp-ms': entry.timestampMs,
      'metadata-file': entry.metadataFile,
    })),
    ...metadata.unknownFields,
  }
}

function inflate(bytes: Uint8Array, location: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: inflatedBytesMax })
  } catch (error) {
    throw new CorruptDataError(`not valid gzip: ${errorMessage(error)}`, {
      facts: { where: location },
      cause: error,
    })
  }
}

/** v1 may lack it: the uuid is then empty, which no requirement of a commit can match. */
function readTableUuid(object: JsonObject, formatVersion: number, where: string): string {
  if (formatVersion > 1) return requiredField(object, 'table-uuid', where, asString)
  return optionalField(object, 'table-uuid', where, asString) ?? ''
}

/** Absent, null and -1 all mean: no current snapshot. */
function readCurrentSnapshotId(object: JsonObject, where: string): bigint | undefined {
  const id = optionalField(object, 'current-snapshot-id', where, asBigint)
  return id === -1n ? undefined : id
}

function readSchemas(
  object: JsonObject,
  where: string,
): { readonly schemas: readonly Schema[]; readonly currentSchemaId: number } {
  const several = optionalField(object, 'schemas', where, asArray)
  if (several !== undefined && several.length > 0) {
    return {
      schemas: several.map((item, index) => schemaFromJson(item, `${where}.schemas[${index}]`)),
      currentSchemaId: requiredField(object, 'current-schema-id', where, asInt),
    }
  }
  const only = schemaFromJson(object['schema'], `${where}.schema`)
  return { schemas: [only], currentSchemaId: only.schemaId }
}

function readPartitionSpecs(
  object: JsonObject,
  where: string,
): {
  readonly partitionSpecs: readonly PartitionSpec[]
  readonly defaultSpecId: number
  readonly lastPartitionId: number
} {
  const several = optionalField(object, 'partition-specs', where, asArray)
  const partitionSpecs =
    several === undefined || several.length === 0
      ? [
          {
            specId: 0,
            fields: partitionFieldsFromJson(object['partition-spec'], `${where}.partition-spec`),
          },
        ]
      : several.map((item, index) =>
          partitionSpecFromJson(item, `${where}.partition-specs[${index}]`),
        )
  const highest = Math.max(
    firstPartitionFieldId - 1,
    ...partitionSpecs.flatMap((spec) => spec.fields.map((field) => field.fieldId)),
  )
  return {
    partitionSpecs,
    defaultSpecId: optionalField(object, 'default-spec-id', where, asInt) ?? 0,
    lastPartitionId: optionalField(object, 'last-partition-id', where, asInt) ?? highest,
  }
}

function readSortOrders(
  object: JsonObject,
  where: string,
): { readonly sortOrders: readonly SortOrder[]; readonly defaultSortOrderId: number } {
  const orders = optionalField(object, 'sort-orders', where, asArray)
  if (orders === undefined || orders.length === 0) {
    return { sortOrders: [{ orderId: 0, fields: [] }], defaultSortOrderId: 0 }
  }
  return {
    sortOrders: orders.map((item, index) =>
      sortOrderFromJson(item, `${where}.sort-orders[${index}]`),
    ),
    defaultSortOrderId: requiredField(object, 'default-sort-order-id', where, asInt),
  }
}

function readLogs(
  object: JsonObject,
  where: string,
): Pick<TableMetadata, 'snapshotLog' | 'metadataLog'> {
  const entries = (key: string): readonly (readonly [JsonObject, string])[] =>
    object[key] === undefined || object[key] === null
      ? []
      : requiredField(object, key, where, asArray).map((item, index) => {
          const at = `${where}.${key}[${index}]`
          return [asObject(item, at), at]
        })
  return {
    snapshotLog: entries('snapshot-log').map(([entry, at]) => ({
      snapshotId: requiredField(entry, 'snapshot-id', at, asBigint),
      timestampMs: requiredField(entry, 'timestamp-ms', at, asBigint),
    })),
    metadataLog: entries('metadata-log').map(([entry, at]) => ({
      metadataFile: requiredField(entry, 'metadata-file', at, asString),
      timestampMs: requiredField(entry, 'timestamp-ms', at, asBigint),
    })),
  }
}

/** Tables from before refs existed have only their current snapshot, which is `main`. */
function readRefs(
  object: JsonObject,
  currentSnapshotId: bigint | undefined,
  where: string,
): Readonly<Record<string, SnapshotRef>> {
  const refs = optionalField(object, 'refs', where, asObject)
  const read = Object.entries(refs ?? {}).map(
    ([name, ref]) => [name, snapshotRefFromJson(ref, `${where}.refs.${name}`)] as const,
  )
  if (refs !== undefined && (read.length > 0 || currentSnapshotId === undefined)) {
    return Object.fromEntries(read)
  }
  return currentSnapshotId === undefined
    ? {}
    : { [mainBranch]: { snapshotId: currentSnapshotId, type: 'branch' } }
}
