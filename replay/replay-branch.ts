/**
 * The branch of a replay: made, emptied of the range, taken away again.
 *
 * Each step is one commit and leaves a mark in that very commit, so that a replay that was killed goes
 * on where it stopped (P4): the record stands once the branch exists, the branch's own offsets once the
 * range is out.
 */
import {
  type DataFile,
  mainBranch,
  type Snapshot,
  snapshotById,
  type TableMetadata,
  formatIdentifier,
  type TableIdentifier,
  parseTableName,
} from '../catalog/format/index.ts'
import {
  type CommitTools,
  commitAction,
  type FileChanges,
  ManageRefs,
  OverwriteFiles,
  type OverwriteFilesOptions,
  type RefChange,
  type SnapshotOptions,
  type Table,
  type TableUpdate,
  UpdateProperties,
} from '../catalog/index.ts'
import { AlreadyExistsError, type ErrorFacts } from '../common/index.ts'
import {
  findTable,
  formatOffsetMap,
  offsetsPropertyKey,
  offsetsSummaryKey,
  restoreOffsets,
  type StreamOffsets,
} from '../ingest/index.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import {
  formatReplayRecord,
  publishedPropertyKey,
  replayPropertyKey,
  type ReplayRecord,
  rewoundOffsets,
} from './replay-record.ts'
import {
  findRangeFiles,
  type RangeTools,
  requireNoNewRows,
  rewriteRows,
  type RowRange,
} from './range-files.ts'
import type { ReplayTools } from './replay-tools.ts'

/** Sinks commit often and come first: a replay loses many races and is given time for them. */
export function commitTools({ clock, random, logger }: ReplayTools): CommitTools {
  return { clock, random, logger, retry: { retriesMax: 20, waitMsMin: 50, waitMsMax: 2_000 } }
}

/** A second branch that stays where the first one began: what a diff compares with. */
export function baseBranch(branch: string): string {
  return `${branch}.base`
}

/** Beyond the table's own `history.expire.max-ref-age-ms`: expiry must not end a replay. */
const forever = { maxRefAgeMs: 9_223_372_036_854_775_807n } as const

/** Pins its one snapshot and none before it. */
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
    check: ({ metadata: { refs, properties } }) => {
      if (Object.hasOwn(properties, replayPropertyKey(branch))) return
      const found = [branch, baseBranch(branch)].find((name) => Object.hasOwn(refs, name))
      if (found === undefined) return
      throw foreignBranch({ identifier, branch: found, snapshotId: refs[found]?.snapshotId })
    },
    extraUpdates: ({ metadata }) => [
      // Of an earlier branch of this name: they would say that the range is out already.
      ...(hasOffsets(metadata, branch) ? [forgetting([offsetsPropertyKey(branch)])] : []),
      {
        action: 'set-properties',
        updates: { [replayPropertyKey(branch)]: formatReplayRecord(record) },
      },
    ],
  })
  return commitAction(tools.catalog, identifier, action, commitTools(tools))
}

export function foreignBranch(found: {
  readonly identifier: TableIdentifier
  readonly branch: string
  readonly snapshotId: bigint | undefined
}): AlreadyExistsError {
  const { identifier, branch, snapshotId } = found
  return new AlreadyExistsError('the branch exists and no replay made it; name another', {
    facts: { table: formatIdentifier(identifier), branch, snapshot: snapshotId ?? 0n },
  })
}

/** True once the range is out and the stream's offsets on the branch say so. */
export function isEmptied({ metadata }: Table, branch: string): boolean {
  return hasBranch(metadata, branch) && hasOffsets(metadata, branch)
}

export function hasBranch({ refs }: TableMetadata, branch: string): boolean {
  return Object.hasOwn(refs, branch)
}

function hasOffsets({ properties }: TableMetadata, branch: string): boolean {
  return Object.hasOwn(properties, offsetsPropertyKey(branch))
}

/** A branch that a commit has made has no retention of its own yet. */
export async function keepForever(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
): Promise<void> {
  const { metadata } = await tools.catalog.loadTable(identifier)
  if (metadata.refs[branch]?.maxRefAgeMs !== undefined) return
  const change = { kind: 'set-retention', name: branch, retention: forever } as const
  const action = new ManageRefs({ changes: [change] })
  await commitAction(tools.catalog, identifier, action, commitTools(tools))
}

