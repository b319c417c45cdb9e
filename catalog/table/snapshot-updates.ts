/** Adding snapshots to table metadata and removing them, and the refs that name them (spec, "Snapshots"). */
import { isDeepStrictEqual } from 'node:util'
import { CommitFailedError, UnsupportedError, ValidationError } from '../../common/index.ts'
import { mainBranch } from '../format/table-metadata.ts'
import type { TableMetadata } from '../format/types.ts'
import { dropStatistics } from './statistics-updates.ts'
import type { TableUpdate } from './update.ts'

export function addSnapshot(
  metadata: TableMetadata,
  { snapshot }: TableUpdate<'add-snapshot'>,
): TableMetadata {
  if (metadata.formatVersion === 3) {
    throw new UnsupportedError('snapshots cannot be added to a format version 3 table yet')
  }
  if (metadata.snapshots.some((existing) => existing.snapshotId === snapshot.snapshotId)) {
    throw new ValidationError('the table already has a snapshot with this id', {
      facts: { snapshotId: snapshot.snapshotId },
    })
  }
  // The manifest list of a snapshot built on an older head lacks the newer files (fact 4).
  const stale = snapshot.sequenceNumber <= metadata.lastSequenceNumber
  if (metadata.formatVersion > 1 && snapshot.parentSnapshotId !== undefined && stale) {
    throw new CommitFailedError('the snapshot was built on an older version of the table', {
      facts: {
        sequenceNumber: snapshot.sequenceNumber,
        lastSequenceNumber: metadata.lastSequenceNumber,
      },
    })
  }
  const last = metadata.lastSequenceNumber
  return {
    ...metadata,
    lastSequenceNumber: snapshot.sequenceNumber > last ? snapshot.sequenceNumber : last,
    snapshots: [...metadata.snapshots, snapshot],
  }
}

export function setSnapshotRef(
  metadata: TableMetadata,
  { refName, ref }: TableUpdate<'set-snapshot-ref'>,
): TableMetadata {
  if (!metadata.snapshots.some((existing) => existing.snapshotId === ref.snapshotId)) {
    throw new ValidationError('a ref cannot point to an unknown snapshot', {
      facts: { ref: refName, snapshotId: ref.snapshotId },
    })
  }
  if (refName === mainBranch && ref.type !== 'branch') {
    throw new ValidationError('main must be a branch', { facts: { type: ref.type } })
  }
  if (isDeepStrictEqual(metadata.refs[refName], ref)) return metadata
  const moved = { ...metadata, refs: { ...metadata.refs, [refName]: ref } }
  return refName === mainBranch ? { ...moved, currentSnapshotId: ref.snapshotId } : moved
}

export function removeSnapshotRef(
  metadata: TableMetadata,
  { refName }: TableUpdate<'remove-snapshot-ref'>,
): TableMetadata {
  if (metadata.refs[refName] === undefined) return metadata
  const { [refName]: _, ...refs } = metadata.refs
  if (refName !== mainBranch) return { ...metadata, refs }
  const { currentSnapshotId: __, ...rest } = metadata
  return { ...rest, refs, snapshotLog: [] }
}

export function removeSnapshots(
  metadata: TableMetadata,
  { snapshotIds }: TableUpdate<'remove-snapshots'>,
): TableMetadata {
  const removed = new Set(snapshotIds)
  if (!metadata.snapshots.some((existing) => removed.has(existing.snapshotId))) return metadata
  // Refs are left as they are: apply-updates.ts refuses a commit that removes the snapshot of a ref.
  const without = {
    ...metadata,
    snapshots: metadata.snapshots.filter((existing) => !removed.has(existing.snapshotId)),
  }
  return dropStatistics(
    dropStatistics(without, 'statistics', removed),
    'partition-statistics',
    removed,
  )
}
