/**
 * Publishes the branch of a replay while sinks, compaction and expiry work on its target
 * (docs/spec/replay.md, P6 to P8).
 */
import { formatIdentifier, type Snapshot } from '../catalog/format/index.ts'
import {
  ancestorsOf,
  commitAction,
  ConflictError,
  isPublished,
  PublishBranch,
  type Table,
  type TableUpdate,
} from '../catalog/index.ts'
import { errorMessage } from '../common/index.ts'
import { nextOffsetOf, replayPropertyKey, restoreOffsets } from '../ingest/index.ts'
import { redoOnTarget } from './change-range.ts'
import { findLetters, type ReplayPlan } from './plan-replay.ts'
import { addLetters, removeOlderLetters, settleLetters } from './publish-letters.ts'
import { holdSameRows, requireNoNewRows } from './range-files.ts'
import { type RangeTools, withRangeTools } from './range-tools.ts'
import { hasBranch, headSnapshot } from './branch-head.ts'
import { baseBranch, branchRemoved, commitTools } from './replay-branch.ts'
import { requireFinished } from './replay-progress.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import { formatReplayRecord, type ReplayRecord } from './replay-record.ts'
import type { ReplayTools } from './replay-tools.ts'
import { checkDistinguishable } from './range-place.ts'

export interface ReplayPublishing {
  /** The stream's table after the publishing; the table of the plan when it was published before. */
  readonly table: Table
  /** True when the change was computed again on a newer state of the target. */
  readonly isRedone: boolean
}

/** Throws ReplayRefusedError. */
export async function publishReplay(
  tools: ReplayTools,
  plan: ReplayPlan,
  target: string,
): Promise<ReplayPublishing> {
  const { branch, record, table, letters } = plan
  const { identifier } = table
  const facts = { table: formatIdentifier(identifier), branch }
  if (target !== record.target) {
    throw new ReplayRefusedError('a replay is published to the branch that it was taken from', {
      facts: { ...facts, target, from: record.target },
    })
  }
  const head = headSnapshot(table, branch)
  if (head === undefined) throw branchRemoved(facts)
  return withRangeTools(tools, async (rangeTools) => {
    const publication = publicationOf(table, head, record)
    if (publication === 'unknown') await requireSame(rangeTools, plan)
    if (publication !== 'none') {
      await settleLetters(rangeTools, plan, table, letters)
      await removeOlderLetters(rangeTools, plan, table)
      return { table, isRedone: false }
    }
    requireFinished(plan)
    requireCovered(table, record)
    checkDistinguishable(table, record, target)
    await addLetters(rangeTools, plan)
    const isRedone = await publishRows(rangeTools, plan, head)
    // Both tables are loaded again: while the rows were published, another publishing may have come after
    // this one, and have settled or dropped the letters.
    const published = await tools.catalog.loadTable(identifier)
    await settleLetters(rangeTools, plan, published, await findLetters(tools, record))
    await removeOlderLetters(rangeTools, plan, published)
    return { table: published, isRedone }
  })
}

/**
 * Whether the current branch is published on the target. The target's history decides as far as it reaches:
 * after a rollback nothing is published, whatever the record says.
 */
function publicationOf(
  table: Table,
  head: Snapshot,
  { target, published }: ReplayRecord,
): 'stands' | 'none' | 'unknown' {
  const { metadata } = table
  const now = headSnapshot(table, target)
  if (now === undefined) return 'none'
  if (isPublished(metadata, head.snapshotId, now)) return 'stands'
  if (published?.head !== head.snapshotId || published.target !== target) return 'none'
  const oldest = [...ancestorsOf(metadata, now.snapshotId)].at(-1) ?? now
  const isReachedBehind =
    oldest.parentSnapshotId === undefined || oldest.sequenceNumber < published.sequenceNumber
  return isReachedBehind ? 'none' : 'unknown'
}

/** Throws ReplayRefusedError when the published rows were changed since, for example by a rollback. */
async function requireSame(
  tools: RangeTools,
  { branch, record: { target }, rows, table }: ReplayPlan,
): Promise<void> {
  if (await holdSameRows(tools, table, [target, branch], rows)) return
  throw new ReplayRefusedError(
    'the branch was published before, and the target, whose history of that time has expired, holds other ' +
      'rows of the range now: rolled back, replayed or changed since? start over with --restart',
    { facts: { table: formatIdentifier(table.identifier), branch, target } },
  )
}

