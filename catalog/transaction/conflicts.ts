/**
 * What other commits did to a branch since the snapshot that a change was planned on, as far as it affects
 * that change.
 *
 * "Since" goes by sequence number: it grows with every commit, while snapshot ids are random. A rewrite
 * keeps its rows' old data sequence number, so moved rows do not look like new ones.
 */
import type { ManifestSource } from '../manifest/snapshot-manifests.ts'
import { DeleteIndex } from '../scan/delete-index.ts'
import type { Expression } from '../scan/expression.ts'
import { planScan } from '../scan/plan-scan.ts'
import type { DataFile, ManifestFile, TableMetadata } from '../format/types.ts'
import { ConflictError } from './conflict-error.ts'
import { ancestorsOf } from './history.ts'
import {
  type FilePlace,
  type ActiveFile,
  locateFiles,
  readActiveFiles,
} from '../manifest/active-files.ts'
import type { SnapshotBase } from './snapshot-producer.ts'

/**
 * The sequence number of the snapshot that a change was planned on, 0 for an empty branch. Throws
 * ConflictError when the branch no longer has it: rolled back, replaced, or expired since.
 */
export function plannedSequenceNumber(
  { table, parent }: SnapshotBase,
  snapshotId: bigint | undefined,
): bigint {
  if (snapshotId === undefined) return 0n
  for (const snapshot of ancestorsOf(table.metadata, parent?.snapshotId)) {
    if (snapshot.snapshotId === snapshotId) return snapshot.sequenceNumber
  }
  throw new ConflictError(
    'the branch no longer has the snapshot that the change was planned on',
    [],
    {
      snapshot: snapshotId,
      head: parent?.snapshotId,
    },
  )
}

/** Throws ConflictError naming the files that are no longer active. */
export async function requireActive(
  source: ManifestSource,
  { table: { metadata }, manifests }: SnapshotBase,
  files: readonly FilePlace[],
  content: ManifestFile['content'] = 'data',
): Promise<readonly ActiveFile[]> {
  const candidates = manifests.filter((manifest) => manifest.content === content)
  const located = await locateFiles(source, metadata, candidates, files)
  const active = new Set(located.map(({ entry }) => entry.dataFile.filePath))
  const missing = files.map((file) => file.filePath).filter((path) => !active.has(path))
  if (missing.length === 0) return located
  throw new ConflictError('files were replaced or deleted by another commit; plan again', missing, {
    table: metadata.location,
  })
}

/** Every active delete file of the base. */
export function readDeletes(
  source: ManifestSource,
  { table, manifests }: SnapshotBase,
): Promise<readonly ActiveFile[]> {
  const candidates = manifests.filter((manifest) => manifest.content === 'deletes')
  return readActiveFiles(source, table.metadata, candidates)
}

/** The delete files among `deletes` that apply to one of `files`. */
export function deletesApplyingTo(
  metadata: TableMetadata,
  deletes: readonly ActiveFile[],
  files: readonly ActiveFile[],
): readonly ActiveFile[] {
  if (deletes.length === 0) return []
  const index = new DeleteIndex(
    metadata,
    deletes.map(({ entry }) => entry),
  )
  const applying = new Set<DataFile>()
  for (const { entry } of files) {
    const { dataFile, sequenceNumber = 0n } = entry
    for (const file of index.deletesFor(dataFile, sequenceNumber)) applying.add(file)
  }
  return deletes.filter(({ entry }) => applying.has(entry.dataFile))
}

/** The delete files that apply to no file any more without those of `removed`. */
export async function danglingDeletes(
  source: ManifestSource,
  { table: { metadata }, manifests }: SnapshotBase,
  deletes: readonly ActiveFile[],
  removed: readonly ActiveFile[],
): Promise<readonly ActiveFile[]> {
  const candidates = deletesApplyingTo(metadata, deletes, removed)
  if (candidates.length === 0) return []
  const newest = candidates.reduce((max, { entry }) => maxOf(max, entry.sequenceNumber ?? 0n), 0n)
  // The candidates do not apply to data that is newer than all of them.
  const older = manifests.filter(
    (manifest) => manifest.content === 'data' && manifest.minSequenceNumber <= newest,
  )
  const removedPaths = new Set(removed.map(({ entry }) => entry.dataFile.filePath))
  const active = await readActiveFiles(source, metadata, older)
  const staying = active.filter(({ entry }) => !removedPaths.has(entry.dataFile.filePath))
  const needed = new Set(deletesApplyingTo(metadata, candidates, staying))
  return candidates.filter((candidate) => !needed.has(candidate))
}

/** Of `files`, those that came to the branch after `sequenceNumber`. */
export function newerThan(
  files: readonly ActiveFile[],
  sequenceNumber: bigint,
): readonly ActiveFile[] {
  return files.filter(({ entry }) => (entry.sequenceNumber ?? 0n) > sequenceNumber)
}

/** Throws ConflictError when rows that may match `filter` came after `sequenceNumber`. */
export async function refuseNewRows(
  source: ManifestSource,
  { table, parent }: SnapshotBase,
  filter: Expression | 'anywhere',
  sequenceNumber: bigint,
): Promise<void> {
  if (parent === undefined || parent.sequenceNumber <= sequenceNumber) return
  const request = {
    snapshotId: parent.snapshotId,
    ...(filter === 'anywhere' ? {} : { filter }),
  }
  const plan = await planScan(source.io, table, request, source.cache)
  const added = plan.tasks.filter((task) => task.sequenceNumber > sequenceNumber)
  if (added.length === 0) return
  throw new ConflictError(
    'rows that the change depends on were added by another commit; plan again',
    added.map((task) => task.file.filePath),
    { table: table.metadata.location },
  )
}

/** Throws ConflictError when deletes of rows in `files` came after `sequenceNumber`. */
export function refuseNewDeletes(
  metadata: TableMetadata,
  deletes: readonly ActiveFile[],
  files: readonly ActiveFile[],
  sequenceNumber: bigint,
): void {
  const late = deletesApplyingTo(metadata, newerThan(deletes, sequenceNumber), files)
  if (late.length === 0) return
  throw new ConflictError(
    'rows of the replaced files were deleted by another commit; plan again',
    late.map(({ entry }) => entry.dataFile.filePath),
    { table: metadata.location },
  )
}

function maxOf(left: bigint, right: bigint): bigint {
  return left > right ? left : right
}
