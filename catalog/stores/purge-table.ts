/**
 * Deletes the files of a dropped table, best effort, after its tombstone is in place.
 *
 * What cannot be deleted stays for the orphan sweep: the drop itself has happened.
 */
import type { FileIO } from '../../io/index.ts'
import type { MetadataFiles } from './metadata-files.ts'

const deletesPerCall = 500

export async function purgeTable(
  io: FileIO,
  files: MetadataFiles,
  metadataLocation: string,
): Promise<void> {
  try {
    const metadata = await files.read(metadataLocation)
    let batch: string[] = []
    for await (const { location } of io.list(`${metadata.location}/`)) {
      batch.push(location)
      if (batch.length < deletesPerCall) continue
      await io.delete(batch)
      batch = []
    }
    await io.delete(batch)
  } catch {
    // The table is gone for every reader; what is left is garbage, not harm.
  }
}
