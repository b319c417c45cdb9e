/**
 * The history of a branch: its head, its ancestors, and the offsets of streams that they carry.
 *
 * Offsets are in the summary of the snapshot that added their rows and, by the same commit, in a
 * property for each branch, which expiry leaves alone. `ingest` defines the text.
 */
import { mainBranch, snapshotById } from '../format/table-metadata.ts'
import type { Snapshot, TableMetadata } from '../format/types.ts'

/** The newest snapshot of a branch or tag; undefined where there is none. */
export function headOf(metadata: TableMetadata, ref: string): Snapshot | undefined {
  const named = Object.hasOwn(metadata.refs, ref) ? metadata.refs[ref]?.snapshotId : undefined
  const snapshotId = named ?? (ref === mainBranch ? metadata.currentSnapshotId : undefined)
  return snapshotId === undefined ? undefined : snapshotById(metadata, snapshotId)
}

/** The snapshot and those it was built on, newest first, as far as expiry left them. */
export function* ancestorsOf(
  metadata: TableMetadata,
  snapshotId: bigint | undefined,
): Generator<Snapshot> {
  const unvisited = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  for (let id = snapshotId; id !== undefined; ) {
    const snapshot = unvisited.get(id)
    if (snapshot === undefined) return
    // Visited once, so that the walk ends even if the parents form a circle.
    unvisited.delete(id)
    yield snapshot
    id = snapshot.parentSnapshotId
  }
}

/** True for a snapshot and itself, too. */
export function isAncestor(metadata: TableMetadata, ancestor: bigint, of: bigint): boolean {
  for (const { snapshotId } of ancestorsOf(metadata, of)) {
    if (snapshotId === ancestor) return true
  }
  return false
}

export const offsetsSummaryKey = 'tidewater.offsets'

export function offsetsPropertyKey(branch: string): string {
  return `${offsetsSummaryKey}.${branch}`
}

/** The offsets in the property of the branch; undefined for a branch that no stream has written to. */
export function offsetsProperty({ properties }: TableMetadata, branch: string): string | undefined {
  const key = offsetsPropertyKey(branch)
  return Object.hasOwn(properties, key) ? properties[key] : undefined
}

/** The newest snapshot of the branch that carries offsets, with their text. */
export function newestOffsets(
  metadata: TableMetadata,
  branch: string,
): { readonly text: string; readonly snapshot: Snapshot } | undefined {
  for (const snapshot of ancestorsOf(metadata, headOf(metadata, branch)?.snapshotId)) {
    const text = snapshot.summary?.[offsetsSummaryKey]
    if (text !== undefined) return { text, snapshot }
  }
  return undefined
}
