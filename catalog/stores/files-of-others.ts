/**
 * Which files of a table other tables of the catalog need too.
 *
 * Folders may overlap, and one table may stand under two names (registrations that raced, catalogs of
 * an older release). So what decides is what the metadata of those tables reaches, and one of them that
 * cannot be read stops whoever asks. Tables that certainly lie elsewhere are not looked into: their
 * pointers say where they lie, so that they cost nothing and what is wrong with them stops nobody.
 */
import { formatIdentifier } from '../format/identifiers.ts'
import { errorMessage, UnavailableError, mapLimited } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { listReachableFiles } from '../manifest/reachable-files.ts'
import type { TableMetadata } from '../format/types.ts'
import { overlaps, plainLocation } from './location-rules.ts'
import type { MetadataFiles } from './metadata-files.ts'
import { isSameUuid, type TablePointer } from './table-pointer.ts'

/** Spelled as `plainLocation` does. Throws UnavailableError, naming the table, when it cannot be told. */
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
      isSameUuid(tableUuid, own.tableUuid) || overlaps(own.location, place)
    // A pointer of an older release says no place; then only the metadata does.
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
