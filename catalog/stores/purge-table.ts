/**
 * Deletes the files of a dropped table, after its tombstone is in place.
 *
 * Only what the table's metadata reaches, what lies below its location and what no other table of the
 * catalog reaches: a folder may be shared with another table, a registered table may point to files
 * that are not its own. Data is deleted first and metadata last, so the files that an interrupted purge leaves
 * can still be listed from the tombstone. Best effort, because the drop itself has happened: what is left
 * is reported and logged, with the reason.
 */
import { formatIdentifier } from '../format/identifiers.ts'
import { propertyOf, tableProperties } from '../table/properties.ts'
import { errorMessage, type Logger } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { PurgeReport } from '../catalog.ts'
import { deleteFiles, type FileLeft } from '../data-files/delete-files.ts'
import { readManifestEntries, readSnapshotManifests } from '../manifest/snapshot-manifests.ts'
import { statisticsOf } from '../manifest/reachable-files.ts'
import type { TableMetadata } from '../format/types.ts'
import { filesOfOthers } from './files-of-others.ts'
import { isBelow, plainLocation } from './location-rules.ts'
import type { MetadataFiles } from './metadata-files.ts'
import type { TablePointer } from './table-pointer.ts'

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
): Promise<PurgeReport> {
  const table = formatIdentifier(identifier)
  const left = new Map<string, string>()
  try {
    const metadata = await files.read(metadataLocation)
    if (!propertyOf(metadata.properties, tableProperties.allowsGc)) {
      const reason = `${tableProperties.allowsGc.name}=false`
      logger.warn('table.purge-skipped', { table, metadataLocation, reason })
      return { filesLeft: [], failure: `the table property ${reason} forbids it` }
    }
    const needed = await filesOfOthers(io, files, metadata, await listOthers())
    const doubtOf = (location: string): string | undefined => {
      if (!isBelow(metadata.location, location)) return "it is not in the table's folder"
      return needed.has(plainLocation(location)) ? 'another table needs it' : undefined
    }
    const purge = { io, doubtOf, left }
    const manifests = await purgeData(purge, metadata)
    const lists = metadata.snapshots.flatMap((snapshot) => snapshot.manifestList ?? [])
    const older = metadata.metadataLog.map((entry) => entry.metadataFile)
    const statistics = statisticsOf(metadata).map(({ path }) => path)
    await deleteOwn(purge, [...manifests, ...statistics])
    await deleteOwn(purge, [...lists, ...older])
    await deleteOwn(purge, [metadataLocation])
    files.forget(metadataLocation)
  } catch (error) {
    // No reader sees the table any more, so files that are left do no harm.
    const failure = errorMessage(error)
    logger.warn('table.purge-incomplete', { table, metadataLocation, error: failure })
    return { filesLeft: listed(left), failure }
  }
  const [first] = listed(left)
  if (first !== undefined) logger.warn('table.purge-left', { table, files: left.size, ...first })
  return { filesLeft: listed(left) }
}

interface Purge {
  readonly io: FileIO
  /** Why a file stays; undefined: it may go. */
  readonly doubtOf: (location: string) => string | undefined
  /** Files that stay, with the reason. */
  readonly left: Map<string, string>
}

function listed(left: ReadonlyMap<string, string>): readonly FileLeft[] {
  return [...left].map(([location, reason]) => ({ location, reason }))
}

/** Deletes all data and delete files; returns the manifests that named them. */
async function purgeData(purge: Purge, metadata: TableMetadata): Promise<ReadonlySet<string>> {
  const { io } = purge
  const done = new Set<string>()
  for (const snapshot of metadata.snapshots) {
    for (const manifest of await readSnapshotManifests({ io }, snapshot)) {
      if (done.has(manifest.manifestPath)) continue
      const entries = await readManifestEntries({ io }, metadata, manifest)
      await deleteOwn(
        purge,
        entries.map((entry) => entry.dataFile.filePath),
      )
      done.add(manifest.manifestPath)
    }
  }
  return done
}

/** Throws where the store fails, because the files that name others must outlive them. */
async function deleteOwn(
  { doubtOf, io, left }: Purge,
  locations: readonly string[],
): Promise<void> {
  const own: string[] = []
  for (const location of locations) {
    const reason = doubtOf(location)
    if (reason === undefined) own.push(location)
    else left.set(location, reason)
  }
  const deleted = await deleteFiles(io, own)
  for (const { location, reason } of deleted.left) left.set(location, reason)
  if (deleted.failure !== undefined) throw deleted.failure
}
