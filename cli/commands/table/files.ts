/** `tide table files`: the active files of the newest snapshot, from its manifests. */
import type { Lake } from '../../../app/index.ts'
import {
  type DataFile,
  type TableMetadata,
  currentSchema,
  currentSnapshot,
  fieldById,
  formatPartitionValue,
  partitionSpecById,
  transformResultType,
} from '../../../catalog/format/index.ts'
import { readManifestEntries, readSnapshotManifests } from '../../../catalog/index.ts'
import type { Report, Row } from '../../frame/output.ts'

export async function filesReport(lake: Lake, metadata: TableMetadata): Promise<Report> {
  const snapshot = currentSnapshot(metadata)
  const rows: Row[] = []
  const source = { io: lake.io }
  const manifests = snapshot === undefined ? [] : await readSnapshotManifests(source, snapshot)
  for (const manifest of manifests) {
    for (const entry of await readManifestEntries(source, metadata, manifest)) {
      if (entry.status !== 'deleted') rows.push(fileRow(entry.dataFile, metadata))
    }
  }
  return {
    columns: [
      'content',
      'file_path',
      'partition',
      'record_count',
      'file_size_in_bytes',
      'file_format',
    ],
    wide: ['content', 'file_format'],
    rows,
    empty: 'no files',
  }
}

function fileRow(file: DataFile, metadata: TableMetadata): Row {
  return {
    content: file.content,
    file_path: file.filePath,
    partition: partitionText(file, metadata),
    record_count: file.recordCount,
    file_size_in_bytes: file.fileSizeInBytes,
    file_format: file.fileFormat,
  }
}

/** `ts_day=2024-01-02, id_bucket=3` */
function partitionText(file: DataFile, metadata: TableMetadata): string {
  const schema = currentSchema(metadata)
  const { fields } = partitionSpecById(metadata, file.specId)
  return fields
    .map(({ name, sourceId, transform }, index) => {
      // The source of an old spec may be gone from the schema; its values are shown as text.
      const sourceType = fieldById(schema, sourceId)?.type ?? { type: 'string' as const }
      const type = transformResultType(transform, sourceType)
      return `${name}=${formatPartitionValue(transform, type, file.partition[index] ?? null)}`
    })
    .join(', ')
}
