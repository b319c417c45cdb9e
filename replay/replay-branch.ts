/**
 * Creates the branch of a replay, removes the range from it, and drops it.
 *
 * Each step is one commit that also records that the step is done, so that a replay that was killed continues
 * where it stopped (P4): the record exists as soon as the branch does, and the branch's own offsets as soon as
 * the range is removed.
 */
import {
  type TableMetadata,
  formatIdentifier,
  parseTableName,
  type TableIdentifier,
} from '../catalog/format/index.ts'
import {
  loadTableIfExists,
  type CommitTools,
  commitAction,
  ManageRefs,
  offsetsProperty,
  offsetsPropertyKey,
  offsetsSummaryKey,
  OverwriteFiles,
  type RefChange,
  type Table,
  type TableUpdate,
  UpdateProperties,
} from '../catalog/index.ts'
import { AlreadyExistsError, type ErrorFacts } from '../common/index.ts'
import {
  formatOffsetMap,
  replayPropertyKey,
  restoreOffsets,
  type StreamOffsets,
} from '../ingest/index.ts'
import { hasBranch } from './branch-head.ts'
import { findRangeFiles, rewriteRows } from './range-files.ts'
import type { RangeTools } from './range-tools.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import {
  formatReplayRecord,
  publishedPropertyKey,
  type ReplayRecord,
  rewoundOffsets,
} from './replay-record.ts'
import type { ReplayTools } from './replay-tools.ts'
import type { RowRange } from './row-range.ts'

/** Sinks and compactions commit often, so a replay retries as long as the table changes. */
export function commitTools({ clock, random, logger }: ReplayTools): CommitTools {
  const retry = { retriesMax: 20, waitMsMin: 50, waitMsMax: 2_000 }
  return { clock, random, logger, retry, persistsWhileTableMoves: true }
}

/** A second branch that stays where the first one began, for the diff. */
export function baseBranch(branch: string): string {
  return `${branch}.base`
}

/** Overrides the table's `history.expire.max-ref-age-ms`, because expiry must not end a replay. */
const forever = { maxRefAgeMs: 9_223_372_036_854_775_807n } as const

/** Keeps its one snapshot and none before it. */
const pinned = { minSnapshotsToKeep: 1, maxSnapshotAgeMs: 1n, ...forever } as const

/** The branch, its base and its record, at `snapshotId`. */
export async function createReplayBranch(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  snapshotId: bigint,
  record: ReplayRecord,
): Promise<Table> {
  const create = { kind: 'create', type: 'branch', snapshotId } as const
  const action = new ManageRefs({
    changes: [
      { ...create, name: branch, retention: forever },
      { ...create, name: baseBranch(branch), retention: pinned },
    ],
    check: (base) => {
      const { properties } = base.metadata
      if (!Object.hasOwn(properties, replayPropertyKey(branch))) refuseForeignBranch(base, branch)
    },
    extraUpdates: ({ metadata }) => [
      // Offsets of an earlier branch of this name would mean that the range is removed already.
      ...(hasOffsets(metadata, branch) ? [removing([offsetsPropertyKey(branch)])] : []),
      {
        action: 'set-properties',
        updates: { [replayPropertyKey(branch)]: formatReplayRecord(record) },
      },
    ],
  })
  return commitAction(tools.catalog, identifier, action, commitTools(tools))
}

/** Throws AlreadyExistsError for a branch, or its base, that no replay created. */
export function refuseForeignBranch({ identifier, metadata }: Table, branch: string): void {
  const { refs } = metadata
  const existing = [branch, baseBranch(branch)].find((name) => Object.hasOwn(refs, name))
  if (existing === undefined) return
  throw new AlreadyExistsError('the branch exists and no replay created it: name another branch', {
    facts: {
      table: formatIdentifier(identifier),
      branch: existing,
      snapshot: refs[existing]?.snapshotId ?? 0n,
    },
  })
}

/** True when the range is removed, which the stream's offsets on the branch record. */
export function isEmptied({ metadata }: Table, branch: string): boolean {
  return hasBranch(metadata, branch) && hasOffsets(metadata, branch)
}

function hasOffsets(metadata: TableMetadata, branch: string): boolean {
  return offsetsProperty(metadata, branch) !== undefined
}

/** Sets the retention of a branch that a commit has created. */
export async function keepForever(
  tools: ReplayTools,
  { identifier, metadata }: Table,
  branch: string,
): Promise<void> {
  if (metadata.refs[branch]?.maxRefAgeMs !== undefined) return
  const change = { kind: 'set-retention', name: branch, retention: forever } as const
  const action = new ManageRefs({ changes: [change] })
  await commitAction(tools.catalog, identifier, action, commitTools(tools))
}

/**
 * Removes the range's rows from `from` and commits the result to `branch`, with the stream set back to where
 * the range begins. A missing `branch` is created at main's head when `from` is another branch.
 *
 * Where the range held no rows, a second run of the same replay would leave the rows of the first in
 * place and add them again, so the second run is refused.
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
  const facts = { table: formatIdentifier(identifier), branch }
  const offsetsOver = (base: Table): string => {
    const offsets = restoreOffsets(base, branch)
    return formatOffsetMap(rewoundOffsets(offsets, record.stream, source, record.ranges))
  }
  const action = new OverwriteFiles(tools, {
    branch,
    check: ({ metadata }) => {
      if (from === branch && !hasBranch(metadata, branch)) throw branchRemoved(facts)
      if (!hasBranch(metadata, branch) || !hasOffsets(metadata, branch)) return
      throw new ReplayRefusedError(
        'another run of this replay is under way; wait for it, or stop it',
        { facts },
      )
    },
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
  return commitAction(tools.catalog, identifier, action, commitTools(tools))
}

export function branchRemoved(facts: ErrorFacts): ReplayRefusedError {
  return new ReplayRefusedError(
    'the branch of this replay was removed; name another branch, or start over with --restart',
    { facts },
  )
}

/** Removes the refs and properties of a replay from `table`; missing ones are not an error. */
export async function dropReplayBranch(
  tools: ReplayTools,
  table: Table,
  branch: string,
): Promise<Table> {
  const { identifier, metadata } = table
  const refs = [branch, baseBranch(branch)].filter((name) => hasBranch(metadata, name))
  const removals = [offsetsPropertyKey, replayPropertyKey, publishedPropertyKey]
    .map((keyOf) => keyOf(branch))
    .filter((key) => Object.hasOwn(metadata.properties, key))
  const commit = (action: ManageRefs | UpdateProperties): Promise<Table> =>
    commitAction<unknown>(tools.catalog, identifier, action, commitTools(tools))
  if (refs.length > 0) {
    const changes = refs.map((name): RefChange => ({ kind: 'remove', name, ifExists: true }))
    const extraUpdates = (): readonly TableUpdate[] =>
      removals.length === 0 ? [] : [removing(removals)]
    return commit(new ManageRefs({ changes, extraUpdates }))
  }
  // The branch was removed by hand, but its properties were not.
  return removals.length > 0 ? commit(new UpdateProperties({ removals })) : table
}

/** The branch of a replay's letters, in the dead-letter table as it is now. */
export async function dropLetterBranch(
  tools: ReplayTools,
  { deadLetterTable, letterBranch }: ReplayRecord,
): Promise<void> {
  const letters = await loadTableIfExists(tools.catalog, parseTableName(deadLetterTable))
  if (letters !== undefined) await dropReplayBranch(tools, letters, letterBranch)
}

function removing(removals: readonly string[]): TableUpdate {
  return { action: 'remove-properties', removals }
}
