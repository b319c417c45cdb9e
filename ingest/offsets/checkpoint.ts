/**
 * Reading a stream's position from its table, and the range check that makes commits exactly once
 * (docs/spec/exactly-once.md).
 *
 * E2: offsets are read from the newest ancestor of the branch that has any and compared with the branch's
 *     property; when they disagree, that is an error.
 * E3: a commit of [from, to) checks for every partition that the base's next offset is `from`.
 */
import {
  type Snapshot,
  type TableMetadata,
  formatIdentifier,
  mainBranch,
} from '../../catalog/format/index.ts'
import {
  ancestorsOf,
  headOf,
  newestOffsets,
  offsetsProperty,
  offsetsPropertyKey,
  offsetsSummaryKey,
  type Table,
} from '../../catalog/index.ts'
import { CorruptDataError, LakeError } from '../../common/index.ts'
import { offsetsCommand } from './log-faults.ts'
import {
  formatOffsetMap,
  formatPositions,
  nextOffsetOf,
  type OffsetMap,
  parseOffsetMap,
} from './offset-map.ts'
import type { OffsetRange } from './offset-range.ts'
import { partitionKey, type PartitionPosition } from './topic-partition.ts'

/**
 * Another writer's commit covers offsets that this one meant to commit. A member of a
 * consumer group rewinds to the table; a sink without a group must stop.
 */
export class OffsetConflictError extends LakeError {
  readonly code: string = 'offset-conflict'
}

/** A person has set the stream's offsets (`tide stream offsets`): a running sink goes on from there (E13). */
export class OffsetsSetError extends OffsetConflictError {
  override readonly code = 'offsets-set'
}

/** Summary key of a snapshot that moves offsets without rows, and its values. */
export const operationSummaryKey = 'tidewater.operation'
export const offsetOperations = { start: 'start-offsets', set: 'set-offsets' } as const

/**
 * The offsets that the branch holds, for every stream; empty for a table that was never streamed to. Throws
 * CorruptDataError where its snapshots and its property disagree.
 */
export function restoreOffsets(table: Table, branch: string): OffsetMap {
  const { reached, recorded, snapshot } = offsetsAt(table, branch)
  if (recorded === undefined || isSameMap(recorded, reached)) return reached
  const [stream = ''] = differing(reached, recorded)
  const target =
    snapshot === undefined
      ? [...(recorded.get(stream)?.topics.keys() ?? [])].map((topic) => `${topic}=earliest`)
      : [`--from-snapshot ${snapshot.snapshotId}`]
  const key = offsetsPropertyKey(branch)
  throw new CorruptDataError(
    `the table's snapshots and its property ${key} disagree about the offsets of the streams; ` +
      'was the branch rolled back by another engine? To read the records of the lost rows again: ' +
      offsetsCommand(stream, target),
    {
      facts: {
        table: formatIdentifier(table.identifier),
        stream,
        snapshot: formatOffsetMap(reached),
        property: formatOffsetMap(recorded),
      },
    },
  )
}

/** Both records of a branch's offsets, which agree unless the branch was rolled back or tampered with. */
export interface BranchOffsets {
  /** What the rows on the branch reach. */
  readonly reached: OffsetMap
  /** What the branch's property says; undefined where there is none. */
  readonly recorded: OffsetMap | undefined
  /** The snapshot that says `reached`; undefined when none of the branch does. */
  readonly snapshot: Snapshot | undefined
}

/** The first commit to a branch that is missing creates it at main's head, so until then its offsets are main's. */
export function offsetsAt(table: Table, branch: string): BranchOffsets {
  const { metadata } = table
  const isMissing = branch !== mainBranch && !Object.hasOwn(metadata.refs, branch)
  if (isMissing) return offsetsAt(table, mainBranch)
  const name = formatIdentifier(table.identifier)
  const newest = newestOffsets(metadata, branch)
  const text = offsetsProperty(metadata, branch)
  const where = `${name} property ${offsetsPropertyKey(branch)}`
  const recorded = text === undefined ? undefined : parseOffsetMap(text, where)
  if (newest !== undefined) {
    const { snapshot } = newest
    const reached = parseOffsetMap(newest.text, `${name} snapshot ${snapshot.snapshotId}`)
    return { reached, recorded, snapshot }
  }
  // Either expiry has removed the snapshots that had offsets, or the branch was rolled back behind them.
  const isBehind = text !== undefined && isRolledBack(metadata, branch, text)
  const reached = isBehind ? new Map() : (recorded ?? inheritedOffsets(table, branch))
  return { reached, recorded, snapshot: undefined }
}

/**
 * The offsets of a branch that no stream has written to and whose history shows none. Where that history has expired,
 * they are main's, as long as main's history shows none either; else they are not known, and beginning again would read
 * every record twice.
 */
