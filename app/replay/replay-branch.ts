/**
 * The branch of a replay: made, emptied of the range, taken away again.
 *
 * Each step is one commit and leaves a mark in that very commit, so that a replay that was killed goes
 * on where it stopped (P4): the record stands once the branch exists, the branch's own offsets once the
 * range is out.
 */
import {
  commitAction,
  type DataFile,
  mainBranch,
  ManageRefs,
  OverwriteFiles,
  type RefChange,
  type Table,
  type TableUpdate,
  UpdateProperties,
} from '../../catalog/index.ts'
import type { TableIdentifier } from '../../common/index.ts'
import {
  formatOffsetMap,
  formatReplayRecord,
  offsetsPropertyKey,
  offsetsSummaryKey,
  replayPropertyKey,
  type ReplayRecord,
  restoreOffsets,
  rewoundOffsets,
  type StreamOffsets,
} from '../../ingest/index.ts'
import type { Lake } from '../lake.ts'
import { findRangeFiles, type RangeTools, rewriteRows, type RowRange } from './range-rows.ts'

/** A second branch that stays where the first one began: what a diff compares with. */
export function baseBranch(branch: string): string {
  return `${branch}.base`
}

export function rebaseBranch(branch: string): string {
  return `${branch}.rebase`
}

/** Pins its one snapshot and none before it. */
const pinned = { minSnapshotsToKeep: 1, maxSnapshotAgeMs: 1n } as const

/** The branch, its base and its record, at `snapshotId`. */
export async function createReplayBranch(
  lake: Lake,
  identifier: TableIdentifier,
  branch: string,
  snapshotId: bigint,
  record: ReplayRecord,
): Promise<Table> {
  const create = { kind: 'create', type: 'branch', snapshotId } as const
  const action = new ManageRefs({
    changes: [
      { ...create, name: branch },
      { ...create, name: baseBranch(branch), retention: pinned },
    ],
    extraUpdates: () => [
      {
        action: 'set-properties',
        updates: { [replayPropertyKey(branch)]: formatReplayRecord(record) },
      },
    ],
  })
  return commitAction(lake.catalog, identifier, action, lake)
}

/** True once the range is out and the stream's offsets on the branch say so. */
export function isEmptied({ metadata }: Table, branch: string): boolean {
  return Object.hasOwn(metadata.properties, offsetsPropertyKey(branch))
}

/**
 * Takes the range's rows out of `from` and commits the result to `branch`, which is made at main's head
 * where it is missing, with the stream set back to where the range begins.
 */
export async function emptyRange(
  tools: RangeTools,
  identifier: TableIdentifier,
  branch: string,
  from: string,
  range: RowRange,
  record: ReplayRecord,
  source: StreamOffsets,
): Promise<Table> {
  const { lake } = tools
  const offsetsOver = (base: Table): string => {
    const ref = base.metadata.refs[branch] === undefined ? mainBranch : branch
    const offsets = restoreOffsets(base, ref)
    return formatOffsetMap(rewoundOffsets(offsets, record.stream, source, record.ranges))
  }
  const action = new OverwriteFiles(lake, {
    branch,
    changes: async () => {
      const { snapshotId, whole, partial } = await findRangeFiles(tools, identifier, from, range)
      const added = await rewriteRows(tools, identifier, from, partial, range, 'outside')
      return { baseSnapshotId: snapshotId, removed: [...whole, ...partial], added }
    },
    summary: (base) => ({
      'tidewater.stream': record.stream,
      'tidewater.replay': record.request,
      [offsetsSummaryKey]: offsetsOver(base),
    }),
    extraUpdates: (base) => [
      {
        action: 'set-properties',
        updates: { [offsetsPropertyKey(branch)]: offsetsOver(base) },
      },
    ],
  })
  return commitAction(lake.catalog, identifier, action, lake)
}

