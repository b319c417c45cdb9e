/**
 * Refuses to add a file that is already active: the same path twice in a snapshot is undefined
 * behaviour and doubles its rows (iceberg-facts 19; apache/iceberg#17340).
 *
 * Complete checking reads every manifest of the table at every commit. A file is added a second time
 * by a confused retry, soon after the first, so only the newest small manifests are looked at.
 */
import { ValidationError } from '../../common/index.ts'
import { readEntriesOfAll, type ManifestSource } from '../manifest/snapshot-manifests.ts'
import type { DataFile, ManifestFile, TableMetadata } from '../format/types.ts'

const manifestsMax = 8
const manifestBytesMax = 1_000_000n

export async function checkNotActive(
  source: ManifestSource,
  metadata: TableMetadata,
  base: readonly ManifestFile[],
  files: readonly DataFile[],
): Promise<void> {
  if (files.length === 0) return
  const paths = new Set(files.map((file) => file.filePath))
  const newest = base
    .filter((manifest) => manifest.content === 'data' && manifest.manifestLength < manifestBytesMax)
    .sort((left, right) => Number(right.sequenceNumber - left.sequenceNumber))
    .slice(0, manifestsMax)
  const entries = await readEntriesOfAll(source, metadata, newest)
  const twice = entries.find(
    (entry) => entry.status !== 'deleted' && paths.has(entry.dataFile.filePath),
  )
  if (twice !== undefined) {
    throw new ValidationError('file is already active in the table', {
      facts: { file: twice.dataFile.filePath, snapshot: twice.snapshotId },
    })
  }
}
