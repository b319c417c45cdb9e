/**
 * Plans which files a scan of a table with a filter has to read (spec, "Scan Planning").
 *
 * Prunes in three steps, each of which drops only what cannot match: manifests by their partition
 * summaries, entries by their partition tuple, files by their column statistics.
 */
import { NotFoundError, ValidationError, mapLimited } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Table } from '../catalog.ts'
import type { ManifestCache } from '../manifest/manifest-cache.ts'
import { unknownCount } from '../manifest/manifest-list.ts'
import {
  readEntriesOfAll,
  readManifestEntries,
  readSnapshotManifests,
  type ManifestSource,
} from '../manifest/snapshot-manifests.ts'
import { partitionTypes } from '../format/partition-types.ts'
import {
  currentSchema,
  currentSnapshot,
  mainBranch,
  partitionSpecById,
  schemaById,
  snapshotById,
} from '../format/table-metadata.ts'
import type {
  ManifestEntry,
  ManifestFile,
  Schema,
  Snapshot,
  TableMetadata,
} from '../format/types.ts'
import { DeleteIndex } from './delete-index.ts'
import { alwaysTrue, bindFilter, type Predicate } from './predicate.ts'
import { projectPredicate } from './project-predicate.ts'
import { fileMightMatch, manifestMightMatch, partitionMightMatch } from './prune.ts'
import type { FileScanTask, ScanPlan, ScanRequest } from './scan.ts'
import { snapshotByRef } from './snapshot-selection.ts'

/** Plans over the requested snapshot, or the current one. Throws NotFoundError, CorruptDataError. */
export async function planScan(
  io: FileIO,
  table: Table,
  request: ScanRequest = {},
  cache?: ManifestCache,
): Promise<ScanPlan> {
  const { metadata } = table
  const snapshot = snapshotOf(table, request)
  const schema = schemaFor(metadata, request, snapshot)
  if (snapshot === undefined) return { snapshot, schema, tasks: [], filesTotal: 0 }
  const source: ManifestSource = cache === undefined ? { io } : { io, cache }
  const predicate = request.filter === undefined ? alwaysTrue : bindFilter(request.filter, schema)
  const { tasks, filesTotal } = await planFiles(source, metadata, snapshot, predicate)
  return { snapshot, schema, tasks, filesTotal }
}

function schemaFor(
  metadata: TableMetadata,
  { snapshotId, ref }: ScanRequest,
  snapshot: Snapshot | undefined,
): Schema {
  const travels =
    snapshotId !== undefined || (ref !== undefined && metadata.refs[ref]?.type === 'tag')
  return travels && snapshot?.schemaId !== undefined
    ? schemaById(metadata, snapshot.schemaId)
    : currentSchema(metadata)
}

function snapshotOf(table: Table, request: ScanRequest): Snapshot | undefined {
  const { ref } = request
  if (request.snapshotId === undefined) {
    if (ref === undefined || ref === mainBranch) return currentSnapshot(table.metadata)
    return snapshotByRef(table.metadata, ref)
  }
  if (ref !== undefined) {
    throw new ValidationError('a scan names a snapshot or a ref, not both', { facts: { ref } })
  }
  const snapshot = snapshotById(table.metadata, request.snapshotId)
  if (snapshot !== undefined) return snapshot
  throw new NotFoundError('table has no such snapshot; it may have expired', {
    facts: { snapshot: request.snapshotId, table: table.metadata.location },
  })
}

async function planFiles(
  source: ManifestSource,
  metadata: TableMetadata,
  snapshot: Snapshot,
  predicate: Predicate,
): Promise<{ readonly tasks: readonly FileScanTask[]; readonly filesTotal: number }> {
  const manifests = await readSnapshotManifests(source, snapshot)
  const dataManifests = manifests.filter((manifest) => manifest.content === 'data')
  const projectionFor = projectPerSpec(metadata, predicate)
  const planned = await mapLimited(dataManifests, (manifest) =>
    planManifest(source, metadata, manifest, predicate, projectionFor),
  )
  const kept = planned.flatMap((part) => part.entries)
  const deletes =
    kept.length === 0
      ? []
      : await readEntriesOfAll(
          source,
          metadata,
          manifests.filter((manifest) => manifest.content === 'deletes'),
        )
  const index = new DeleteIndex(metadata, deletes)
  return {
    tasks: kept.map(({ dataFile, sequenceNumber = 0n }) => ({
      file: dataFile,
      sequenceNumber,
      deletes: index.deletesFor(dataFile, sequenceNumber),
    })),
    filesTotal: planned.reduce((sum, part) => sum + part.filesTotal, 0),
  }
}

interface PlannedManifest {
  readonly entries: readonly ManifestEntry[]
  readonly filesTotal: number
}

async function planManifest(
  source: ManifestSource,
  metadata: TableMetadata,
  manifest: ManifestFile,
  predicate: Predicate,
  projectionFor: (specId: number) => Predicate,
): Promise<PlannedManifest> {
  const { addedFilesCount, existingFilesCount } = manifest
  const counted = addedFilesCount !== unknownCount && existingFilesCount !== unknownCount
  const filesTotal = addedFilesCount + existingFilesCount
  if (counted && filesTotal === 0) return { entries: [], filesTotal }
  const partitionPredicate = projectionFor(manifest.partitionSpecId)
  if (counted && !manifestMightMatch(manifest, partitionPredicate)) {
    return { entries: [], filesTotal }
  }
  const entries = await readManifestEntries(source, metadata, manifest)
  const active = entries.filter((entry) => entry.status !== 'deleted')
  const kept = active.filter(
    ({ dataFile }) =>
      partitionMightMatch(dataFile.partition, partitionPredicate) &&
      fileMightMatch(dataFile, predicate),
  )
  return { entries: kept, filesTotal: active.length }
}

/** The filter as a predicate on the partition values of a spec, projected once for each. */
function projectPerSpec(
  metadata: TableMetadata,
  predicate: Predicate,
): (specId: number) => Predicate {
  const bySpec = new Map<number, Predicate>()
  return (specId) => {
    const existing = bySpec.get(specId)
    if (existing !== undefined) return existing
    const spec = partitionSpecById(metadata, specId)
    const projected = projectPredicate(predicate, spec, partitionTypes(metadata, spec))
    bySpec.set(specId, projected)
    return projected
  }
}
