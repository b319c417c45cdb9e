/** catalog: Apache Iceberg tables, from the spec's types to the commit. */
export type { Catalog, CreateTableRequest, PurgeReport, Table, TableCommit } from './catalog.ts'
export type {
  DataFileRewriter,
  LocalFile,
  RewriteDataFilesRequest,
  RewriteDataFilesResult,
  RewriteInput,
} from './data-files/data-file-rewriter.ts'
export type {
  ColumnMetrics,
  DataFileWriter,
  RefusedRow,
  RowSpool,
  SideField,
  SideSource,
  WriteDataFilesRequest,
  WriteDataFilesResult,
  WrittenFile,
} from './data-files/data-file-writer.ts'
export { fetchInputs } from './data-files/fetch-inputs.ts'
export { deleteFiles, describeLeft, type FileLeft } from './data-files/delete-files.ts'
export { RefusedColumnsError } from './data-files/refused-columns-error.ts'
export { newDataFileLocation } from './data-files/locations.ts'
export {
  lowerBoundFor,
  metricsModes,
  upperBoundFor,
} from './data-files/metrics-mode.ts'
export { packMetrics } from './data-files/packed-metrics.ts'
export type {
  LocalPositionDeletes,
  PositionDeleteWriter,
  WritePositionDeletesRequest,
} from './data-files/position-delete-writer.ts'
export {
  deletePathFieldId,
  deletePosFieldId,
  type PositionDeletes,
  positionDeleteFile,
  positionDeleteSchema,
} from './data-files/position-deletes.ts'
export { uploadDataFiles, uploadPositionDeletes } from './data-files/upload.ts'
export { decorateCatalog } from './decorate-catalog.ts'
export { loadTableIfExists } from './load-table.ts'
export { ManifestCache } from './manifest/manifest-cache.ts'
export { listReachableFiles } from './manifest/reachable-files.ts'
export {
  type ManifestSource,
  readManifestEntries,
  readSnapshotManifests,
} from './manifest/snapshot-manifests.ts'
export type { MetadataCell, MetadataColumn } from './metadata-tables/metadata-columns.ts'
export { metadataTableNames, readMetadataTable } from './metadata-tables/metadata-tables.ts'
export { RestCatalog } from './rest/rest-catalog.ts'
export {
  createTableFromJson,
  identifierFromJson,
  identifierToJson,
  loadTableResultToJson,
  namespaceFromJson,
  tableCommitFromJson,
} from './rest/table-json.ts'
export {
  ObjectStoreCatalog,
  type ObjectStoreCatalogOptions,
} from './stores/object-store-catalog.ts'
export type { TableUpdate } from './table/update.ts'
export type { TransactionAction } from './transaction/action.ts'
export { applyUpdates } from './table/apply-updates.ts'
export { findFork, isPublished } from './transaction/branch-change.ts'
export { isBelow, plainLocation } from './stores/location-rules.ts'
export { ConflictError } from './transaction/conflict-error.ts'
export {
  applySchemaChanges,
  type SchemaChange,
  widensTo,
} from './transaction/apply-schema-changes.ts'
export { expireSnapshots } from './transaction/expire-snapshots.ts'
export { FastAppend } from './transaction/fast-append.ts'
export {
  ancestorsOf,
  headOf,
  newestOffsets,
  offsetsProperty,
  offsetsPropertyKey,
  offsetsSummaryKey,
} from './transaction/history.ts'
export { ManageRefs, type RefChange } from './transaction/manage-refs.ts'
export {
  type FileChanges,
  OverwriteFiles,
  type OverwriteFilesOptions,
} from './transaction/overwrite-files.ts'
export { planExpiry, retentionRules } from './transaction/plan-expiry.ts'
export { PublishBranch } from './transaction/publish-branch.ts'
export { RequireHead } from './transaction/require-head.ts'
export { RewriteFiles } from './transaction/rewrite-files.ts'
export { RowDelta } from './transaction/row-delta.ts'
export type { SnapshotOptions, SnapshotTools } from './transaction/snapshot-producer.ts'
export { type CommitTools, commitAction, Transaction } from './transaction/transaction.ts'
export {
  partitionedBy,
  partitionTerms,
  UpdatePartitionSpec,
} from './transaction/update-partition-spec.ts'
export { type PropertyChanges, UpdateProperties } from './transaction/update-properties.ts'
export {
  requireWrittenSchema,
  type SchemaChanges,
  stageSchema,
  UpdateSchema,
} from './transaction/update-schema.ts'
