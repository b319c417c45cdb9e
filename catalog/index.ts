/** catalog: Apache Iceberg tables, from the spec's types to the commit. */

// ---- spec ------------------------------------------------------------------------------------
export {
  formatDate,
  formatTime,
  formatTimestamp,
  parseDate,
  parseTimestamp,
} from './format/calendar.ts'
export { parsePartitionBy } from './format/partition-by.ts'
export { partitionKey } from './format/partition-key.ts'
export { formatPartitionValue, formatValue } from './format/partition-path.ts'
export { partitionTypes } from './format/partition-types.ts'
export { schemaFromJson, schemaToJson } from './format/schema-json.ts'
export {
  assignFreshIds,
  fieldById,
  fieldName,
  findField,
  indexFields,
  validateSchema,
} from './format/schema.ts'
export {
  compareUtf8,
  compareValues,
  decodeValue,
  encodeValue,
  formatDecimal,
  parseDecimal,
  valueFromJson,
  valueToJson,
} from './format/single-value.ts'
export {
  currentSchema,
  currentSnapshot,
  defaultPartitionSpec,
  mainBranch,
  partitionSpecById,
  schemaById,
  snapshotById,
} from './format/table-metadata.ts'
export { applyTransform, canTransform, transformResultType } from './format/transform.ts'
export { formatTransform } from './format/transform-text.ts'
export { formatType, isPrimitive, parsePrimitiveType } from './format/type-json.ts'
export type {
  DataFile,
  DataFileContent,
  DecimalType,
  FieldSummary,
  FixedType,
  ListType,
  ManifestEntry,
  ManifestFile,
  MapType,
  NestedField,
  PartitionField,
  PartitionSpec,
  PrimitiveType,
  Schema,
  Snapshot,
  SnapshotOperation,
  SnapshotRef,
  SortField,
  SortOrder,
  StructType,
  Summary,
  TableMetadata,
  Transform,
  Type,
  Value,
} from './format/types.ts'

// ---- the catalog seam, and the catalog that is only a bucket ---------------------------------
export type { Catalog, CreateTableRequest, Table, TableCommit } from './catalog.ts'
export type { TableRequirement } from './table/requirement.ts'
export type { TableUpdate } from './table/update.ts'
export {
  ObjectStoreCatalog,
  type ObjectStoreCatalogOptions,
} from './stores/object-store-catalog.ts'

// ---- files: the seam between ingest and the engine that writes data files -------------------
export type {
  DataFileWriter,
  RefusedRow,
  RowSpool,
  SideField,
  SideSource,
  WriteDataFilesRequest,
  WriteDataFilesResult,
  WrittenFile,
} from './data-files/data-file-writer.ts'
export type {
  DataFileRewriter,
  LocalFile,
  RewriteDataFilesRequest,
  RewriteDataFilesResult,
  RewriteInput,
} from './data-files/data-file-rewriter.ts'

// ---- scan: which files a query has to read ---------------------------------------------------
export { onlyReferencedFile } from './scan/delete-index.ts'
export type { ComparisonOperator, Expression } from './scan/expression.ts'
export {
  type MetadataCell,
  type MetadataColumn,
  type MetadataRow,
  type MetadataTable,
  type MetadataTableName,
  isMetadataTableName,
  metadataTableNames,
  readMetadataTable,
} from './metadata-tables/metadata-tables.ts'
export { planScan } from './scan/plan-scan.ts'
export type { FileScanTask, ScanPlan, ScanRequest } from './scan/scan.ts'
export { snapshotAsOf, snapshotByRef } from './scan/snapshot-selection.ts'
export {
  type LiveFile,
  livePlaceColumns,
  type LiveRange,
  type LiveRows,
  type LiveState,
  type StreamingLayer,
  type StreamingPin,
  type TableFreshness,
} from './scan/streaming-layer.ts'

// ---- manifests, files and transactions -------------------------------------------------------
export {
  deletePathFieldId,
  deletePosFieldId,
  positionDeleteFile,
  positionDeleteSchema,
  type WrittenPositionDeletes,
} from './data-files/position-deletes.ts'
export type {
  LocalPositionDeletes,
  PositionDeleteWriter,
  WritePositionDeletesRequest,
} from './data-files/position-delete-writer.ts'
export { listReachableFiles, type UnreachableFiles } from './manifest/reachable-files.ts'
export { dataLocation, metadataLocation, newDataFileLocation } from './data-files/locations.ts'
export {
  type MetricsMode,
  lowerBoundFor,
  metricsModes,
  upperBoundFor,
} from './data-files/metrics-mode.ts'
export { ManifestCache } from './manifest/manifest-cache.ts'
export {
  type ManifestSource,
  readManifestEntries,
  readSnapshotManifests,
} from './manifest/snapshot-manifests.ts'
export type { ActionCommit, TransactionAction } from './transaction/action.ts'
export { type CommitTools, commitAction } from './transaction/commit-action.ts'
export type { ColumnPosition, SchemaChange } from './transaction/evolve-schema.ts'
export { isPublished } from './transaction/branch-change.ts'
export { ConflictError } from './transaction/conflict-error.ts'
export { ancestorsOf } from './transaction/conflicts.ts'
export {
  expireSnapshots,
  type ExpireSnapshotsOptions,
  type ExpiryResult,
} from './transaction/expire-snapshots.ts'
export { FastAppend, type FastAppendOptions } from './transaction/fast-append.ts'
export {
  type FileChanges,
  OverwriteFiles,
  type OverwriteFilesOptions,
} from './transaction/overwrite-files.ts'
export {
  ManageRefs,
  type ManageRefsOptions,
  type RefChange,
  type RefRetention,
} from './transaction/manage-refs.ts'
export { type ExpiryOptions, type ExpiryPlan, planExpiry } from './transaction/plan-expiry.ts'
export { PublishBranch, type PublishBranchOptions } from './transaction/publish-branch.ts'
export { RewriteFiles, type RewriteFilesOptions } from './transaction/rewrite-files.ts'
export {
  type PositionDeletes,
  type RowChanges,
  RowDelta,
  type RowDeltaOptions,
} from './transaction/row-delta.ts'
export type {
  SnapshotOptions,
  SnapshotTools,
  SummaryEntries,
} from './transaction/snapshot-producer.ts'
export { type PropertyChanges, UpdateProperties } from './transaction/update-properties.ts'
export { type SchemaChanges, UpdateSchema } from './transaction/update-schema.ts'

// ---- the REST protocol -----------------------------------------------------------------------
export { RestCatalog, type RestCatalogOptions } from './rest/rest-catalog.ts'
export {
  createTableFromJson,
  identifierFromJson,
  identifierToJson,
  loadTableResultToJson,
  namespaceFromJson,
  tableCommitFromJson,
} from './rest/table-json.ts'
