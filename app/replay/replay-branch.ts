/**
 * The branch of a replay: made, emptied of the range, taken away again.
 *
 * Each step is one commit and leaves a mark in that very commit, so that a replay that was killed goes
 * on where it stopped (P4): the record stands once the branch exists, the branch's own offsets once the
 * range is out.
 */
import {
  type CommitTools,
  commitAction,
  type DataFile,
  mainBranch,
  ManageRefs,
  OverwriteFiles,
  type RefChange,
  type SnapshotOptions,
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

/** Sinks commit often and come first: a replay loses many races and is given time for them. */
export function commitTools({ clock, random, logger }: Lake): CommitTools {
  return { clock, random, logger, retry: { retriesMax: 20, waitMsMin: 50, waitMsMax: 2_000 } }
}

/** A second branch that stays where the first one began: what a diff compares with. */
export function baseBranch(branch: string): string {
  return `${branch}.base`
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
  return commitAction(lake.catalog, identifier, action, commitTools(lake))
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
    changes: async (table) => {
      const { snapshotId, whole, partial } = await findRangeFiles(tools, table, from, range)
      const added = await rewriteRows(tools, table, from, partial, range, 'outside')
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
  return commitAction(lake.catalog, identifier, action, commitTools(lake))
}

/** Removes what a replay made of refs and properties; what is not there is no error. */
export async function dropReplayBranch(
  lake: Lake,
  identifier: TableIdentifier,
  branch: string,
): Promise<void> {
  const { metadata } = await lake.catalog.loadTable(identifier)
  const refs = [branch, baseBranch(branch)]
  const there = refs.filter((name) => Object.hasOwn(metadata.refs, name))
  const removals = [offsetsPropertyKey(branch), replayPropertyKey(branch)].filter((key) =>
    Object.hasOwn(metadata.properties, key),
  )
  const forget = (): readonly TableUpdate[] =>
    removals.length === 0 ? [] : [{ action: 'remove-properties', removals }]
  if (there.length > 0) {
    const changes = there.map((name): RefChange => ({ kind: 'remove', name }))
    const action = new ManageRefs({ changes, extraUpdates: forget })
    await commitAction(lake.catalog, identifier, action, commitTools(lake))
  } else if (removals.length > 0) {
    // Somebody removed the branch by hand.
    await commitAction(
      lake.catalog,
      identifier,
      new UpdateProperties({ removals }),
      commitTools(lake),
    )
  }
}

/**
 * The branch's rows of the range onto `target` as it is now, computed anew on every state that the commit
 * is tried on: for a target whose files were replaced since the branch was made.
 */
export async function redoOnTarget(
  tools: RangeTools,
  identifier: TableIdentifier,
  branch: string,
  target: string,
  range: RowRange,
  hooks: Pick<SnapshotOptions, 'check' | 'extraUpdates'>,
): Promise<Table> {
  const { lake } = tools
  const action = new OverwriteFiles(lake, {
    ...hooks,
    branch: target,
    changes: async (table) => {
      const gone = await findRangeFiles(tools, table, target, range)
      const ours = await findRangeFiles(tools, table, branch, range)
      const removed = [...gone.whole, ...gone.partial]
      // What is on the target already stays: an earlier publishing that was not remembered.
      const there = pathsOf(removed)
      const kept = pathsOf(ours.whole.filter((file) => there.has(file.filePath)))
      const added: DataFile[] = [
        ...(await rewriteRows(tools, table, target, gone.partial, range, 'outside')),
        ...ours.whole.filter((file) => !kept.has(file.filePath)),
        ...(await rewriteRows(tools, table, branch, ours.partial, range, 'inside')),
      ]
      return {
        baseSnapshotId: gone.snapshotId,
        removed: removed.filter((file) => !kept.has(file.filePath)),
        added,
      }
    },
    // As a publishing of files says it, so that publishing once more finds nothing to do.
    summary: ({ metadata }) => ({
      'source-snapshot-id': String(metadata.refs[branch]?.snapshotId ?? ''),
      'tidewater.published-branch': branch,
    }),
  })
  return commitAction(lake.catalog, identifier, action, commitTools(lake))
}

function pathsOf(files: readonly DataFile[]): ReadonlySet<string> {
  return new Set(files.map((file) => file.filePath))
}
