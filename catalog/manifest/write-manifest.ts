/**
 * Writing a manifest: the file, and its row for the manifest list (spec, "Manifests", "Manifest
 * Lists").
 *
 * ADDED entries inherit their sequence numbers from the manifest list, which alone is rewritten when a
 * commit loses a race. The one exception is a rewrite, whose files state the data sequence number of the
 * snapshot it began at, so that later deletes still apply; the file sequence number is inherited even
 * then. EXISTING and DELETED entries carry both (iceberg-facts 15 and 16).
 */
import { assert, stringifyJson, ValidationError, type JsonObject } from '../../common/index.ts'
import { partitionFieldsToJson } from '../format/partition-spec-json.ts'
import { schemaToJson } from '../format/schema-json.ts'
import type {
  DataFile,
  ManifestEntry,
  ManifestFile,
  PartitionSpec,
  PrimitiveType,
  Schema,
} from '../format/types.ts'
import type { AvroDatum } from '../format/avro/avro-datum.ts'
import { writeAvroFile } from '../format/avro/avro-file.ts'
import { manifestEntrySchema } from './manifest-schema.ts'
import { partitionValueToAvro } from './partition-value.ts'
import { summarizePartitions } from './partition-summary.ts'

export interface ManifestContent {
  readonly location: string
  readonly content: 'data' | 'deletes'
  /** The table's schema at the time of writing. */
  readonly schema: Schema
  readonly spec: PartitionSpec
  readonly partitionTypes: readonly PrimitiveType[]
  readonly entries: readonly ManifestEntry[]
  readonly addedSnapshotId: bigint
  readonly syncMarker: Uint8Array
}

export interface WrittenManifest {
  readonly body: Uint8Array
  /** Its sequence number is that of the snapshot, set when the manifest list is written. */
  readonly manifest: ManifestFile
}

const statusCodes = { existing: 0, added: 1, deleted: 2 } as const
const contentCodes = { data: 0, 'position-deletes': 1, 'equality-deletes': 2 } as const

/** The sequence number of a manifest that is not yet in any manifest list. */
export const unassignedSequenceNumber = -1n

export function writeManifest(content: ManifestContent): WrittenManifest {
  checkEntries(content)
  const body = writeAvroFile({
    schema: manifestEntrySchema(content.spec, content.partitionTypes, content.content),
    metadata: manifestMetadata(content),
    records: content.entries.map((entry) => entryToAvro(entry, content)),
    syncMarker: content.syncMarker,
  })
  return { body, manifest: listEntry(content, BigInt(body.length)) }
}

function manifestMetadata({ schema, spec, content }: ManifestContent): Record<string, string> {
  return {
    schema: stringifyJson(schemaToJson(schema)),
    'schema-id': String(schema.schemaId),
    'partition-spec': stringifyJson(partitionFieldsToJson(spec.fields) as readonly JsonObject[]),
    'partition-spec-id': String(spec.specId),
    'format-version': '2',
    content,
  }
}

function checkEntries({ entries, spec, content }: ManifestContent): void {
  for (const { status, sequenceNumber, fileSequenceNumber, snapshotId, dataFile } of entries) {
    const facts = { file: dataFile.filePath, spec: spec.specId }
    if (dataFile.specId !== spec.specId || dataFile.partition.length !== spec.fields.length) {
      throw new ValidationError('file does not have the partition tuple of its spec', { facts })
    }
    if ((dataFile.content === 'data') !== (content === 'data')) {
      throw new ValidationError('a manifest holds either data files or delete files', { facts })
    }
    const explicit = sequenceNumber !== undefined && fileSequenceNumber !== undefined
    assert(snapshotId !== undefined, 'a manifest entry names its snapshot')
    assert(status === 'added' || explicit, 'only added entries inherit sequence numbers')
  }
}

function entryToAvro(entry: ManifestEntry, content: ManifestContent): AvroDatum {
  const inherits = entry.status === 'added'
  return [
    statusCodes[entry.status],
    entry.snapshotId ?? null,
    entry.sequenceNumber ?? null,
    inherits ? null : (entry.fileSequenceNumber ?? null),
    dataFileToAvro(entry.dataFile, content),
  ]
}

function dataFileToAvro(file: DataFile, { partitionTypes, content }: ManifestContent): AvroDatum {
  return [
    contentCodes[file.content],
    file.filePath,
    file.fileFormat.toUpperCase(),
    partitionTypes.map((type, index) => partitionValueToAvro(type, file.partition[index] ?? null)),
    file.recordCount,
    file.fileSizeInBytes,
    mapToAvro(file.columnSizes),
    mapToAvro(file.valueCounts),
    mapToAvro(file.nullValueCounts),
    mapToAvro(file.nanValueCounts),
    mapToAvro(file.lowerBounds),
    mapToAvro(file.upperBounds),
    file.keyMetadata ?? null,
    file.splitOffsets ?? null,
    file.equalityIds ?? null,
    file.sortOrderId ?? null,
    ...(content === 'deletes' ? [file.referencedDataFile ?? null] : []),
  ]
}

function mapToAvro(map: ReadonlyMap<number, bigint | Uint8Array> | undefined): AvroDatum {
  if (map === undefined) return null
  return [...map].sort(([left], [right]) => left - right)
}

function listEntry(content: ManifestContent, manifestLength: bigint): ManifestFile {
  const { entries, spec } = content
  const of = (status: ManifestEntry['status']): readonly ManifestEntry[] =>
    entries.filter((entry) => entry.status === status)
  const rows = (some: readonly ManifestEntry[]): bigint =>
    some.reduce((sum, entry) => sum + entry.dataFile.recordCount, 0n)
  const [added, existing, deleted] = [of('added'), of('existing'), of('deleted')]
  // Of active entries only: what is deleted here holds no sequence number alive.
  const explicit = [...added, ...existing].flatMap((entry) => entry.sequenceNumber ?? [])
  return {
    manifestPath: content.location,
    manifestLength,
    partitionSpecId: spec.specId,
    content: content.content,
    sequenceNumber: unassignedSequenceNumber,
    // Inherited numbers are the snapshot's, which is above all others; see manifest-list.ts.
    minSequenceNumber: explicit.reduce(
      (least, number) => (least === unassignedSequenceNumber || number < least ? number : least),
      unassignedSequenceNumber,
    ),
    addedSnapshotId: content.addedSnapshotId,
    addedFilesCount: added.length,
    existingFilesCount: existing.length,
    deletedFilesCount: deleted.length,
    addedRowsCount: rows(added),
    existingRowsCount: rows(existing),
    deletedRowsCount: rows(deleted),
    partitions: summarizePartitions(
      content.partitionTypes,
      entries.map((entry) => entry.dataFile.partition),
    ),
  }
}
