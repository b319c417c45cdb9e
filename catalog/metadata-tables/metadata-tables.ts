/**
 * The metadata tables `"t$snapshots"`, `"t$files"`, ... under Trino's column names and types
 * (conventions, "SQL surface"), as plain rows that any engine can show.
 */
import { ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import type { ManifestSource } from '../manifest/snapshot-manifests.ts'
import type { MetadataColumn, MetadataRow, MetadataTableReader } from './metadata-columns.ts'
import { entriesTable, filesTable } from './metadata-files-table.ts'
import { manifestsTable } from './metadata-manifests-table.ts'
import { partitionsTable } from './metadata-partitions-table.ts'
import {
  historyTable,
  metadataLogTable,
  propertiesTable,
  refsTable,
  snapshotsTable,
} from './metadata-log-tables.ts'

export type { MetadataCell, MetadataColumn, MetadataRow } from './metadata-columns.ts'

export interface MetadataTable {
  readonly columns: readonly MetadataColumn[]
  /** Cells in the order of `columns`; see `MetadataCell` for how each type is held. */
  readonly rows: readonly MetadataRow[]
}

const readers = {
  snapshots: snapshotsTable,
  history: historyTable,
  refs: refsTable,
  properties: propertiesTable,
  metadata_log_entries: metadataLogTable,
  manifests: manifestsTable,
  files: filesTable,
  entries: entriesTable,
  partitions: partitionsTable,
} as const satisfies Record<string, MetadataTableReader>

export type MetadataTableName = keyof typeof readers

export const metadataTableNames = Object.keys(readers) as readonly MetadataTableName[]

export function isMetadataTableName(name: string): name is MetadataTableName {
  return Object.hasOwn(readers, name)
}

/**
 * Reads one metadata table. `snapshotId` chooses the snapshot of `manifests`, `files`, `entries` and
 * `partitions` (default: the current one); the others describe the whole table.
 */
export async function readMetadataTable(
  table: Table,
  name: string,
  source: ManifestSource,
  snapshotId?: bigint,
): Promise<MetadataTable> {
  if (!isMetadataTableName(name)) {
    throw new ValidationError('no such metadata table', {
      facts: { name, existing: metadataTableNames.join(',') },
    })
  }
  const { columns, rows } = await readers[name](table, source, snapshotId)
  return { columns, rows: rows.map((row) => columns.map((column) => row[column.name] ?? null)) }
}
