/** Finds the snapshot that a time, an id or a ref means (spec, "Point in Time Reads (Time Travel)"). */
import { NotFoundError } from '../../common/index.ts'
import { snapshotById } from '../format/table-metadata.ts'
import type { Snapshot, TableMetadata } from '../format/types.ts'

/**
 * The snapshot that was current at `timestampMs`, by the snapshot log. Throws NotFoundError when the
 * table was empty then, or that snapshot has expired since.
 */
export function snapshotAsOf(metadata: TableMetadata, timestampMs: bigint): Snapshot {
  const entry = metadata.snapshotLog.findLast((logged) => logged.timestampMs <= timestampMs)
  const first = metadata.snapshotLog[0]
  if (entry === undefined) {
    throw new NotFoundError('the table had no snapshot yet at that time', {
      facts: {
        'asked-ms': timestampMs,
        ...(first === undefined ? {} : { 'oldest-ms': first.timestampMs }),
      },
    })
  }
  const snapshot = snapshotById(metadata, entry.snapshotId)
  if (snapshot !== undefined) return snapshot
  throw new NotFoundError('the snapshot of that time has expired', {
    facts: { snapshot: entry.snapshotId, 'asked-ms': timestampMs },
  })
}

/** The snapshot of a branch or tag. Throws NotFoundError, which lists the existing refs. */
export function snapshotByRef(metadata: TableMetadata, name: string): Snapshot {
  const ref = Object.hasOwn(metadata.refs, name) ? metadata.refs[name] : undefined
  const snapshot = ref === undefined ? undefined : snapshotById(metadata, ref.snapshotId)
  if (snapshot !== undefined) return snapshot
  throw new NotFoundError('table has no such branch or tag', {
    facts: { ref: name, refs: Object.keys(metadata.refs).join(',') },
  })
}
