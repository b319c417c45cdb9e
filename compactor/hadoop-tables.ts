/**
 * What Hadoop's catalog keeps in a table's folder: `metadata/version-hint.text` with a number, and
 * `metadata/v<number>.metadata.json`, which no metadata of ours names. Readers of such a table need both,
 * and where that catalog still commits, its newest files are needed by nothing that ours knows of.
 */
import { formatIdentifier, parseTableMetadata } from '../catalog/format/index.ts'
import { plainLocation, type Table } from '../catalog/index.ts'
import { NotFoundError, ValidationError } from '../common/index.ts'
import type { FileIO } from '../io/index.ts'

const metadataFile = /\/metadata\/v(\d+)(\.gz)?\.metadata\.json(\.gz)?$/

/** True also for the empty objects that Hadoop's S3 clients write in place of folders. */
export function isHadoopFile(location: string): boolean {
  return (
    metadataFile.test(location) ||
    location.endsWith('/metadata/version-hint.text') ||
    location.endsWith('_$folder$')
  )
}

/** Throws ValidationError when the newest of `files` is no state of `table`, and younger than its history. */
export async function refuseHadoopWriter(
  io: FileIO,
  { identifier, metadata, metadataLocation }: Table,
  files: readonly string[],
): Promise<void> {
  const folder = plainLocation(metadata.location)
  const numbered = files.flatMap((location) => {
    const match = metadataFile.exec(location)
    const isHere = match !== null && plainLocation(location.slice(0, match.index)) === folder
    return isHere ? [{ location, number: Number(match[1]) }] : []
  })
  const newest = numbered.reduce<(typeof numbered)[number] | undefined>(
    (best, one) => (best === undefined || one.number > best.number ? one : best),
    undefined,
  )
  if (newest === undefined) return
  const ownFiles = [metadataLocation, ...metadata.metadataLog.map((entry) => entry.metadataFile)]
  if (ownFiles.some((location) => plainLocation(location) === plainLocation(newest.location)))
    return
  const since = metadata.metadataLog[0]?.timestampMs ?? metadata.lastUpdatedMs
  const { lastUpdatedMs } = await readMetadata(io, newest.location)
  if (lastUpdatedMs === undefined || lastUpdatedMs < since) return
  throw new ValidationError(
    'another catalog commits to this table, so nothing shows which files it needs: stop its writers, or remove its version-hint.text and v*.metadata.json files if they are of no use',
    { facts: { table: formatIdentifier(identifier), metadata: newest.location } },
  )
}

/** Without a time where the file has gone since it was listed. */
async function readMetadata(
  io: FileIO,
  location: string,
): Promise<{ readonly lastUpdatedMs?: bigint }> {
  try {
    return parseTableMetadata(await io.read(location), location)
  } catch (error) {
    if (error instanceof NotFoundError) return {}
    throw error
  }
}
