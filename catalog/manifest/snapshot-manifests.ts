/** From a snapshot to its manifests and their entries, through the cache where there is one. */
import { mapLimited } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { partitionSpecById } from '../format/table-metadata.ts'
import { formatType } from '../format/type-text.ts'
import type { ManifestEntry, ManifestFile, Snapshot, TableMetadata } from '../format/types.ts'
import { readAvroFile } from '../format/avro/avro-file.ts'
import type { ManifestCache } from './manifest-cache.ts'
import { parseManifestList, unknownCount } from './manifest-list.ts'
import { parseManifest } from './read-manifest.ts'

/** Where manifests are read from. */
export interface ManifestSource {
  readonly io: FileIO
  readonly cache?: ManifestCache
}

/** Every manifest of the snapshot, data and deletes. */
export async function readSnapshotManifests(
  source: ManifestSource,
  snapshot: Snapshot,
): Promise<readonly ManifestFile[]> {
  if (snapshot.manifestList !== undefined) {
    return parseManifestList(await source.io.read(snapshot.manifestList), snapshot.manifestList)
  }
  const manifests: ManifestFile[] = []
  for (const path of snapshot.manifests ?? []) {
    manifests.push(await describeV1Manifest(source.io, path, snapshot))
  }
  return manifests
}

/** All entries of a manifest, deleted ones too, with inherited numbers filled in. */
export async function readManifestEntries(
  source: ManifestSource,
  metadata: TableMetadata,
  manifest: ManifestFile,
): Promise<readonly ManifestEntry[]> {
  const spec = partitionSpecById(metadata, manifest.partitionSpecId)
  const types = partitionTypes(metadata, spec)
  // Everything that the parsed entries depend on: types change with promotions, numbers are inherited.
  const key = [
    manifest.manifestPath,
    manifest.sequenceNumber,
    manifest.addedSnapshotId,
    types.map(formatType).join(','),
  ].join('|')
  const cached = source.cache?.get(key)
  if (cached !== undefined) return cached.entries
  const bytes = await source.io.read(manifest.manifestPath)
  const parsed = parseManifest(bytes, manifest, spec, types)
  source.cache?.set(key, parsed)
  return parsed.entries
}

/** The entries of several manifests, in their order. */
export async function readEntriesOfAll(
  source: ManifestSource,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
): Promise<readonly ManifestEntry[]> {
  const read = await mapLimited(manifests, (one) => readManifestEntries(source, metadata, one))
  return read.flat()
}

/** v1 snapshots may name manifests without a list; the spec id is then in the header of the manifest. */
async function describeV1Manifest(
  io: FileIO,
  path: string,
  snapshot: Snapshot,
): Promise<ManifestFile> {
  const bytes = await io.read(path)
  const { metadata } = readAvroFile(bytes, path)
  return {
    manifestPath: path,
    manifestLength: BigInt(bytes.length),
    partitionSpecId: Number(metadata.get('partition-spec-id') ?? 0),
    content: 'data',
    sequenceNumber: 0n,
    minSequenceNumber: 0n,
    addedSnapshotId: snapshot.snapshotId,
    addedFilesCount: unknownCount,
    existingFilesCount: unknownCount,
    deletedFilesCount: unknownCount,
    addedRowsCount: BigInt(unknownCount),
    existingRowsCount: BigInt(unknownCount),
    deletedRowsCount: BigInt(unknownCount),
  }
}
