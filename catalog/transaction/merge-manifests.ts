/**
 * Keeps manifest lists short: many small manifests of one spec become few of the target size
 * (properties `commit.manifest.*`, as Java's merging append).
 *
 * Entries are carried as EXISTING with their own snapshot id and both sequence numbers; entries
 * DELETED by earlier snapshots are dropped (iceberg-facts 15). Delete manifests are left alone.
 */
import type { Random } from '../../common/index.ts'
import { unknownCount } from '../manifest/manifest-list.ts'
import { readEntriesOfAll, type ManifestSource } from '../manifest/snapshot-manifests.ts'
import { writeManifest } from '../manifest/write-manifest.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { propertyOf, tableProperties } from '../table/properties.ts'
import { currentSchema, partitionSpecById } from '../format/table-metadata.ts'
import type { ManifestFile, TableMetadata } from '../format/types.ts'
import { asExisting } from './filter-manifests.ts'

export interface MergeTarget {
  /** The snapshot that is being made. */
  readonly snapshotId: bigint
  readonly random: Random
  readonly location: (index: number) => string
  readonly write: (location: string, body: Uint8Array) => Promise<void>
}

/** The manifests to list instead of `base`; the same rows, without manifests that hold none. */
export async function mergeManifests(
  source: ManifestSource,
  metadata: TableMetadata,
  base: readonly ManifestFile[],
  target: MergeTarget,
): Promise<readonly ManifestFile[]> {
  const active = base.filter(
    ({ addedFilesCount, existingFilesCount }) => addedFilesCount !== 0 || existingFilesCount !== 0,
  )
  const bins = binsToMerge(active, metadata.properties)
  if (bins.length === 0) return active
  const replaced = new Set(bins.flat())
  const merged: ManifestFile[] = []
  for (const bin of bins) {
    merged.push(await mergeBin(source, metadata, bin, target, merged.length))
  }
  return [...merged, ...active.filter((manifest) => !replaced.has(manifest))]
}

function binsToMerge(
  active: readonly ManifestFile[],
  properties: Readonly<Record<string, string>>,
): readonly (readonly ManifestFile[])[] {
  // v2 requires exact counts, which only a rewrite can determine.
  const uncounted = active.filter(
    ({ addedFilesCount, content }) => addedFilesCount === unknownCount && content === 'data',
  )
  const enabled = propertyOf(properties, tableProperties.mergesManifests)
  const countMin = propertyOf(properties, tableProperties.manifestsToMergeMin)
  const bytesTarget = propertyOf(properties, tableProperties.manifestBytesTarget)
  const data = active.filter(
    (manifest) =>
      manifest.content === 'data' &&
      !uncounted.includes(manifest) &&
      manifest.manifestLength < BigInt(bytesTarget),
  )
  if (!enabled || data.length < countMin) return uncounted.map((manifest) => [manifest])
  return [...uncounted.map((manifest) => [manifest]), ...pack(data, bytesTarget)]
}

/** Bins of one spec each, none above the target size; a bin of one is not worth rewriting. */
function pack(
  manifests: readonly ManifestFile[],
  bytesTarget: number,
): readonly (readonly ManifestFile[])[] {
  const bins: ManifestFile[][] = []
  const open = new Map<number, { readonly bin: ManifestFile[]; sizeBytes: number }>()
  // Oldest first, so that files of one time stay together and bounds stay narrow.
  const oldestFirst = [...manifests].sort((left, right) =>
    Number(left.minSequenceNumber - right.minSequenceNumber),
  )
  for (const manifest of oldestFirst) {
    const sizeBytes = Number(manifest.manifestLength)
    const current = open.get(manifest.partitionSpecId)
    if (current !== undefined && current.sizeBytes + sizeBytes <= bytesTarget) {
      current.bin.push(manifest)
      current.sizeBytes += sizeBytes
    } else {
      const bin = [manifest]
      bins.push(bin)
      open.set(manifest.partitionSpecId, { bin, sizeBytes })
    }
  }
  return bins.filter((bin) => bin.length > 1)
}

async function mergeBin(
  source: ManifestSource,
  metadata: TableMetadata,
  bin: readonly ManifestFile[],
  target: MergeTarget,
  index: number,
): Promise<ManifestFile> {
  const read = await readEntriesOfAll(source, metadata, bin)
  const entries = read.flatMap((entry) => (entry.status === 'deleted' ? [] : asExisting(entry)))
  const spec = partitionSpecById(metadata, bin[0]?.partitionSpecId ?? metadata.defaultSpecId)
  const { body, manifest } = writeManifest({
    location: target.location(index),
    content: 'data',
    schema: currentSchema(metadata),
    spec,
    partitionTypes: partitionTypes(metadata, spec),
    entries,
    addedSnapshotId: target.snapshotId,
    syncMarker: target.random.bytes(16),
  })
  await target.write(manifest.manifestPath, body)
  return manifest
}
