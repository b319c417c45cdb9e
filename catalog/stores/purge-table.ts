/**
 * Deletes the files of a dropped table, after its tombstone is in place.
 *
 * Only what the table's metadata reaches and what lies below its location: a folder may be shared
 * with another table, a registered table may point to files that are not its own. Data goes first
 * and metadata last, so what an interrupted purge leaves can still be found from the tombstone. Best
 * effort: the drop itself has happened.
 */
import type { FileIO } from '../../io/index.ts'
import { readManifestEntries, readSnapshotManifests } from '../manifest/snapshot-manifests.ts'
import type { TableMetadata } from '../spec/types.ts'
import { isBelow } from './location-rules.ts'
import type { MetadataFiles } from './metadata-files.ts'

const deletesPerCall = 500

export async function purgeTable(
  io: FileIO,
  files: MetadataFiles,
  metadataLocation: string,
): Promise<void> {
  try {
    const metadata = await files.read(metadataLocation)
    if (metadata.properties['gc.enabled']?.toLowerCase() === 'false') return
    const manifests = await purgeData(io, metadata)
    const lists = metadata.snapshots.flatMap((snapshot) => snapshot.manifestList ?? [])
    const older = metadata.metadataLog.map((entry) => entry.metadataFile)
    await deleteOwn(io, metadata, [...manifests, ...statisticsFiles(metadata)])
    await deleteOwn(io, metadata, [...lists, ...older])
    await files.discard([metadataLocation].filter((file) => isBelow(metadata.location, file)))
  } catch {
    // The table is gone for every reader; what is left is garbage, not harm.
  }
}

/** Deletes all data and delete files; returns the manifests that named them. */
async function purgeData(io: FileIO, metadata: TableMetadata): Promise<ReadonlySet<string>> {
  const done = new Set<string>()
  for (const snapshot of metadata.snapshots) {
    for (const manifest of await readSnapshotManifests({ io }, snapshot)) {
      if (done.has(manifest.manifestPath)) continue
      const entries = await readManifestEntries({ io }, metadata, manifest)
      await deleteOwn(
        io,
        metadata,
        entries.map((entry) => entry.dataFile.filePath),
      )
      done.add(manifest.manifestPath)
    }
  }
  return done
}

async function deleteOwn(
  io: FileIO,
  metadata: TableMetadata,
  locations: readonly string[],
): Promise<void> {
  const own = locations.filter((location) => isBelow(metadata.location, location))
  for (let start = 0; start < own.length; start += deletesPerCall) {
    await io.delete(own.slice(start, start + deletesPerCall))
  }
}

function statisticsFiles(metadata: TableMetadata): readonly string[] {
  return ['statistics', 'partition-statistics'].flatMap((field) => {
    const items = metadata.unknownFields?.[field]
    if (!Array.isArray(items)) return []
    return items.flatMap((item: unknown) => {
      const path = isObject(item) ? item['statistics-path'] : undefined
      return typeof path === 'string' ? [path] : []
    })
  })
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
