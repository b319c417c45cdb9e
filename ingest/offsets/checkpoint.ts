/**
 * Reading a stream's position from its table, and the range check that makes commits exactly once
 * (docs/spec/exactly-once.md).
 *
 * E2: the truth is the newest ancestor of the branch that carries offsets, cross-checked with the
 *     branch's property; disagreement is an error, not a guess.
 * E3: a commit of [from, to) asserts for every partition that the base's next offset is `from`.
 */
import {
  mainBranch,
  type Snapshot,
  snapshotById,
  type TableMetadata,
  formatIdentifier,
} from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { CorruptDataError, LakeError } from '../../common/index.ts'
import {
  formatOffsetMap,
  nextOffsetOf,
  type OffsetMap,
  offsetsPropertyKey,
  offsetsSummaryKey,
  parseOffsetMap,
} from './offset-map.ts'
import type { OffsetRange } from './offset-range.ts'

/**
 * Another writer's commit covers offsets that this one meant to commit. A member of a
 * consumer group rewinds to the table; a sink without a group must stop.
 */
export class OffsetConflictError extends LakeError {
  readonly code = 'offset-conflict'
}

/** How far back offsets are looked for: beyond it a snapshot without them is as good as none. */
const ancestorsMax = 10_000

/** The offsets that the branch holds, for every stream; empty for a table that was never streamed to. */
export function restoreOffsets(table: Table, branch: string): OffsetMap {
  const name = formatIdentifier(table.identifier)
  const found = newestOffsets(table.metadata, branch)
  const key = offsetsPropertyKey(branch)
  const text = table.metadata.properties[key]
  const property = text === undefined ? undefined : parseOffsetMap(text, `${name} property ${key}`)
  if (found === undefined) return property ?? new Map()
  const summary = parseOffsetMap(found.text, `${name} snapshot ${found.snapshot.snapshotId}`)
  if (property !== undefined && formatOffsetMap(property) !== formatOffsetMap(summary)) {
    throw new CorruptDataError(
      `the table's snapshots and its property ${key} disagree about how far the streams have come; ` +
        'was the branch rolled back by another engine? set the property to the offsets that the rows ' +
        'on the branch reach (tide table properties set), then start again',
      { facts: { table: name, snapshot: found.text, property: text } },
    )
  }
  return summary
}

/** Throws OffsetConflictError, naming the commit that won, unless every range begins where `base` ends. */
export function checkRanges(
  base: Table,
  branch: string,
  stream: string,
  ranges: readonly OffsetRange[],
): OffsetMap {
  const offsets = restoreOffsets(base, branch)
  for (const range of ranges) {
    const found = nextOffsetOf(offsets.get(stream), range)
    if (found === range.from) continue
    const winner = newestCommitOf(base.metadata, branch, stream)
    throw new OffsetConflictError(
      `another sink committed these offsets of stream ${stream} first`,
      {
        facts: {
          table: formatIdentifier(base.identifier),
          topic: range.topic,
          partition: range.partition,
          expected: range.from ?? 'none',
          found: found ?? 'none',
          snapshot: winner?.snapshotId,
          commit: winner?.summary?.['tidewater.commit-id'],
          writer: winner?.summary?.['tidewater.writer'],
        },
      },
    )
  }
  return offsets
}

/** The stream's newest own commit on the branch. */
export function newestCommitOf(
  metadata: TableMetadata,
  branch: string,
  stream: string,
): Snapshot | undefined {
  for (const snapshot of ancestors(metadata, branch)) {
    if (snapshot.summary?.['tidewater.stream'] === stream) return snapshot
  }
  return undefined
}

function newestOffsets(
  metadata: TableMetadata,
  branch: string,
): { readonly text: string; readonly snapshot: Snapshot } | undefined {
  for (const snapshot of ancestors(metadata, branch)) {
    const text = snapshot.summary?.[offsetsSummaryKey]
    if (text !== undefined) return { text, snapshot }
  }
  return undefined
}

/** Snapshots of the branch, newest first, as far as expiry left them. */
function* ancestors(metadata: TableMetadata, branch: string): Generator<Snapshot> {
  let id = metadata.refs[branch]?.snapshotId
  if (id === undefined && branch === mainBranch) id = metadata.currentSnapshotId
  for (let walked = 0; id !== undefined && walked < ancestorsMax; walked++) {
    const snapshot = snapshotById(metadata, id)
    if (snapshot === undefined) return
    yield snapshot
    id = snapshot.parentSnapshotId
  }
}
