/**
 * Which files of a table other tables of the catalog need too.
 *
 * Folders may overlap, and one table may stand under two names (registrations that raced, catalogs of
 * an older release). So what decides is what the others' metadata reaches; a table that cannot be read
 * and may share the folder stops whoever asks.
 */
import { formatIdentifier, UnavailableError } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { listReachableFiles } from '../files/reachable-files.ts'
import { mapLimited } from '../manifest/map-limited.ts'
import type { TableMetadata } from '../spec/types.ts'
import { overlaps, plainLocation } from './location-rules.ts'
import type { MetadataFiles } from './metadata-files.ts'
import type { TablePointer } from './table-pointer.ts'

/** Spelled as `plainLocation` does. Throws when it cannot be told. */
export async function filesOfOthers(
  io: FileIO,
  files: MetadataFiles,
  own: TableMetadata,
  others: readonly TablePointer[],
): Promise<ReadonlySet<string>> {
  const needed = new Set<string>()
  await mapLimited(others, async (pointer) => {
    const { identifier, metadataLocation, tableUuid } = pointer
    const metadata = await files.read(metadataLocation).catch((error: unknown) => {
      if (tableUuid !== own.tableUuid && !overlaps(own.location, metadataLocation)) return undefined
      throw new UnavailableError('a table that may share the files cannot be read', {
        facts: { table: formatIdentifier(identifier) },
        cause: error,
      })
    })
    if (metadata === undefined) return
    if (tableUuid !== own.tableUuid && !overlaps(own.location, metadata.location)) return
    const table = { identifier, metadata, metadataLocation }
    for (const path of await listReachableFiles({ io }, table)) needed.add(plainLocation(path))
  })
  return needed
}
