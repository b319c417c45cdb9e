/**
 * Removing files from a snapshot (spec, "Manifest Entry Fields", "Sequence Number Inheritance").
 *
 * A manifest that holds a file to remove is rewritten: remaining files are EXISTING with their
 * snapshot id and sequence numbers, removed ones are DELETED under the new snapshot, and entries that earlier
 * snapshots deleted are left out (iceberg-facts 15). All other manifests are kept as they are. After a lost
 * race most manifests are unchanged, so a rewritten one is used again.
 */
import { type Random, mapLimited } from '../../common/index.ts'
import { readManifestEntries, type ManifestSource } from '../manifest/snapshot-manifests.ts'
import { writeManifest } from '../manifest/write-manifest.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { currentSchema, partitionSpecById } from '../format/table-metadata.ts'
import type { ManifestEntry, ManifestFile, TableMetadata } from '../format/types.ts'
import type { ActiveFile } from '../manifest/active-files.ts'

export interface FilterTools {
  readonly source: ManifestSource
  /** The snapshot that is being made. */
  readonly snapshotId: bigint
  readonly random: Random
  /** A new location for each call. */
  readonly location: () => string
  readonly write: (location: string, body: Uint8Array) => Promise<void>
}

export interface FilteredManifests {
  /** Manifests of the base that hold none of the removed files. */
  readonly untouched: readonly ManifestFile[]
  readonly rewritten: readonly ManifestFile[]
}

/** One per commit, over all of its attempts. */
export class ManifestFilter {
  readonly #tools: FilterTools
  readonly #written = new Map<string, ManifestFile>()

  constructor(tools: FilterTools) {
    this.#tools = tools
  }

  async filter(
    metadata: TableMetadata,
    base: readonly ManifestFile[],
    removed: readonly ActiveFile[],
  ): Promise<FilteredManifests> {
    const pathsByManifest = new Map<ManifestFile, Set<string>>()
    for (const { manifest, entry } of removed) {
      const paths = pathsByManifest.get(manifest)
      if (paths === undefined) pathsByManifest.set(manifest, new Set([entry.dataFile.filePath]))
      else paths.add(entry.dataFile.filePath)
    }
    const rewritten = await mapLimited([...pathsByManifest], ([manifest, paths]) =>
      this.#without(metadata, manifest, paths),
    )
    return { untouched: base.filter((manifest) => !pathsByManifest.has(manifest)), rewritten }
  }

  async #without(
    metadata: TableMetadata,
    manifest: ManifestFile,
    paths: ReadonlySet<string>,
  ): Promise<ManifestFile> {
    const key = JSON.stringify([manifest.manifestPath, ...[...paths].sort()])
    const earlier = this.#written.get(key)
    if (earlier !== undefined) return earlier
    const { source, snapshotId, random } = this.#tools
    const entries = await readManifestEntries(source, metadata, manifest)
    const spec = partitionSpecById(metadata, manifest.partitionSpecId)
    const { body, manifest: filtered } = writeManifest({
      location: this.#tools.location(),
      content: manifest.content,
      schema: currentSchema(metadata),
      spec,
      partitionTypes: partitionTypes(metadata, spec),
      entries: entries
        .filter((entry) => entry.status !== 'deleted')
        .map((entry) =>
          paths.has(entry.dataFile.filePath)
            ? { ...asExisting(entry), status: 'deleted', snapshotId }
            : asExisting(entry),
        ),
      addedSnapshotId: snapshotId,
      syncMarker: random.bytes(16),
    })
    await this.#tools.write(filtered.manifestPath, body)
    this.#written.set(key, filtered)
    return filtered
  }
}

/** An active entry, as it is written into a later manifest. */
export function asExisting(entry: ManifestEntry): ManifestEntry {
  const { fileSequenceNumber, sequenceNumber } = entry
  return {
    ...entry,
    status: 'existing',
    // Before file sequence numbers existed, both numbers were equal.
    ...(fileSequenceNumber === undefined && sequenceNumber !== undefined
      ? { fileSequenceNumber: sequenceNumber }
      : {}),
  }
}
