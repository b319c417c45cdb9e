/**
 * Deletes the files of a dropped table, after its tombstone is in place.
 *
 * Only what the table's metadata reaches, what lies below its location and what no other table of the
 * catalog reaches: a folder may be shared with another table, a registered table may point to files
 * that are not its own. Data is deleted first and metadata last, so the files that an interrupted purge leaves
 * can still be listed from the tombstone. Best effort, because the drop itself has happened: an error that
 * stops it is logged, with the table.
 */
import { formatIdentifier } from '../format/identifiers.ts'
import { propertyOf, tableProperties } from '../table/properties.ts'
import { errorMessage, type Logger } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { readManifestEntries, readSnapshotManifests } from '../manifest/snapshot-manifests.ts'
import type { TableMetadata } from '../format/types.ts'
import { filesOfOthers } from './files-of-others.ts'
import { isBelow, plainLocation } from './location-rules.ts'
import type { MetadataFiles } from './metadata-files.ts'
import type { TablePointer } from './table-pointer.ts'

const deletesPerCall = 500

export interface PurgeTools {
  readonly io: FileIO
  readonly files: MetadataFiles
  readonly logger: Logger
}

/** `listOthers` names the tables that exist, of every namespace; the dropped one is not among them. */
export async function purgeTable(
  { io, files, logger }: PurgeTools,
  { identifier, metadataLocation }: TablePointer,
  listOthers: () => Promise<readonly TablePointer[]>,
): Promise<void> {
  const table = formatIdentifier(identifier)
  try {
    const metadata = await files.read(metadataLocation)
    if (!propertyOf(metadata.properties, tableProperties.allowsGc)) {
      const reason = `${tableProperties.allowsGc.name}=false`
      logger.warn('table.purge-skipped', { table, metadataLocation, reason })
      return
    }
    const needed = await filesOfOthers(io, files, metadata, await listOthers())
    const isOwn = (location: string): boolean =>
      isBelow(metadata.location, location) && !needed.has(plainLocation(location))
    const manifests = await purgeData(io, metadata, isOwn)
    const lists = metadata.snapshots.flatMap((snapshot) => snapshot.manifestList ?? [])
    const older = metadata.metadataLog.map((entry) => entry.metadataFile)
    await deleteOwn(io, isOwn, [...manifests, ...statisticsFiles(metadata)])
    await deleteOwn(io, isOwn, [...lists, ...older])
    await files.discard([metadataLocation].filter(isOwn))
  } catch (error) {
    // No reader sees the table any more, so files that are left do no harm.
    logger.warn('table.purge-incomplete', { table, metadataLocation, error: errorMessage(error) })
  }
}

type IsOwn = (location: string) => boolean

/** Deletes all data and delete files; returns the manifests that named them. */
async function purgeData(
  io: FileIO,
  metadata: TableMetadata,
  isOwn: IsOwn,
): Promise<ReadonlySet<string>> {
  const done = new Set<string>()
  for (const snapshot of metadata.snapshots) {
    for (const manifest of await readSnapshotManifests({ io }, snapshot)) {
      if (done.has(manifest.manifestPath)) continue
      const entries = await readManifestEntries({ io }, metadata, manifest)
      await deleteOwn(
        io,
        isOwn,
        entries.map((entry) => entry.dataFile.filePath),
      )
      done.add(manifest.manifestPath)
    }
  }
  return done
}

async function deleteOwn(io: FileIO, isOwn: IsOwn, locations: readonly string[]): Promise<void> {
  const own = locations.filter(isOwn)
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
