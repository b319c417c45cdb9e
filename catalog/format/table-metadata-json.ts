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
  asInt,
  asObject,
  asString,
  asStringMap,
  JsonFields,
  listOf,
  unexpected,
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
import type {
  MetadataLogEntry,
  PartitionSpec,
  Schema,
  SnapshotLogEntry,
  SnapshotRef,
  SortOrder,
  TableMetadata,
} from './types.ts'

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
  const fields = new JsonFields(json, where)
  const formatVersion = fields.required('format-version', asInt)
  if (formatVersion !== 1 && formatVersion !== 2 && formatVersion !== 3) {
    throw unexpected('format-version 1, 2 or 3', formatVersion, where)
  }
  const currentSnapshotId = readCurrentSnapshotId(fields)
  const schemas = readSchemas(fields)
  const unknownFields = fields.others(memberNames)
  const metadata: TableMetadata = {
    formatVersion,
    tableUuid: readTableUuid(fields, formatVersion),
    location: fields.required('location', asString).replace(/\/+$/, ''),
    lastSequenceNumber:
      formatVersion === 1 ? 0n : fields.required('last-sequence-number', asBigint),
    lastUpdatedMs: fields.required('last-updated-ms', asBigint),
    lastColumnId:
      fields.optional('last-column-id', asInt) ?? Math.max(...schemas.schemas.map(highestFieldId)),
    ...schemas,
    ...readPartitionSpecs(fields),
    ...readSortOrders(fields),
    properties: fields.optional('properties', asStringMap) ?? {},
    ...(currentSnapshotId === undefined ? {} : { currentSnapshotId }),
    snapshots: fields.optional('snapshots', listOf(snapshotFromJson)) ?? [],
    ...readLogs(fields),
    refs: readRefs(fields, currentSnapshotId),
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
function readTableUuid(fields: JsonFields, formatVersion: number): string {
  if (formatVersion > 1) return fields.required('table-uuid', asString)
  return fields.optional('table-uuid', asString) ?? ''
}

/** Absent, null and -1 all mean: no current snapshot. */
function readCurrentSnapshotId(fields: JsonFields): bigint | undefined {
  const id = fields.optional('current-snapshot-id', asBigint)
  return id === -1n ? undefined : id
}

function readSchemas(fields: JsonFields): {
  readonly schemas: readonly Schema[]
  readonly currentSchemaId: number
} {
  const several = fields.optional('schemas', listOf(schemaFromJson))
  if (several !== undefined && several.length > 0) {
    return {
      schemas: several,
      currentSchemaId: fields.required('current-schema-id', asInt),
    }
  }
  const only = fields.required('schema', schemaFromJson)
  return { schemas: [only], currentSchemaId: only.schemaId }
}

function readPartitionSpecs(fields: JsonFields): {
  readonly partitionSpecs: readonly PartitionSpec[]
  readonly defaultSpecId: number
  readonly lastPartitionId: number
} {
  const several = fields.optional('partition-specs', listOf(partitionSpecFromJson))
  const partitionSpecs =
    several === undefined || several.length === 0
      ? [{ specId: 0, fields: fields.required('partition-spec', partitionFieldsFromJson) }]
      : several
  const highest = Math.max(
    firstPartitionFieldId - 1,
    ...partitionSpecs.flatMap((spec) => spec.fields.map((field) => field.fieldId)),
  )
  return {
    partitionSpecs,
    defaultSpecId: fields.optional('default-spec-id', asInt) ?? 0,
    lastPartitionId: fields.optional('last-partition-id', asInt) ?? highest,
  }
}

function readSortOrders(fields: JsonFields): {
  readonly sortOrders: readonly SortOrder[]
  readonly defaultSortOrderId: number
} {
  const orders = fields.optional('sort-orders', listOf(sortOrderFromJson))
  if (orders === undefined || orders.length === 0) {
    return { sortOrders: [{ orderId: 0, fields: [] }], defaultSortOrderId: 0 }
  }
  return {
    sortOrders: orders,
    defaultSortOrderId: fields.required('default-sort-order-id', asInt),
  }
}

function readLogs(fields: JsonFields): Pick<TableMetadata, 'snapshotLog' | 'metadataLog'> {
  const snapshotLog = fields.optional('snapshot-log', listOf(snapshotLogEntry))
  const metadataLog = fields.optional('metadata-log', listOf(metadataLogEntry))
  return { snapshotLog: snapshotLog ?? [], metadataLog: metadataLog ?? [] }
}

function snapshotLogEntry(json: Json | undefined, where: string): SnapshotLogEntry {
  const fields = new JsonFields(json, where)
  return {
    snapshotId: fields.required('snapshot-id', asBigint),
    timestampMs: fields.required('timestamp-ms', asBigint),
  }
}

function metadataLogEntry(json: Json | undefined, where: string): MetadataLogEntry {
  const fields = new JsonFields(json, where)
  return {
    metadataFile: fields.required('metadata-file', asString),
    timestampMs: fields.required('timestamp-ms', asBigint),
  }
}

/** Tables from before refs existed have only their current snapshot, which is `main`. */
function readRefs(
  fields: JsonFields,
  currentSnapshotId: bigint | undefined,
): Readonly<Record<string, SnapshotRef>> {
  const refs = fields.optional('refs', asObject)
  const read = Object.entries(refs ?? {}).map(
    ([name, ref]) => [name, snapshotRefFromJson(ref, `${fields.where}.refs.${name}`)] as const,
  )
  if (refs !== undefined && (read.length > 0 || currentSnapshotId === undefined)) {
    return Object.fromEntries(read)
  }
  return currentSnapshotId === undefined
    ? {}
    : { [mainBranch]: { snapshotId: currentSnapshotId, type: 'branch' } }
}