/**
 * Takes the range's rows out of `from` and commits the result to `branch`, which is made at main's head
 * where it is missing and `from` is another, with the stream set back to where the range begins.
 *
 * Rows that another run of the same replay has read meanwhile would stay beside those of this one where
 * the range held none before, so whoever comes second is refused.
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
  const offsetsOver = (base: Table): string => {
    const ref = base.metadata.refs[branch] === undefined ? mainBranch : branch
    const offsets = restoreOffsets(base, ref)
    return formatOffsetMap(rewoundOffsets(offsets, record.stream, source, record.ranges))
  }
  const action = new OverwriteFiles(tools, {
    branch,
    check: ({ metadata }) => {
      const facts = { table: formatIdentifier(identifier), branch }
      if (from === branch && !hasBranch(metadata, branch)) throw branchRemoved(facts)
      if (!hasBranch(metadata, branch) || !hasOffsets(metadata, branch)) return
      throw new ReplayRefusedError(
        'another run of this replay is under way; let it end, or end it',
        {
          facts,
        },
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
    'the branch of this replay was removed by somebody; name another branch, or begin anew with --restart',
    { facts },
  )
}

/** Removes what a replay made of refs and properties; what is not there is no error. */
export async function dropReplayBranch(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
): Promise<void> {
  const { metadata } = await tools.catalog.loadTable(identifier)
  const refs = [branch, baseBranch(branch)]
  const there = refs.filter((name) => Object.hasOwn(metadata.refs, name))
  const keys = [offsetsPropertyKey, replayPropertyKey, publishedPropertyKey]
  const removals = keys
    .map((keyOf) => keyOf(branch))
    .filter((key) => Object.hasOwn(metadata.properties, key))
  const forget = (): readonly TableUpdate[] => (removals.length === 0 ? [] : [forgetting(removals)])
  if (there.length > 0) {
    const changes = there.map((name): RefChange => ({ kind: 'remove', name }))
    const action = new ManageRefs({ changes, extraUpdates: forget })
    await commitAction(tools.catalog, identifier, action, commitTools(tools))
  } else if (removals.length > 0) {
    // Somebody removed the branch by hand.
    await commitAction(
      tools.catalog,
      identifier,
      new UpdateProperties({ removals }),
      commitTools(tools),
    )
  }
}

/** The letters of a replay, and the branch of them. */
export async function dropLetterBranch(tools: ReplayTools, record: ReplayRecord): Promise<void> {
  const letters = parseTableName(record.deadLetterTable)
  if ((await findTable(tools.catalog, letters)) === undefined) return
  await dropReplayBranch(tools, letters, record.letterBranch)
}

/**
 * Changes the range's rows on `target`, computed anew on every state that the commit is tried on where rows
 * of the range have come since.
 */
export async function changeRange(
  { tools, identifier, target, range }: RangeOfTable,
  options: Omit<OverwriteFilesOptions, 'branch' | 'changes'> & {
    readonly changes: (table: Table) => Promise<Omit<FileChanges, 'baseSnapshotId'>>
  },
): Promise<Table> {
  let planned: Snapshot | undefined
  const action = new OverwriteFiles(tools, {
    ...options,
    branch: target,
    check: async (base) => {
      await options.check?.(base)
      const now = headSnapshot(base, target)
      if (now?.snapshotId === planned?.snapshotId) return
      await requireNoNewRows(tools, base, target, planned?.sequenceNumber ?? 0n, range)
    },
    changes: async (table) => {
      planned = headSnapshot(table, target)
      return { baseSnapshotId: planned?.snapshotId, ...(await options.changes(table)) }
    },
  })
  return commitAction(tools.catalog, identifier, action, commitTools(tools))
}

export interface RangeOfTable {
  readonly tools: RangeTools
  readonly identifier: TableIdentifier
  readonly target: string
  readonly range: RowRange
}

/**
 * The branch's rows of the range onto the target as it is now: where its files were replaced since the
 * branch was made, or it knows nothing of where the branch began.
 */
export async function redoOnTarget(
  place: RangeOfTable,
  branch: string,
  hooks: Pick<SnapshotOptions, 'check' | 'extraUpdates'>,
): Promise<Table> {
  const { tools, target, range } = place
  return changeRange(place, {
    ...hooks,
    standingOn: [branch],
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
      return { removed: removed.filter((file) => !kept.has(file.filePath)), added }
    },
    // As a publishing of files says it, so that publishing once more finds nothing to do.
    summary: ({ metadata }) => ({
      'source-snapshot-id': String(metadata.refs[branch]?.snapshotId ?? ''),
      'tidewater.published-branch': branch,
    }),
  })
}

function forgetting(removals: readonly string[]): TableUpdate {
  return { action: 'remove-properties', removals }
}

export function headSnapshot({ metadata }: Table, ref: string): Snapshot | undefined {
  const found = Object.hasOwn(metadata.refs, ref) ? metadata.refs[ref]?.snapshotId : undefined
  const id = found ?? (ref === mainBranch ? metadata.currentSnapshotId : undefined)
  return id === undefined ? undefined : snapshotById(metadata, id)
}

function pathsOf(files: readonly DataFile[]): ReadonlySet<string> {
  return new Set(files.map((file) => file.filePath))
}
