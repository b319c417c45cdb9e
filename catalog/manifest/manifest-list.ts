/**
 * Manifest lists: one row per manifest of a snapshot (spec, "Manifest Lists").
 *
 * Here a new manifest gets its sequence number, that of the snapshot; manifests carried over from the
 * base keep theirs (iceberg-facts 15 and 17).
 */
import { assert, type Json } from '../../common/index.ts'
import type { FieldSummary, ManifestFile } from '../format/types.ts'
import type { AvroDatum } from '../format/avro/avro-datum.ts'
import { readAvroFile, writeAvroFile } from '../format/avro/avro-file.ts'
import { manifestFileSchema } from './manifest-schema.ts'
import { RecordAccess } from './record-access.ts'
import { unassignedSequenceNumber } from './write-manifest.ts'

/** Stands for a count that a v1 list does not state; readers treat it as above zero. */
export const unknownCount = -1

export interface ManifestListContent {
  readonly snapshotId: bigint
  readonly parentSnapshotId: bigint | undefined
  readonly sequenceNumber: bigint
  readonly manifests: readonly ManifestFile[]
  readonly syncMarker: Uint8Array
}

export function writeManifestList(content: ManifestListContent): Uint8Array {
  return writeAvroFile({
    schema: manifestFileSchema as Json,
    metadata: {
      'snapshot-id': String(content.snapshotId),
      'parent-snapshot-id': content.parentSnapshotId?.toString() ?? 'null',
      'sequence-number': String(content.sequenceNumber),
      'format-version': '2',
    },
    records: assignSequenceNumbers(content).map(manifestToAvro),
    syncMarker: content.syncMarker,
  })
}

/** The manifests of the list, new ones with the sequence number of the snapshot. */
export function assignSequenceNumbers(content: ManifestListContent): readonly ManifestFile[] {
  return content.manifests.map((manifest) => {
    if (manifest.sequenceNumber !== unassignedSequenceNumber) return manifest
    assert(manifest.addedSnapshotId === content.snapshotId, 'a new manifest is of this snapshot')
    return {
      ...manifest,
      sequenceNumber: content.sequenceNumber,
      minSequenceNumber:
        manifest.minSequenceNumber === unassignedSequenceNumber
          ? content.sequenceNumber
          : manifest.minSequenceNumber,
    }
  })
}

function manifestToAvro(manifest: ManifestFile): AvroDatum {
  return [
    manifest.manifestPath,
    manifest.manifestLength,
    manifest.partitionSpecId,
    manifest.content === 'data' ? 0 : 1,
    manifest.sequenceNumber,
    manifest.minSequenceNumber,
    manifest.addedSnapshotId,
    manifest.addedFilesCount,
    manifest.existingFilesCount,
    manifest.deletedFilesCount,
    manifest.addedRowsCount,
    manifest.existingRowsCount,
    manifest.deletedRowsCount,
    manifest.partitions?.map(summaryToAvro) ?? null,
    manifest.keyMetadata ?? null,
  ]
}

function summaryToAvro(summary: FieldSummary): AvroDatum {
  return [
    summary.containsNull,
    summary.containsNan ?? null,
    summary.lowerBound ?? null,
    summary.upperBound ?? null,
  ]
}

/** Reads the list of any writer; fields that v1 lacks get the values the spec gives them. */
export function parseManifestList(bytes: Uint8Array, where: string): readonly ManifestFile[] {
  const file = readAvroFile(bytes, where)
  const access = new RecordAccess(file.type, where)
  const summaries = access.nested(507)
  return file.records.map((record) => {
    const count = (id: number): number => Number(access.get(record, id) ?? unknownCount)
    const rows = (id: number): bigint => access.optionalLong(record, id) ?? BigInt(unknownCount)
    const partitions = access.get(record, 507) as readonly AvroDatum[] | null
    const keyMetadata = access.get(record, 519) as Uint8Array | null
    return {
      manifestPath: access.required(record, 500) as string,
      manifestLength: access.long(record, 501),
      partitionSpecId: access.required(record, 502) as number,
      content: access.get(record, 517) === 1 ? 'deletes' : 'data',
      sequenceNumber: access.optionalLong(record, 515) ?? 0n,
      minSequenceNumber: access.optionalLong(record, 516) ?? 0n,
      addedSnapshotId: access.optionalLong(record, 503) ?? -1n,
      addedFilesCount: count(504),
      existingFilesCount: count(505),
      deletedFilesCount: count(506),
      addedRowsCount: rows(512),
      existingRowsCount: rows(513),
      deletedRowsCount: rows(514),
      ...(partitions === null || summaries === undefined
        ? {}
        : { partitions: partitions.map((item) => summaryFromAvro(item, summaries)) }),
      ...(keyMetadata === null ? {} : { keyMetadata }),
    }
  })
}

function summaryFromAvro(record: AvroDatum, access: RecordAccess): FieldSummary {
  const containsNan = access.get(record, 518) as boolean | null
  const lowerBound = access.get(record, 510) as Uint8Array | null
  const upperBound = access.get(record, 511) as Uint8Array | null
  return {
    containsNull: access.required(record, 509) as boolean,
    ...(containsNan === null ? {} : { containsNan }),
    ...(lowerBound === null ? {} : { lowerBound }),
    ...(upperBound === null ? {} : { upperBound }),
  }
}
