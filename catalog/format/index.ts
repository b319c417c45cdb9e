/** catalog/format: the data structures of the Iceberg table spec: types, schemas, partition specs, transforms, values, table metadata. */
export { formatTimestamp, instantMillis, parseDate, parseTimestamp } from './calendar.ts'
export {
  type Namespace,
  type TableIdentifier,
  formatIdentifier,
  formatNamespace,
} from './identifiers.ts'
export {
  type PartitionByOptions,
  parsePartitionBy,
  partitionFieldName,
  partitionTermOf,
} from './partition-by.ts'
export { partitionTupleKey } from './partition-tuple-key.ts'
export { formatPartitionValue, formatValue } from './partition-path.ts'
export {
  type PartitionTerm,
  firstPiece,
  formatPartitionTerm,
  parsePartitionTerm,
  partitionTermList,
} from './partition-term.ts'
export { partitionTypes } from './partition-types.ts'
export { schemaFromJson } from './schema-json.ts'
export {
  assignFreshIds,
  childFields,
  fieldById,
  fieldName,
  findField,
  indexFields,
  validateSchema,
} from './schema.ts'
export {
  compareValues,
  decodeValue,
  encodeValue,
  formatDecimal,
  parseDecimal,
  valueFromJson,
} from './single-value.ts'
export {
  currentSchema,
  currentSnapshot,
  defaultPartitionSpec,
  mainBranch,
  partitionSpecById,
  snapshotById,
} from './table-metadata.ts'
export { parseTableMetadata } from './table-metadata-json.ts'
export { parseTableName } from './table-name.ts'
export { formatTransform } from './transform-text.ts'
export { applyTransform, transformResultType } from './transform.ts'
export { formatType, isPrimitive, parseType } from './type-text.ts'
export type {
  DataFile,
  ManifestEntry,
  ManifestFile,
  NestedField,
  PartitionField,
  PartitionSpec,
  PrimitiveType,
  Schema,
  Snapshot,
  TableMetadata,
  Transform,
  Type,
  Value,
} from './types.ts'
