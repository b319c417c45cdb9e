/** Metadata tables that are read from table metadata alone. */
import type { Table } from '../catalog.ts'
import { snapshotById } from '../format/table-metadata.ts'
import type { Snapshot, TableMetadata } from '../format/types.ts'
import { ancestorsOf } from '../transaction/history.ts'
import {
  bigint,
  boolean,
  columns,
  integer,
  mapOf,
  microsOf,
  timestamptz,
  varchar,
  type MetadataTableRows,
} from './metadata-columns.ts'

export function snapshotsTable({ metadata }: Table): Promise<MetadataTableRows> {
  return Promise.resolve({
    columns: columns({
      committed_at: timestamptz,
      snapshot_id: bigint,
      parent_id: bigint,
      operation: varchar,
      manifest_list: varchar,
      summary: mapOf(varchar, varchar),
    }),
    rows: metadata.snapshots.map((snapshot) => ({
      committed_at: microsOf(snapshot.timestampMs),
      snapshot_id: snapshot.snapshotId,
      parent_id: snapshot.parentSnapshotId ?? null,
      operation: snapshot.summary?.operation ?? null,
      manifest_list: snapshot.manifestList ?? null,
      summary: new Map(
        Object.entries(snapshot.summary ?? {}).filter(([key]) => key !== 'operation'),
      ),
    })),
  })
}

export function historyTable({ metadata }: Table): Promise<MetadataTableRows> {
  const main = ancestorsOf(metadata, metadata.currentSnapshotId)
  const ancestors = new Set([...main].map((snapshot) => snapshot.snapshotId))
  return Promise.resolve({
    columns: columns({
      made_current_at: timestamptz,
      snapshot_id: bigint,
      parent_id: bigint,
      is_current_ancestor: boolean,
    }),
    rows: metadata.snapshotLog.map(({ snapshotId, timestampMs }) => ({
      made_current_at: microsOf(timestampMs),
      snapshot_id: snapshotId,
      parent_id: snapshotById(metadata, snapshotId)?.parentSnapshotId ?? null,
      is_current_ancestor: ancestors.has(snapshotId),
    })),
  })
}

export function refsTable({ metadata }: Table): Promise<MetadataTableRows> {
  return Promise.resolve({
    columns: columns({
      name: varchar,
      type: varchar,
      snapshot_id: bigint,
      max_reference_age_in_ms: bigint,
      min_snapshots_to_keep: integer,
      max_snapshot_age_in_ms: bigint,
    }),
    rows: Object.entries(metadata.refs).map(([name, ref]) => ({
      name,
      type: ref.type.toUpperCase(),
      snapshot_id: ref.snapshotId,
      max_reference_age_in_ms: ref.maxRefAgeMs ?? null,
      min_snapshots_to_keep: ref.minSnapshotsToKeep ?? null,
      max_snapshot_age_in_ms: ref.maxSnapshotAgeMs ?? null,
    })),
  })
}

export function propertiesTable({ metadata }: Table): Promise<MetadataTableRows> {
  return Promise.resolve({
    columns: columns({ key: varchar, value: varchar }),
    rows: Object.entries(metadata.properties).map(([key, value]) => ({ key, value })),
  })
}

/** The entries of the log, then the current metadata file, each with the newest snapshot and schema of its time. */
export function metadataLogTable({
  metadata,
  metadataLocation,
}: Table): Promise<MetadataTableRows> {
  const entries = [
    ...metadata.metadataLog,
    { metadataFile: metadataLocation, timestampMs: metadata.lastUpdatedMs },
  ]
  return Promise.resolve({
    columns: columns({
      timestamp: timestamptz,
      file: varchar,
      latest_snapshot_id: bigint,
      latest_schema_id: integer,
      latest_sequence_number: bigint,
    }),
    rows: entries.map(({ metadataFile, timestampMs }) => {
      const snapshot = newestAt(metadata, timestampMs)
      return {
        timestamp: microsOf(timestampMs),
        file: metadataFile,
        latest_snapshot_id: snapshot?.snapshotId ?? null,
        latest_schema_id: snapshot?.schemaId ?? null,
        latest_sequence_number: snapshot?.sequenceNumber ?? null,
      }
    }),
  })
}

function newestAt(metadata: TableMetadata, timestampMs: bigint): Snapshot | undefined {
  const entry = metadata.snapshotLog.findLast((logged) => logged.timestampMs <= timestampMs)
  return entry === undefined ? undefined : snapshotById(metadata, entry.snapshotId)
}
