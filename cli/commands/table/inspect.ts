/** What a table is, from its metadata and manifests: no data file is opened. */
import type { Command } from 'commander'
import {
  type Snapshot,
  type TableMetadata,
  currentSchema,
  currentSnapshot,
  defaultPartitionSpec,
  fieldName,
  partitionTermOf,
  formatTransform,
  formatType,
  formatIdentifier,
  parseTableName,
} from '../../../catalog/format/index.ts'
import type { Table } from '../../../catalog/index.ts'
import { filesReport } from './files.ts'
import type { CliContext } from '../../frame/context.ts'
import type { Report, Row } from '../../frame/output.ts'
import { tableVerb } from './table-verb.ts'

type Inspection =
  | 'describe'
  | 'schema'
  | 'spec'
  | 'uuid'
  | 'location'
  | 'list-refs'
  | 'files'
  | 'snapshots'

const verbs: Readonly<Record<Inspection, string>> = {
  describe: 'schema, partitioning, newest snapshot and properties',
  schema: 'columns with field ids',
  spec: 'partition fields',
  uuid: 'the table uuid',
  location: 'where the table lies',
  'list-refs': 'branches and tags',
  files: 'data and delete files of the newest snapshot',
  snapshots: 'snapshots, oldest first, with their row and file counts',
}

/** One verb for each part of a table's metadata. */
export function addInspection(table: Command, context: CliContext): void {
  for (const [verb, description] of Object.entries(verbs)) {
    tableVerb(table, verb)
      .description(description)
      .action((name: string) => inspectTable(context, verb as Inspection, name))
  }
}

async function inspectTable(context: CliContext, what: Inspection, name: string): Promise<void> {
  const lake = await context.openLake()
  const table = await lake.catalog.loadTable(parseTableName(name))
  const { metadata } = table
  switch (what) {
    case 'describe':
      return context.printRecord(describe(table))
    case 'uuid':
      return context.write(`${metadata.tableUuid}\n`)
    case 'location':
      return context.write(`${metadata.location}\n`)
    case 'schema':
      return context.print(schemaReport(metadata))
    case 'spec':
      return context.print(specReport(metadata))
    case 'list-refs':
      return context.print(refsReport(metadata))
    case 'files':
      return context.print(await filesReport(lake, metadata))
    case 'snapshots':
      return context.print(snapshotsReport(metadata))
  }
}

function describe({ identifier, metadata, metadataLocation }: Table): Row {
  const snapshot = currentSnapshot(metadata)
  const spec = partitionTexts(metadata)
  return {
    name: formatIdentifier(identifier),
    'format-version': metadata.formatVersion,
    'table-uuid': metadata.tableUuid,
    location: metadata.location,
    'metadata-location': metadataLocation,
    'last-updated': isoTime(metadata.lastUpdatedMs),
    'partition-by': spec.length === 0 ? null : spec.join(', '),
    schema: currentSchema(metadata)
      .fields.map((field) => {
        return `${field.name}: ${formatType(field.type)}${field.required ? ' required' : ''}`
      })
      .join('\n'),
    snapshots: metadata.snapshots.length,
    'current-snapshot': snapshot === undefined ? null : snapshot.snapshotId.toString(),
    'total-records': summaryCount(snapshot, 'total-records'),
    'total-data-files': summaryCount(snapshot, 'total-data-files'),
    'total-files-size': summaryCount(snapshot, 'total-files-size'),
    properties: Object.entries(metadata.properties)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join('\n'),
  }
}

function schemaReport(metadata: TableMetadata): Report {
  return {
    columns: ['id', 'name', 'type', 'required', 'doc'],
    wide: ['doc'],
    rows: currentSchema(metadata).fields.map((field) => ({
      id: field.id,
      name: field.name,
      type: formatType(field.type),
      required: field.required,
      doc: field.doc ?? null,
    })),
  }
}

function specReport(metadata: TableMetadata): Report {
  const schema = currentSchema(metadata)
  return {
    columns: ['field_id', 'name', 'transform', 'source'],
    rows: defaultPartitionSpec(metadata).fields.map((field) => ({
      field_id: field.fieldId,
      name: field.name,
      transform: formatTransform(field.transform),
      source: fieldName(schema, field.sourceId) ?? `id ${field.sourceId}`,
    })),
    empty: 'not partitioned',
  }
}

function refsReport(metadata: TableMetadata): Report {
  return {
    columns: ['name', 'type', 'snapshot_id'],
    rows: Object.entries(metadata.refs).map(([name, ref]) => ({
      name,
      type: ref.type,
      snapshot_id: ref.snapshotId.toString(),
    })),
    empty: 'no branches or tags: the table has no snapshot yet',
  }
}

/** Snapshot ids are text, so that no JSON reader rounds them. */
function snapshotsReport(metadata: TableMetadata): Report {
  return {
    columns: [
      'committed_at',
      'snapshot_id',
      'parent_id',
      'operation',
      'added_records',
      'added_files',
      'total_records',
      'total_files',
      'current',
      'sequence_number',
      'manifest_list',
    ],
    wide: ['parent_id', 'sequence_number', 'manifest_list'],
    rows: metadata.snapshots.map((snapshot) => ({
      committed_at: isoTime(snapshot.timestampMs),
      snapshot_id: snapshot.snapshotId.toString(),
      parent_id: snapshot.parentSnapshotId?.toString() ?? null,
      operation: snapshot.summary?.operation ?? null,
      added_records: summaryCount(snapshot, 'added-records'),
      added_files: summaryCount(snapshot, 'added-data-files'),
      total_records: summaryCount(snapshot, 'total-records'),
      total_files: summaryCount(snapshot, 'total-data-files'),
      current: snapshot.snapshotId === metadata.currentSnapshotId ? 'yes' : '',
      sequence_number: snapshot.sequenceNumber,
      manifest_list: snapshot.manifestList ?? null,
    })),
    empty: 'no snapshots',
  }
}

function partitionTexts(metadata: TableMetadata): readonly string[] {
  const schema = currentSchema(metadata)
  return defaultPartitionSpec(metadata).fields.map((field) => {
    const source = fieldName(schema, field.sourceId) ?? `id ${field.sourceId}`
    return partitionTermOf(source, field)
  })
}

function summaryCount(snapshot: Snapshot | undefined, key: string): bigint | null {
  const text = snapshot?.summary?.[key]
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : null
}

function isoTime(ms: bigint): string {
  return new Date(Number(ms)).toISOString()
}
