/** catalog: Apache Iceberg tables, from the spec's types to the commit. */

// ---- spec ------------------------------------------------------------------------------------
export type * from './spec/types.ts'
export { schemaFromJson, schemaToJson } from './spec/schema-json.ts'
export {
  assignFreshIds,
  fieldById,
  fieldName,
  findField,
  indexFields,
  validateSchema,
} from './spec/schema.ts'
export {
  currentSchema,
  currentSnapshot,
  defaultPartitionSpec,
  mainBranch,
  partitionSpecById,
  schemaById,
  snapshotById,
} from './spec/table-metadata.ts'
export { formatTransform } from './spec/transform-text.ts'
export { formatType, isPrimitive, parsePrimitiveType } from './spec/type-json.ts'
