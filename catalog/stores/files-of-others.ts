/**
 * Finds the files that other tables of the catalog need too.
 *
 * Folders may overlap, and one table may have two names (registrations that raced, catalogs of
 * an older release). So the metadata of those tables decides, and an error is thrown when one of them cannot be
 * read. Tables that certainly lie elsewhere, by the location in their pointers, are not read: they cost no
 * request, and damage to them causes no error.
 */
import { formatIdentifier } from '../format/identifiers.ts'
import { errorMessage, UnavailableError, mapLimited } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { listReachableFiles } from '../manifest/reachable-files.ts'
import type { TableMetadata } from '../format/types.ts'
import { locationsOverlap, plainLocation } from './location-rules.ts'
import type { MetadataFiles } from './metadata-files.ts'
import { isSameUuid, type TablePointer } from './table-pointer.ts'

/** Paths in the form of `plainLocation`. Throws UnavailableError, naming the table, when one cannot be read. */
export async function filesOfOthers(
  io: FileIO,
  files: MetadataFiles,
  own: TableMetadata,
  others: readonly TablePointer[],
): Promise<ReadonlySet<string>> {
  const needed = new Set<string>()
  await mapLimited(others, async (pointer) => {
    const { identifier, metadataLocation, tableUuid, location } = pointer
    const mayShare = (place: string): boolean =>
      isSameUuid(tableUuid, own.tableUuid) || locationsOverlap(own.location, place)
    // A pointer of an older release has no location; the metadata has it.
    if (location !== undefined && !mayShare(location)) return
    try {
      const metadata = await files.peek(metadataLocation)
      if (!mayShare(metadata.location)) return
      const table = { identifier, metadata, metadataLocation }
      for (const path of await listReachableFiles({ io }, table)) needed.add(plainLocation(path))
    } catch (error) {
      throw new UnavailableError('a table that may share the files cannot be read', {
        facts: { table: formatIdentifier(identifier), reason: errorMessage(error) },
        cause: error,
      })
    }
  })
  return needed
}