function inheritedOffsets(table: Table, branch: string): OffsetMap {
  const { metadata } = table
  const text = offsetsProperty(metadata, mainBranch)
  const head = headOf(metadata, branch)
  if (branch === mainBranch || text === undefined || head === undefined) return new Map()
  const oldest = [...ancestorsOf(metadata, head.snapshotId)].at(-1)
  if (oldest?.parentSnapshotId === undefined) return new Map()
  const atHead = offsetsAtSnapshot(table, head.snapshotId, mainBranch)
  if (atHead !== undefined) return atHead
  throw new CorruptDataError(
    'the history of the branch has expired, and with it the offsets that its rows reach; remove the branch, which ' +
      'then begins again with main',
    { facts: { table: formatIdentifier(table.identifier), branch, snapshot: head.snapshotId } },
  )
}

/**
 * The offsets that `branch` had when this snapshot was its head; undefined where its history does not show them. A
 * history that has expired shows none, and then the property has those of before, as long as no later snapshot has any.
 */
export function offsetsAtSnapshot(
  { identifier, metadata }: Table,
  snapshotId: bigint,
  branch: string,
): OffsetMap | undefined {
  const name = formatIdentifier(identifier)
  let oldest: Snapshot | undefined
  for (const snapshot of ancestorsOf(metadata, snapshotId)) {
    const text = snapshot.summary?.[offsetsSummaryKey]
    if (text !== undefined) return parseOffsetMap(text, `${name} snapshot ${snapshot.snapshotId}`)
    oldest = snapshot
  }
  if (oldest?.parentSnapshotId === undefined) return new Map()
  for (const snapshot of ancestorsOf(metadata, headOf(metadata, branch)?.snapshotId)) {
    if (snapshot.snapshotId === snapshotId) {
      const property = offsetsProperty(metadata, branch)
      const where = `${name} property ${offsetsPropertyKey(branch)}`
      return property === undefined ? new Map() : parseOffsetMap(property, where)
    }
    if (snapshot.summary?.[offsetsSummaryKey] !== undefined) return undefined
  }
  return undefined
}

/** True when main was once at the snapshot that recorded `text`, which is newer than main is now. */
function isRolledBack(metadata: TableMetadata, branch: string, text: string): boolean {
  // Only main has a log of what it was at.
  if (branch !== mainBranch) return false
  const head = headOf(metadata, branch)?.sequenceNumber ?? 0n
  const logged = new Set(metadata.snapshotLog.map(({ snapshotId }) => snapshotId))
  return metadata.snapshots.some(
    ({ snapshotId, sequenceNumber, summary }) =>
      summary?.[offsetsSummaryKey] === text && sequenceNumber > head && logged.has(snapshotId),
  )
}

/** A person who sets the property writes offsets only. */
function isSameMap(a: OffsetMap, b: OffsetMap): boolean {
  return formatPositions(a) === formatPositions(b)
}

/** The streams about which the maps disagree. */
export function differing(a: OffsetMap, b: OffsetMap): readonly string[] {
  const alone = (map: OffsetMap, stream: string): OffsetMap => {
    const offsets = map.get(stream)
    return new Map(offsets === undefined ? [] : [[stream, offsets]])
  }
  return [...new Set([...a.keys(), ...b.keys()])].filter(
    (stream) => !isSameMap(alone(a, stream), alone(b, stream)),
  )
}

/**
 * Throws OffsetConflictError, naming the commit that won, unless every range begins where `base` ends. A range
 * of a partition that had no offset may find the position in `starts`, which another member has recorded.
 */
export function checkRanges(
  base: Table,
  branch: string,
  stream: string,
  ranges: readonly OffsetRange[],
  starts: readonly PartitionPosition[] = [],
): OffsetMap {
  const offsets = restoreOffsets(base, branch)
  const started = new Map(starts.map((start) => [partitionKey(start), start.position]))
  for (const range of ranges) {
    const next = nextOffsetOf(offsets.get(stream), range)
    if (next === range.from) continue
    if (range.from === undefined && next === started.get(partitionKey(range))) continue
    throw conflictAt(base, branch, stream, range, next)
  }
  return offsets
}

function conflictAt(
  base: Table,
  branch: string,
  stream: string,
  range: OffsetRange,
  next: bigint | undefined,
): OffsetConflictError {
  const winner = newestCommitOf(base.metadata, branch, stream)
  const facts = {
    table: formatIdentifier(base.identifier),
    topic: range.topic,
    partition: range.partition,
    expected: range.from ?? 'none',
    actual: next ?? 'none',
    snapshot: winner?.snapshotId,
    commit: winner?.summary?.['tidewater.commit-id'],
    writer: winner?.summary?.['tidewater.writer'],
  }
  if (winner?.summary?.[operationSummaryKey] === offsetOperations.set) {
    return new OffsetsSetError(
      `the offsets of stream ${stream} were set (tide stream offsets), and it goes on from them`,
      { facts },
    )
  }
  return new OffsetConflictError(`another sink committed these offsets of stream ${stream} first`, {
    facts,
  })
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
