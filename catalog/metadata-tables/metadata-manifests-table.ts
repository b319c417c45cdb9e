/** The metadata table `manifests`. */
import { readSnapshotManifests } from '../manifest/snapshot-manifests.ts'
import { formatPartitionValue } from '../format/partition-path.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { decodeValue } from '../format/single-value.ts'
import { partitionSpecById } from '../format/table-metadata.ts'
import type { ManifestFile, TableMetadata } from '../format/types.ts'
import {
  arrayOf,
  bigint,
  boolean,
  chosenSnapshot,
  columns,
  integer,
  rowOf,
  varchar,
  type MetadataCell,
  type MetadataTableReader,
} from './metadata-columns.ts'

export const manifestsTable: MetadataTableReader = async (table, source, snapshotId) => {
  const snapshot = chosenSnapshot(table, snapshotId)
  const manifests = snapshot === undefined ? [] : await readSnapshotManifests(source, snapshot)
  return {
    columns: columns({
      path: varchar,
      length: bigint,
      partition_spec_id: integer,
      added_snapshot_id: bigint,
      added_data_files_count: integer,
      added_rows_count: bigint,
      existing_data_files_count: integer,
      existing_rows_count: bigint,
      deleted_data_files_count: integer,
      deleted_rows_count: bigint,
      partition_summaries: arrayOf(
        rowOf(
          columns({
            contains_null: boolean,
            contains_nan: boolean,
            lower_bound: varchar,
            upper_bound: varchar,
          }),
        ),
      ),
    }),
    rows: manifests.map((manifest) => ({
      path: manifest.manifestPath,
      length: manifest.manifestLength,
      partition_spec_id: manifest.partitionSpecId,
      added_snapshot_id: manifest.addedSnapshotId,
      added_data_files_count: manifest.addedFilesCount,
      added_rows_count: manifest.addedRowsCount,
      existing_data_files_count: manifest.existingFilesCount,
      existing_rows_count: manifest.existingRowsCount,
      deleted_data_files_count: manifest.deletedFilesCount,
      deleted_rows_count: manifest.deletedRowsCount,
      partition_summaries: summaryCells(table.metadata, manifest),
    })),
  }
}

function summaryCells(metadata: TableMetadata, manifest: ManifestFile): MetadataCell {
  if (manifest.partitions === undefined) return null
  const spec = partitionSpecById(metadata, manifest.partitionSpecId)
  const types = partitionTypes(metadata, spec)
  return manifest.partitions.map((summary, index) => {
    const field = spec.fields[index]
    const type = types[index]
    const text = (bound: Uint8Array | undefined): string | null =>
      bound === undefined || field === undefined || type === undefined
        ? null
        : formatPartitionValue(field.transform, type, decodeValue(type, bound))
    return {
      contains_null: summary.containsNull,
      contains_nan: summary.containsNan ?? null,
      lower_bound: text(summary.lowerBound),
      upper_bound: text(summary.upperBound),
    }
  })
}
