/** The metadata tables `files` (active files) and `entries` (every entry of every manifest). */
import { stringifyJson, type Json } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import {
  readEntriesOfAll,
  readSnapshotManifests,
  type ManifestSource,
} from '../manifest/snapshot-manifests.ts'
import { formatValue } from '../format/partition-path.ts'
import { sourceField } from '../format/partition-types.ts'
import { fieldName } from '../format/schema.ts'
import { decodeValue, valueToJson } from '../format/single-value.ts'
import { currentSchema } from '../format/table-metadata.ts'
import { isPrimitive } from '../format/type-text.ts'
import type {
  DataFile,
  ManifestEntry,
  PrimitiveType,
  TableMetadata,
  Value,
} from '../format/types.ts'
import {
  arrayOf,
  bigint,
  chosenSnapshot,
  columns,
  integer,
  mapOf,
  rowOf,
  varbinary,
  varchar,
  type MetadataCell,
  type MetadataColumn,
  type MetadataTableReader,
} from './metadata-columns.ts'
import { PartitionRow } from './metadata-partition-row.ts'

const contentCodes = { data: 0, 'position-deletes': 1, 'equality-deletes': 2 } as const
const statusCodes = { existing: 0, added: 1, deleted: 2 } as const

export const filesTable: MetadataTableReader = async (table, source, snapshotId) => {
  const entries = await readEntries(table, source, snapshotId)
  const partition = new PartitionRow(table.metadata)
  return {
    columns: [...dataFileColumns(partition), { name: 'readable_metrics', type: varchar }],
    rows: entries
      .filter((entry) => entry.status !== 'deleted')
      .map(({ dataFile }) => ({
        ...dataFileCells(table.metadata, dataFile, partition),
        readable_metrics: readableMetrics(table.metadata, dataFile),
      })),
  }
}

export const entriesTable: MetadataTableReader = async (table, source, snapshotId) => {
  const entries = await readEntries(table, source, snapshotId)
  const partition = new PartitionRow(table.metadata)
  return {
    columns: columns({
      status: integer,
      snapshot_id: bigint,
      sequence_number: bigint,
      file_sequence_number: bigint,
      data_file: rowOf(dataFileColumns(partition)),
      readable_metrics: varchar,
    }),
    rows: entries.map((entry) => ({
      status: statusCodes[entry.status],
      snapshot_id: entry.snapshotId ?? null,
      sequence_number: entry.sequenceNumber ?? null,
      file_sequence_number: entry.fileSequenceNumber ?? null,
      data_file: dataFileCells(table.metadata, entry.dataFile, partition),
      readable_metrics: readableMetrics(table.metadata, entry.dataFile),
    })),
  }
}

/** Every entry of the snapshot, in the order of its manifests. */
export async function readEntries(
  table: Table,
  source: ManifestSource,
  snapshotId: bigint | undefined,
): Promise<readonly ManifestEntry[]> {
  const snapshot = chosenSnapshot(table, snapshotId)
  if (snapshot === undefined) return []
  const manifests = await readSnapshotManifests(source, snapshot)
  return readEntriesOfAll(source, table.metadata, manifests)
}

function dataFileColumns(partition: PartitionRow): readonly MetadataColumn[] {
  return [
    ...columns({ content: integer, file_path: varchar, file_format: varchar, spec_id: integer }),
    ...partition.columns(),
    ...columns({
      record_count: bigint,
      file_size_in_bytes: bigint,
      column_sizes: mapOf(integer, bigint),
      value_counts: mapOf(integer, bigint),
      null_value_counts: mapOf(integer, bigint),
      nan_value_counts: mapOf(integer, bigint),
      lower_bounds: mapOf(integer, varchar),
      upper_bounds: mapOf(integer, varchar),
      key_metadata: varbinary,
      split_offsets: arrayOf(bigint),
      equality_ids: arrayOf(integer),
      sort_order_id: integer,
    }),
  ]
}

function dataFileCells(
  metadata: TableMetadata,
  file: DataFile,
  partition: PartitionRow,
): Readonly<Record<string, MetadataCell>> {
  return {
    content: contentCodes[file.content],
    file_path: file.filePath,
    file_format: file.fileFormat.toUpperCase(),
    spec_id: file.specId,
    partition: partition.cell(file),
    record_count: file.recordCount,
    file_size_in_bytes: file.fileSizeInBytes,
    column_sizes: file.columnSizes ?? null,
    value_counts: file.valueCounts ?? null,
    null_value_counts: file.nullValueCounts ?? null,
    nan_value_counts: file.nanValueCounts ?? null,
    lower_bounds: boundCells(metadata, file.lowerBounds),
    upper_bounds: boundCells(metadata, file.upperBounds),
    key_metadata: file.keyMetadata ?? null,
    split_offsets: file.splitOffsets ?? null,
    equality_ids: file.equalityIds ?? null,
    sort_order_id: file.sortOrderId ?? null,
  }
}

function boundCells(
  metadata: TableMetadata,
  bounds: ReadonlyMap<number, Uint8Array> | undefined,
): MetadataCell {
  if (bounds === undefined) return null
  const cells = new Map<number, MetadataCell>()
  for (const [id, bytes] of bounds) {
    const bound = decodeBound(metadata, id, bytes)
    if (bound !== undefined) cells.set(id, formatValue(bound.type, bound.value))
  }
  return cells
}

/** JSON text per column name, as Trino shows it. */
function readableMetrics(metadata: TableMetadata, file: DataFile): string {
  const ids = new Set([...(file.columnSizes ?? []), ...(file.valueCounts ?? [])].map(([id]) => id))
  const json: Record<string, Json> = {}
  for (const id of [...ids].sort((left, right) => left - right)) {
    const name = fieldName(currentSchema(metadata), id)
    if (name === undefined) continue
    const bound = (bounds: ReadonlyMap<number, Uint8Array> | undefined): Json => {
      const bytes = bounds?.get(id)
      const decoded = bytes === undefined ? undefined : decodeBound(metadata, id, bytes)
      return decoded === undefined ? null : boundToJson(decoded.type, decoded.value)
    }
    json[name] = {
      column_size: file.columnSizes?.get(id) ?? null,
      value_count: file.valueCounts?.get(id) ?? null,
      null_value_count: file.nullValueCounts?.get(id) ?? null,
      nan_value_count: file.nanValueCounts?.get(id) ?? null,
      lower_bound: bound(file.lowerBounds),
      upper_bound: bound(file.upperBounds),
    }
  }
  return stringifyJson(json)
}

/** JSON has no infinities; their names stand for them. */
function boundToJson(type: PrimitiveType, value: Value): Json {
  const json = valueToJson(type, value)
  return typeof json === 'number' && !Number.isFinite(json) ? String(json) : json
}

export function decodeBound(
  metadata: TableMetadata,
  id: number,
  bytes: Uint8Array,
): { readonly type: PrimitiveType; readonly value: Value } | undefined {
  const type = sourceField(metadata, id)?.type
  return type === undefined || !isPrimitive(type)
    ? undefined
    : { type, value: decodeValue(type, bytes) }
}
