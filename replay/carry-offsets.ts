/**
 * The offsets of streams that a branch has and its target gets with the branch's rows: without them the stream
 * would read the same records into the target again.
 */
import { formatIdentifier } from '../catalog/format/index.ts'
import { findFork, type Table } from '../catalog/index.ts'
import {
  formatPositions,
  type OffsetMap,
  offsetsAtSnapshot,
  restoreOffsets,
  type StreamOffsets,
} from '../ingest/index.ts'
import { headSnapshot } from './branch-head.ts'
import { ReplayRefusedError } from './replay-ranges.ts'

/**
 * The offsets of `target` after `from` was published to it; undefined where they stay as they are. Throws
 * ReplayRefusedError where a stream has written to both since they parted.
 */
export function carryOffsets(table: Table, from: string, target: string): OffsetMap | undefined {
  const head = headSnapshot(table, from)
  if (head === undefined) return undefined
  const { since } = findFork(table.metadata, head.snapshotId, headSnapshot(table, target))
  const atFork =
    since === undefined ? undefined : offsetsAtSnapshot(table, since.snapshotId, target)
  const before: OffsetMap = atFork ?? new Map()
  const offsets = new Map(restoreOffsets(table, target))
  let isChanged = false
  for (const [stream, after] of restoreOffsets(table, from)) {
    const [ours, theirs, earlier] = [after, offsets.get(stream), before.get(stream)].map(positions)
    if (ours === earlier) continue
    if (theirs !== earlier) {
      throw new ReplayRefusedError(
        'a stream has written to the branch and to its target since they parted: publishing would put records on the ' +
          'target twice; throw the branch away (tide table discard)',
        { facts: { table: formatIdentifier(table.identifier), branch: from, target, stream } },
      )
    }
    offsets.set(stream, after)
    isChanged = true
  }
  return isChanged ? offsets : undefined
}

function positions(offsets: StreamOffsets | undefined): string {
  return offsets === undefined ? '' : formatPositions(new Map([['', offsets]]))
}
