/**
 * Which files a table's snapshots reach, and which only expired ones did.
 *
 * Both are worked out from manifest lists and manifests alone, never from ages or names. A mistake here
 * deletes data, so what cannot be read counts as reached: every doubt is an error that stops the deletion
 * (iceberg-facts 40).
 */
import { asBigint, isJsonObject, type Json, NotFoundError, mapLimited } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import {
  type ManifestSource,
  readManifestEntries,
  readSnapshotManifests,
} from './snapshot-manifests.ts'
import type {
  DataFile,
  ManifestEntry,
  ManifestFile,
  Snapshot,
  TableMetadata,
} from '../format/types.ts'
import { PartitionSet } from './active-files.ts'

/** In the order of deletion, so that after a crash the remaining files still show what was to be deleted. */
export interface UnreachableFiles {
  /** Data and delete files. */
  readonly files: readonly string[]
  /** Those of `files` that hold position deletes. */
  readonly positionDeletes: readonly string[]
  /** Those of `files` that hold equality deletes. */
  readonly equalityDeletes: readonly string[]
  readonly manifests: readonly string[]
  readonly manifestLists: readonly string[]
  readonly statistics: readonly string[]
}

/** Every file that the table needs, metadata files and statistics included. What else is in its folder is an orphan. */
export async function listReachableFiles(
  source: ManifestSource,
  table: Table,
): Promise<ReadonlySet<string>> {
  const { metadata, metadataLocation } = table
  const reached = new Set([
    metadataLocation,
    ...metadata.metadataLog.map((entry) => entry.metadataFile),
    ...metadata.snapshots.flatMap((snapshot) => snapshot.manifestList ?? []),
    ...statisticsOf(metadata).map((one) => one.path),
  ])
  const manifests = await manifestsOf(source, metadata.snapshots)
  for (const path of manifests.keys()) reached.add(path)
  await mapLimited([...manifests.values()], async (manifest) => {
    for (const { status, dataFile } of await readManifestEntries(source, metadata, manifest)) {
      if (status !== 'deleted') reached.add(dataFile.filePath)
    }
  })
  return reached
}

/**
 * What the snapshots of `expired` reached and those of `kept` do not. `expired.metadata` still has the
 * expired snapshots' statistics, and every partition spec of both.
 */
export async function listUnreachableFiles(
  source: ManifestSource,
  expired: { readonly metadata: TableMetadata; readonly snapshots: readonly Snapshot[] },
  kept: TableMetadata,
): Promise<UnreachableFiles> {
  const { metadata, snapshots } = expired
  const keptManifests = await manifestsOf(source, kept.snapshots)
  const before = await manifestsOf(source, snapshots, 'may-be-missing')
  const dead = [...before.values()].filter((manifest) => !keptManifests.has(manifest.manifestPath))
  const entries = await mapLimited(dead, (manifest) =>
    unlessMissing(() => readManifestEntries(source, metadata, manifest)),
  )
  const candidates = new Map<string, ManifestEntry>()
  for (const entry of entries.flatMap((ofManifest) => ofManifest ?? [])) {
    candidates.set(entry.dataFile.filePath, entry)
  }
  await withoutActive(source, metadata, keptManifests, candidates)
  const keptLists = new Set(kept.snapshots.map((snapshot) => snapshot.manifestList))
  const keptStatistics = new Set(statisticsOf(kept).map((one) => one.path))
  const ids = new Set(snapshots.map((snapshot) => snapshot.snapshotId))
  return {
    files: [...candidates.keys()],
    positionDeletes: pathsOf(candidates, 'position-deletes'),
    equalityDeletes: pathsOf(candidates, 'equality-deletes'),
    manifests: dead.map((manifest) => manifest.manifestPath),
    manifestLists: snapshots
      .flatMap((snapshot) => snapshot.manifestList ?? [])
      .filter((path) => !keptLists.has(path)),
    statistics: statisticsOf(metadata)
      .filter(({ snapshotId, path }) => ids.has(snapshotId) && !keptStatistics.has(path))
      .map((one) => one.path),
  }
}

function pathsOf(
  entries: ReadonlyMap<string, ManifestEntry>,
  content: DataFile['content'],
): readonly string[] {
  return [...entries].flatMap(([path, { dataFile }]) =>
    dataFile.content === content ? [path] : [],
  )
}

/** Takes out of `candidates` what is active in a kept manifest: carried over, merged or added again. */
async function withoutActive(
  source: ManifestSource,
  metadata: TableMetadata,
  keptManifests: ReadonlyMap<string, ManifestFile>,
  candidates: Map<string, ManifestEntry>,
): Promise<void> {
  if (candidates.size === 0) return
  const partitions = new PartitionSet(
    metadata,
    [...candidates.values()].map((entry) => entry.dataFile),
  )
  const suspects = [...keptManifests.values()].filter((manifest) => partitions.mayBeIn(manifest))
  await mapLimited(suspects, async (manifest) => {
    for (const { status, dataFile } of await readManifestEntries(source, metadata, manifest)) {
      if (status !== 'deleted') candidates.delete(dataFile.filePath)
    }
  })
}

/** The manifests of all snapshots by path, since the same manifest is in the lists of many. */
async function manifestsOf(
  source: ManifestSource,
  snapshots: readonly Snapshot[],
  mode: 'must-exist' | 'may-be-missing' = 'must-exist',
): Promise<ReadonlyMap<string, ManifestFile>> {
  const byPath = new Map<string, ManifestFile>()
  await mapLimited(snapshots, async (snapshot) => {
    const read = (): Promise<readonly ManifestFile[]> => readSnapshotManifests(source, snapshot)
    const manifests = mode === 'must-exist' ? await read() : await unlessMissing(read)
    for (const manifest of manifests ?? []) byPath.set(manifest.manifestPath, manifest)
  })
  return byPath
}

/** Files of an expired snapshot may have been deleted before; what only they named is then left to the orphan sweep. */
async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

/** Statistics files of snapshots, and of partitions. */
export function statisticsOf(
  metadata: TableMetadata,
): readonly { readonly snapshotId: bigint; readonly path: string }[] {
  return ['statistics', 'partition-statistics'].flatMap((field) => {
    const items = metadata.unknownFields?.[field]
    if (!Array.isArray(items)) return []
    return (items as readonly Json[]).flatMap((item) => {
      const path = isJsonObject(item) ? item['statistics-path'] : undefined
      if (!isJsonObject(item) || typeof path !== 'string') return []
      return [{ snapshotId: asBigint(item['snapshot-id'], `${field}.snapshot-id`), path }]
    })
  })
}