/** Removes what a replay made of refs and properties; what is not there is no error. */
export async function dropReplayBranch(
  lake: Lake,
  identifier: TableIdentifier,
  branch: string,
): Promise<void> {
  const { metadata } = await lake.catalog.loadTable(identifier)
  const refs = [branch, baseBranch(branch), rebaseBranch(branch)]
  const there = refs.filter((name) => Object.hasOwn(metadata.refs, name))
  const removals = [offsetsPropertyKey(branch), replayPropertyKey(branch)].filter((key) =>
    Object.hasOwn(metadata.properties, key),
  )
  const forget = (): readonly TableUpdate[] =>
    removals.length === 0 ? [] : [{ action: 'remove-properties', removals }]
  if (there.length > 0) {
    const changes = there.map((name): RefChange => ({ kind: 'remove', name }))
    const action = new ManageRefs({ changes, extraUpdates: forget })
    await commitAction(lake.catalog, identifier, action, lake)
  } else if (removals.length > 0) {
    // Somebody removed the branch by hand.
    await commitAction(lake.catalog, identifier, new UpdateProperties({ removals }), lake)
  }
}

/**
 * The branch once more on `target` as it is now: the range out of the target's files, the branch's rows
 * of the range in. For a target whose files were replaced since the branch was made.
 */
export async function rebaseReplay(
  tools: RangeTools,
  identifier: TableIdentifier,
  branch: string,
  target: string,
  range: RowRange,
): Promise<void> {
  const { lake } = tools
  const commit = (changes: readonly RefChange[]): Promise<Table> =>
    commitAction(lake.catalog, identifier, new ManageRefs({ changes }), lake)
  const rebase = rebaseBranch(branch)
  const { metadata } = await lake.catalog.loadTable(identifier)
  // Left by a rebase that was killed.
  if (Object.hasOwn(metadata.refs, rebase)) await commit([{ kind: 'remove', name: rebase }])
  const head = metadata.refs[target]?.snapshotId ?? metadata.currentSnapshotId
  const old = metadata.refs[branch]?.snapshotId
  if (head === undefined || old === undefined) throw new Error('assertion failed: both refs exist')
  await commit([{ kind: 'create', type: 'branch', name: rebase, snapshotId: head }])
  const moved = await replaceRange(tools, identifier, branch, rebase, range)
  const next = moved.metadata.refs[rebase]?.snapshotId
  if (next === undefined) throw new Error('assertion failed: the rebased branch exists')
  const base = baseBranch(branch)
  const bases: readonly RefChange[] = Object.hasOwn(metadata.refs, base)
    ? [
        { kind: 'remove', name: base },
        { kind: 'create', type: 'branch', name: base, snapshotId: head, retention: pinned },
      ]
    : []
  await commit([
    { kind: 'remove', name: branch },
    { kind: 'create', type: 'branch', name: branch, snapshotId: next },
    ...bases,
    { kind: 'remove', name: rebase },
  ])
}

async function replaceRange(
  tools: RangeTools,
  identifier: TableIdentifier,
  branch: string,
  rebase: string,
  range: RowRange,
): Promise<Table> {
  const { lake } = tools
  const action = new OverwriteFiles(lake, {
    branch: rebase,
    changes: async () => {
      const gone = await findRangeFiles(tools, identifier, rebase, range)
      const ours = await findRangeFiles(tools, identifier, branch, range)
      const added: DataFile[] = [
        ...(await rewriteRows(tools, identifier, rebase, gone.partial, range, 'outside')),
        ...ours.whole,
        ...(await rewriteRows(tools, identifier, branch, ours.partial, range, 'inside')),
      ]
      const removed = [...gone.whole, ...gone.partial]
      return { baseSnapshotId: gone.snapshotId, removed, added }
    },
    // The branch keeps its own account of how far the replay came.
    summary: (table) => ({ [offsetsSummaryKey]: formatOffsetMap(restoreOffsets(table, branch)) }),
  })
  return commitAction(lake.catalog, identifier, action, lake)
}