/** True when the change had to be computed again on a newer state of the target. */
async function publishRows(tools: RangeTools, plan: ReplayPlan, head: Snapshot): Promise<boolean> {
  const { branch, record, rows, table } = plan
  const { identifier } = table
  const { target } = record
  const extraUpdates = ({ metadata }: Table): readonly TableUpdate[] => {
    const sequenceNumber = metadata.lastSequenceNumber + 1n
    const published = { head: head.snapshotId, target, sequenceNumber }
    const text = formatReplayRecord({ ...record, published })
    return [{ action: 'set-properties', updates: { [replayPropertyKey(branch)]: text } }]
  }
  const check = (base: Table): void => {
    requireUnmoved(base, branch, head)
    requireCovered(base, record)
    checkDistinguishable(base, record, target)
  }
  const action = new PublishBranch(tools, {
    from: branch,
    branch: target,
    fastForward: 'never',
    extraUpdates,
    check: async (base) => {
      check(base)
      await requireForked(tools, plan, base)
    },
  })
  try {
    await commitAction(tools.catalog, identifier, action, commitTools(tools))
    return false
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    const facts = { table: formatIdentifier(identifier), branch }
    tools.logger.info('replay.redone', { ...facts, reason: errorMessage(error) })
  }
  // Loaded again, because the conflict means that the table has changed.
  requireReplayOnly(await tools.catalog.loadTable(identifier), branch, record)
  await redoOnTarget({ tools, identifier, target, range: rows }, branch, { check, extraUpdates })
  return true
}

/**
 * The files that the branch replaced can be replaced on the target only while the target descends from the
 * snapshot that the branch began at, and has no newer rows of the range: rows that were rolled back and written
 * again are in other files, which would stay. Throws ConflictError.
 */
async function requireForked(
  tools: RangeTools,
  { branch, record: { target }, rows }: ReplayPlan,
  base: Table,
): Promise<void> {
  const fork = headSnapshot(base, baseBranch(branch))
  const ancestors = ancestorsOf(base.metadata, headSnapshot(base, target)?.snapshotId)
  if (fork === undefined || ![...ancestors].some((one) => one.snapshotId === fork.snapshotId)) {
    throw new ConflictError(
      'the target does not descend from the snapshot that the branch began at',
      [],
      {
        table: formatIdentifier(base.identifier),
        branch,
      },
    )
  }
  await requireNoNewRows(tools, base, target, fork.sequenceNumber, rows)
}

/** A change that is computed again has only the range's rows: other changes of the branch would be left out. */
function requireReplayOnly(table: Table, branch: string, { stream }: ReplayRecord): void {
  const { metadata } = table
  const fork = headSnapshot(table, baseBranch(branch))?.snapshotId
  for (const snapshot of ancestorsOf(metadata, headSnapshot(table, branch)?.snapshotId)) {
    if (snapshot.snapshotId === fork) return
    const { summary } = snapshot
    if (summary?.['tidewater.stream'] === stream || summary?.operation === 'replace') continue
    throw new ReplayRefusedError(
      'others have changed the branch too, and the target has moved, so that only the replay could be ' +
        'published; start over with --restart, and make the other change on the target',
      {
        facts: {
          table: formatIdentifier(table.identifier),
          branch,
          snapshot: snapshot.snapshotId,
          operation: summary?.operation,
        },
      },
    )
  }
}

function requireUnmoved(base: Table, branch: string, head: Snapshot): void {
  if (headSnapshot(base, branch)?.snapshotId === head.snapshotId) return
  throw new ReplayRefusedError('the branch was moved or replaced while it was published', {
    facts: { table: formatIdentifier(base.identifier), branch },
  })
}

/** Refuses a target that was rolled back behind the range: its sink would write part of the range again. */
function requireCovered(base: Table, record: ReplayRecord): void {
  const { target } = record
  if (!hasBranch(base.metadata, target)) {
    throw new ReplayRefusedError('the branch that the replay was taken from was removed', {
      facts: { table: formatIdentifier(base.identifier), target },
    })
  }
  const offsets = restoreOffsets(base, target).get(record.stream)
  for (const range of record.ranges) {
    const next = nextOffsetOf(offsets, range) ?? 0n
    if (next >= range.to) continue
    throw new ReplayRefusedError(
      'the target has gone back behind the range since the replay; its sink will write the rest again',
      {
        facts: { target, topic: range.topic, partition: range.partition, next, to: range.to },
      },
    )
  }
}
