/**
 * What a branch changed since it left its target: files added and removed, and the files that its deletes name.
 *
 * The comparison is with the newest snapshot that both share, or that was published before: a branch may
 * be published, go on, and be published again.
 */
import { UnsupportedError } from '../../common/index.ts'
import { type ManifestSource, readSnapshotManifests } from '../manifest/snapshot-manifests.ts'
import { DeleteIndex } from '../scan/delete-index.ts'
import type { DataFile, ManifestFile, Snapshot, TableMetadata } from '../format/types.ts'
import { ConflictError } from './conflict-error.ts'
import { ancestorsOf } from './history.ts'
import { type ActiveFile, readActiveFiles } from '../manifest/active-files.ts'

/** The key that Java's cherry-pick writes; names the head of the branch that a snapshot published. */
export const sourceSnapshotKey = 'source-snapshot-id'

/** Distinguishes a publishing of a whole branch from a cherry-pick of one snapshot. */
export const publishedBranchKey = 'tidewater.published-branch'

function publishedHead({ summary }: Snapshot): string | undefined {
  return summary?.[publishedBranchKey] === undefined ? undefined : summary[sourceSnapshotKey]
}

export interface BranchChange {
  readonly fork: Fork
  /** Data and delete files. */
  readonly added: readonly DataFile[]
  readonly removed: readonly DataFile[]
  /** Data files that the added deletes name and that the branch did not add itself. */
  readonly needed: readonly DataFile[]
  /** Paths of the delete files of the snapshot at which the branch began. */
  readonly initialDeletes: ReadonlySet<string>
  /** True when every commit of the branch kept the rows as they were. */
  readonly keepsRows: boolean
}

/** True when `target` has everything that the branch had at `head`. */
export function isPublished(metadata: TableMetadata, head: bigint, target: Snapshot): boolean {
  for (const snapshot of ancestorsOf(metadata, target.snapshotId)) {
    if (snapshot.snapshotId === head || publishedHead(snapshot) === String(head)) return true
  }
  return false
}

export interface Fork {
  /** Undefined when the branch began on an empty table. */
  readonly since: Snapshot | undefined
  /**
   * False when the target's history does not show it, because it has expired, or the target was rolled back
   * or replaced. `since` is then the oldest remaining snapshot of the branch; whether the target has the changes
   * after it can be checked, but they cannot be applied.
   */
  readonly isCertain: boolean
}

/** The newest snapshot of the branch whose state `target` has. */
export function findFork(
  metadata: TableMetadata,
  head: bigint,
  target: Snapshot | undefined,
): Fork {
  const shared = new Set<string>()
  let oldest: Snapshot | undefined
  for (const snapshot of ancestorsOf(metadata, target?.snapshotId)) {
    oldest = snapshot
    shared.add(String(snapshot.snapshotId))
    const source = publishedHead(snapshot)
    if (source !== undefined) shared.add(source)
  }
  // Only a complete history shows that the target never had the root of the branch.
  const isWhole = oldest?.parentSnapshotId === undefined
  let since: Snapshot | undefined
  for (const snapshot of ancestorsOf(metadata, head)) {
    if (shared.has(String(snapshot.snapshotId))) return { since: snapshot, isCertain: true }
    since = snapshot
  }
  const isRoot = since !== undefined && since.parentSnapshotId === undefined
  // If main was once at this root, main has been replaced since, and the branch did not begin empty.
  const wasMain = metadata.snapshotLog.some((entry) => entry.snapshotId === since?.snapshotId)
  if (isRoot && isWhole && !wasMain) return { since: undefined, isCertain: true }
  return { since, isCertain: false }
}

/** Throws ConflictError where it is not certain what the branch changed. */
export function requireCertain({ isCertain }: Fork, head: bigint, location: string): void {
  if (isCertain) return
  throw new ConflictError(
    'the snapshot at which the branch left its target is no longer in the target\u2019s history: it has ' +
      'expired, or the target was rolled back or replaced; create the branch again',
    [],
    { head, table: location },
  )
}

export async function readBranchChange(
  source: ManifestSource,
  metadata: TableMetadata,
  head: Snapshot,
  target: Snapshot | undefined,
): Promise<BranchChange> {
  const fork = findFork(metadata, head.snapshotId, target)
  const { since } = fork
  const before = since === undefined ? [] : await readSnapshotManifests(source, since)
  const after = await readSnapshotManifests(source, head)
  const left = await readActiveFiles(source, metadata, without(before, after))
  const right = await readActiveFiles(source, metadata, without(after, before))
  const added = minus(right, left)
  const removed = minus(left, right)
  refuseEqualityDeletes(added)
  return {
    fork,
    added: added.map(({ entry }) => entry.dataFile),
    removed: removed.map(({ entry }) => entry.dataFile),
    needed: await neededFiles(source, metadata, after, added),
    initialDeletes: await deletePaths(source, metadata, before),
    keepsRows: keepsRows(metadata, head, since),
  }
}

/** Equality deletes apply by sequence number, and publishing gives the files that they apply to new ones. */
function refuseEqualityDeletes(added: readonly ActiveFile[]): void {
  const equalityDelete = added.find(({ entry }) => entry.dataFile.content === 'equality-deletes')
  if (equalityDelete === undefined) return
  throw new UnsupportedError(
    'a branch with equality deletes can only be published while its target does not change; compact it first',
    { facts: { file: equalityDelete.entry.dataFile.filePath } },
  )
}

async function neededFiles(
  source: ManifestSource,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  added: readonly ActiveFile[],
): Promise<readonly DataFile[]> {
  const deletes = added.filter(({ entry }) => entry.dataFile.content !== 'data')
  if (deletes.length === 0) return []
  const own = new Set(added.map(({ entry }) => entry.dataFile.filePath))
  const data = manifests.filter((manifest) => manifest.content === 'data')
  const active = await readActiveFiles(source, metadata, data)
  const index = new DeleteIndex(
    metadata,
    deletes.map(({ entry }) => entry),
  )
  return active
    .filter(({ entry: { dataFile, sequenceNumber = 0n } }) => {
      return !own.has(dataFile.filePath) && index.deletesFor(dataFile, sequenceNumber).length > 0
    })
    .map(({ entry }) => entry.dataFile)
}

async function deletePaths(
  source: ManifestSource,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
): Promise<ReadonlySet<string>> {
  const deletes = manifests.filter((manifest) => manifest.content === 'deletes')
  const active = await readActiveFiles(source, metadata, deletes)
  return new Set(active.map(({ entry }) => entry.dataFile.filePath))
}

function keepsRows(metadata: TableMetadata, head: Snapshot, since: Snapshot | undefined): boolean {
  for (const snapshot of ancestorsOf(metadata, head.snapshotId)) {
    if (snapshot.snapshotId === since?.snapshotId) return true
    if (snapshot.summary?.operation !== 'replace') return false
  }
  return false
}

function without(
  manifests: readonly ManifestFile[],
  others: readonly ManifestFile[],
): readonly ManifestFile[] {
  const paths = new Set(others.map((manifest) => manifest.manifestPath))
  return manifests.filter((manifest) => !paths.has(manifest.manifestPath))
}

function minus(files: readonly ActiveFile[], others: readonly ActiveFile[]): readonly ActiveFile[] {
  const paths = new Set(others.map(({ entry }) => entry.dataFile.filePath))
  return files.filter(({ entry }) => !paths.has(entry.dataFile.filePath))
}
