/**
 * The Avro schemas of manifests and manifest lists (spec, "Manifests", "Manifest Lists").
 *
 * Each field carries its field-id and each list its element-id; maps with int keys are arrays of
 * key-value records; types are bare names; required fields are no unions (iceberg-facts 13). Other
 * engines reject files that differ in any of these.
 */
import type { Json, JsonObject } from '../../common/index.ts'
import type { PartitionSpec, PrimitiveType } from '../format/types.ts'

const field = (id: number, name: string, type: Json): JsonObject => ({
  name,
  type,
  'field-id': id,
})

const optional = (id: number, name: string, type: Json): JsonObject => ({
  name,
  type: ['null', type],
  default: null,
  'field-id': id,
})

const list = (elementId: number, items: Json): JsonObject => ({
  type: 'array',
  items,
  'element-id': elementId,
})

const intMap = (keyId: number, valueId: number, value: Json): JsonObject => ({
  type: 'array',
  items: {
    type: 'record',
    name: `k${keyId}_v${valueId}`,
    fields: [field(keyId, 'key', 'int'), field(valueId, 'value', value)],
  },
  logicalType: 'map',
})

/** Entries of a manifest whose partition tuples are of `spec`. */
export function manifestEntrySchema(
  spec: PartitionSpec,
  partitionTypes: readonly PrimitiveType[],
  content: 'data' | 'deletes',
): JsonObject {
  return {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      field(0, 'status', 'int'),
      optional(1, 'snapshot_id', 'long'),
      optional(3, 'sequence_number', 'long'),
      optional(4, 'file_sequence_number', 'long'),
      field(2, 'data_file', dataFileSchema(spec, partitionTypes, content)),
    ],
  }
}

function dataFileSchema(
  spec: PartitionSpec,
  partitionTypes: readonly PrimitiveType[],
  content: 'data' | 'deletes',
): JsonObject {
  return {
    type: 'record',
    name: 'r2',
    fields: [
      field(134, 'content', 'int'),
      field(100, 'file_path', 'string'),
      field(101, 'file_format', 'string'),
      field(102, 'partition', partitionSchema(spec, partitionTypes)),
      field(103, 'record_count', 'long'),
      field(104, 'file_size_in_bytes', 'long'),
      optional(108, 'column_sizes', intMap(117, 118, 'long')),
      optional(109, 'value_counts', intMap(119, 120, 'long')),
      optional(110, 'null_value_counts', intMap(121, 122, 'long')),
      optional(137, 'nan_value_counts', intMap(138, 139, 'long')),
      optional(125, 'lower_bounds', intMap(126, 127, 'bytes')),
      optional(128, 'upper_bounds', intMap(129, 130, 'bytes')),
      optional(131, 'key_metadata', 'bytes'),
      optional(132, 'split_offsets', list(133, 'long')),
      optional(135, 'equality_ids', list(136, 'int')),
      optional(140, 'sort_order_id', 'int'),
      // Only delete files refer to a data file, so manifests of data files leave the field out.
      ...(content === 'deletes' ? [optional(143, 'referenced_data_file', 'string')] : []),
    ],
  }
}

function partitionSchema(
  spec: PartitionSpec,
  partitionTypes: readonly PrimitiveType[],
): JsonObject {
  const definedNames = new Set<string>()
  const usedNames = new Set<string>()
  const fields = spec.fields.map((partitionField, index) => {
    const type = partitionAvroType(partitionTypes[index] ?? { type: 'string' }, definedNames)
    let name = avroName(partitionField.name)
    if (usedNames.has(name)) name = `${name}_${partitionField.fieldId}`
    usedNames.add(name)
    return {
      ...optional(partitionField.fieldId, name, type),
      ...(name === partitionField.name ? {} : { 'iceberg-field-name': partitionField.name }),
    }
  })
  return { type: 'record', name: 'r102', fields }
}

/** Types that Avro does not name. */
const unnamedTypes: Readonly<
  Record<Exclude<PrimitiveType['type'], 'uuid' | 'fixed' | 'decimal'>, Json>
> = {
  boolean: 'boolean',
  int: 'int',
  long: 'long',
  float: 'float',
  double: 'double',
  string: 'string',
  binary: 'bytes',
  date: { type: 'int', logicalType: 'date' },
  time: { type: 'long', logicalType: 'time-micros' },
  timestamp: { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false },
  timestamptz: { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true },
}

/** Avro requires a named type to be defined at its first use and referred to by name after that. */
function partitionAvroType(type: PrimitiveType, definedNames: Set<string>): Json {
  switch (type.type) {
    case 'uuid':
      return named(definedNames, 'uuid_fixed', { size: 16, logicalType: 'uuid' })
    case 'fixed':
      return named(definedNames, `fixed_${type.length}`, { size: type.length })
    case 'decimal': {
      const { precision, scale } = type
      return named(definedNames, `decimal_${precision}_${scale}`, {
        size: decimalBytes(precision),
        logicalType: 'decimal',
        precision,
        scale,
      })
    }
    default:
      return unnamedTypes[type.type]
  }
}

function named(definedNames: Set<string>, name: string, definition: JsonObject): Json {
  if (definedNames.has(name)) return name
  definedNames.add(name)
  return { type: 'fixed', name, ...definition }
}

/** The fewest bytes that hold any decimal of this precision. */
export function decimalBytes(precision: number): number {
  const largest = 10n ** BigInt(precision)
  let bytes = 1
  while (1n << BigInt(8 * bytes - 1) < largest) bytes++
  return bytes
}

/** Avro names are letters, digits and underscores; anything else is escaped as Java does it. */
export function avroName(name: string): string {
  const escaped = Array.from(name, (sign, index) => {
    if (/[A-Za-z_]/.test(sign)) return sign
    if (/[0-9]/.test(sign)) return index === 0 ? `_${sign}` : sign
    return `_x${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase()}`
  })
  return escaped.join('')
}

export const manifestFileSchema: JsonObject = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
    field(504, 'added_files_count', 'int'),
    field(505, 'existing_files_count', 'int'),
    field(506, 'deleted_files_count', 'int'),
    field(512, 'added_rows_count', 'long'),
    field(513, 'existing_rows_count', 'long'),
    field(514, 'deleted_rows_count', 'long'),
    optional(
      507,
      'partitions',
      list(508, {
        type: 'record',
        name: 'r508',
        fields: [
          field(509, 'contains_null', 'boolean'),
          optional(518, 'contains_nan', 'boolean'),
          optional(510, 'lower_bound', 'bytes'),
          optional(511, 'upper_bound', 'bytes'),
        ],
      }),
    ),
    optional(519, 'key_metadata', 'bytes'),
  ],
}

/** Ids by name, for files whose writer left the field-ids out. */
export const fieldIdsByName: ReadonlyMap<string, number> = new Map([
  ...collectIds(manifestFileSchema),
  ...collectIds(manifestEntrySchema({ specId: 0, fields: [] }, [], 'deletes')),
  ['added_data_files_count', 504],
  ['existing_data_files_count', 505],
  ['deleted_data_files_count', 506],
])

function collectIds(json: Json): readonly (readonly [string, number])[] {
  if (Array.isArray(json)) return (json as readonly Json[]).flatMap((item) => collectIds(item))
  if (typeof json !== 'object' || json === null) return []
  const object = json as JsonObject
  const { name, 'field-id': id } = object
  const own = typeof name === 'string' && typeof id === 'number' ? [[name, id] as const] : []
  return [...own, ...Object.values(object).flatMap((member) => collectIds(member))]
}
