/**
 * Reading a stream's position from its table, and the range check that makes commits exactly once
 * (docs/spec/exactly-once.md).
 *
 * E2: offsets are read from the newest ancestor of the branch that has any and compared with the branch's
 *     property; when they disagree, that is an error.
 * E3: a commit of [from, to) checks for every partition that the base's next offset is `from`.
 */
import { type Snapshot, type TableMetadata, formatIdentifier } from '../../catalog/format/index.ts'
import {
  ancestorsOf,
  headOf,
  newestOffsets,
  offsetsProperty,
  offsetsPropertyKey,
  type Table,
} from '../../catalog/index.ts'
import { CorruptDataError, LakeError } from '../../common/index.ts'
import { formatOffsetMap, nextOffsetOf, type OffsetMap, parseOffsetMap } from './offset-map.ts'
import type { OffsetRange } from './offset-range.ts'

/**
 * Another writer's commit covers offsets that this one meant to commit. A member of a
 * consumer group rewinds to the table; a sink without a group must stop.
 */
export class OffsetConflictError extends LakeError {
  readonly code = 'offset-conflict'
}

/** The offsets that the branch holds, for every stream; empty for a table that was never streamed to. */
export function restoreOffsets(table: Table, branch: string): OffsetMap {
  const name = formatIdentifier(table.identifier)
  const newest = newestOffsets(table.metadata, branch)
  const key = offsetsPropertyKey(branch)
  const text = offsetsProperty(table.metadata, branch)
  const property = text === undefined ? undefined : parseOffsetMap(text, `${name} property ${key}`)
  if (newest === undefined) return property ?? new Map()
  const summary = parseOffsetMap(newest.text, `${name} snapshot ${newest.snapshot.snapshotId}`)
  if (property !== undefined && formatOffsetMap(property) !== formatOffsetMap(summary)) {
    throw new CorruptDataError(
      `the table's snapshots and its property ${key} disagree about the offsets of the streams; ` +
        'was the branch rolled back by another engine? set the property to the offsets that the rows ' +
        'on the branch reach (tide table properties set), then start again',
      { facts: { table: name, snapshot: newest.text, property: text } },
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
    const next = nextOffsetOf(offsets.get(stream), range)
    if (next === range.from) continue
    const winner = newestCommitOf(base.metadata, branch, stream)
    throw new OffsetConflictError(
      `another sink committed these offsets of stream ${stream} first`,
      {
        facts: {
          table: formatIdentifier(base.identifier),
          topic: range.topic,
          partition: range.partition,
          expected: range.from ?? 'none',
          actual: next ?? 'none',
          snapshot: winner?.snapshotId,
          commit: winner?.summary?.['tidewater.commit-id'],
          writer: winner?.summary?.['tidewater.writer'],
        },
      },
    )
  }
  return offsets
}

/** The newest commit of the stream on the branch. */
export function newestCommitOf(
  metadata: TableMetadata,
  branch: string,
  stream: string,
): Snapshot | undefined {
  for (const snapshot of ancestorsOf(metadata, headOf(metadata, branch)?.snapshotId)) {
    if (snapshot.summary?.['tidewater.stream'] === stream) return snapshot
  }
  return undefined
}
