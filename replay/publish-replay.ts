/**
 * Publishing the branch of a replay while sinks, compaction and expiry go on with its target
 * (docs/spec/replay.md, P6 to P8).
 */
import {
  mainBranch,
  type Snapshot,
  formatIdentifier,
  type TableIdentifier,
} from '../catalog/format/index.ts'
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
import { nextOffsetOf, restoreOffsets } from '../ingest/index.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import {
  formatReplayRecord,
  readReplayRecord,
  replayLag,
  replayPropertyKey,
  type ReplayRecord,
} from './replay-record.ts'
import { checkDistinguishable } from './plan-replay.ts'
import { addLetters, settleLetters } from './publish-letters.ts'
import {
  holdSameRows,
  type RangeTools,
  requireNoNewRows,
  rowRangeOf,
  type RowRange,
} from './range-files.ts'
import { withRangeTools } from './range-tools.ts'
import {
  baseBranch,
  branchRemoved,
  commitTools,
  dropLetterBranch,
  dropReplayBranch,
  headSnapshot,
  redoOnTarget,
} from './replay-branch.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface PublishReport {
  readonly table: string
  readonly branch: string
  readonly target: string
  /** Of the target after the publishing. */
  readonly snapshotId: bigint | undefined
  /** True when files of the range had been replaced on the target, so that the exchange was made anew. */
  readonly isRedone: boolean
  /** False when the branch had been published before, or changes nothing. */
  readonly isChanged: boolean
}

export interface PublishOptions {
  /** Default: where the branch came from. */
  readonly target?: string
  readonly dropBranch?: boolean
}

/** Publishes any branch; that of a replay also where the target's files were replaced meanwhile. */
export async function publishBranch(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  options: PublishOptions = {},
): Promise<PublishReport> {
  const table = await tools.catalog.loadTable(identifier)
  const record = readReplayRecord(table.metadata.properties, branch)
  const target = options.target ?? record?.target ?? mainBranch
  const before = headSnapshot(table, target)?.snapshotId
  const isRedone =
    record === undefined
      ? await publishPlain(tools, identifier, branch, target)
      : await publishReplay(tools, table, branch, target, record)
  const published = await tools.catalog.loadTable(identifier)
  const after = headSnapshot(published, target)?.snapshotId
  if (options.dropBranch === true) {
    if (record !== undefined) await dropLetterBranch(tools, record)
    await dropReplayBranch(tools, identifier, branch)
  }
  const isChanged = isRedone !== undefined && before !== after
  const name = formatIdentifier(identifier)
  return { table: name, branch, target, snapshotId: after, isRedone: isRedone ?? false, isChanged }
}

async function publishPlain(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  target: string,
): Promise<boolean> {
  const options = { from: branch, branch: target, fastForward: 'never' } as const
  await commitAction(
    tools.catalog,
    identifier,
    new PublishBranch(tools, options),
    commitTools(tools),
  )
  return false
}

/** Undefined when it has been published before, and that still stands. */
async function publishReplay(
  tools: ReplayTools,
  table: Table,
  branch: string,
  target: string,
  record: ReplayRecord,
): Promise<boolean | undefined> {
  const facts = { table: formatIdentifier(table.identifier), branch }
  if (target !== record.target) {
    throw new ReplayRefusedError('a replay is published to the branch that it was taken from', {
      facts: { ...facts, target, from: record.target },
    })
  }
  const head = headSnapshot(table, branch)
  if (head === undefined) throw branchRemoved(facts)
  const range = rowRangeOf(table, record.ranges)
  return withRangeTools(tools, async (rangeTools) => {
    const publication = publicationOf(table, head, record)
    if (publication === 'unknown') await requireSame(rangeTools, table, branch, record, range)
    if (publication !== 'none') {
      await settleLetters(rangeTools, table, branch, record)
      return undefined
    }
    requireFinished(table, branch, record)
    requireCovered(table, record)
    checkDistinguishable(table, record.stream, target, record.ranges)
    await addLetters(rangeTools, record)
    const isRedone = await publishRows(rangeTools, table.identifier, {
      branch,
      head,
      record,
      range,
    })
    await settleLetters(rangeTools, await tools.catalog.loadTable(table.identifier), branch, record)
    return isRedone
  })
}

/**
 * Whether the target still has the branch's rows by a publishing of the branch as it is. The target's
 * history tells, as far as it reaches: after a rollback nothing is published, whatever is remembered.
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

/** What was published, and is there no more or not alone, may have been mended or rolled back since. */
async function requireSame(
  tools: RangeTools,
  table: Table,
  branch: string,
  { target }: ReplayRecord,
  range: RowRange,
): Promise<void> {
  if (await holdSameRows(tools, table, [target, branch], range)) return
  throw new ReplayRefusedError(
    'the branch was published before, and the target, whose history of that time has expired, holds other ' +
      'rows of the range now: rolled back, replayed or changed since? begin anew with --restart',
    { facts: { table: formatIdentifier(table.identifier), branch, target } },
  )
}

interface RowPublishing {
  readonly branch: string
  /** Of the branch, when it was found finished. */
  readonly head: Snapshot
  readonly record: ReplayRecord
  readonly range: RowRange
}

/** True when it had to be redone on a newer state of the target. */
async function publishRows(
  tools: RangeTools,
  identifier: TableIdentifier,
  { branch, head, record, range }: RowPublishing,
): Promise<boolean> {
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
    checkDistinguishable(base, record.stream, target, record.ranges)
  }
  const action = new PublishBranch(tools, {
    from: branch,
    branch: target,
    fastForward: 'never',
    extraUpdates,
    check: async (base) => {
      check(base)
      await requireForked(tools, base, branch, target, range)
    },
  })
  try {
    await commitAction(tools.catalog, identifier, action, commitTools(tools))
    return false
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    const table = formatIdentifier(identifier)
    tools.logger.info('replay.redone', { table, branch, reason: errorMessage(error) })
  }
  requireReplayOnly(await tools.catalog.loadTable(identifier), branch, record)
  await redoOnTarget({ tools, identifier, target, range }, branch, { check, extraUpdates })
  return true
}

/**
 * What the branch changed may be applied to the target as it is only where the target has grown out of the
 * place where the branch began, and no rows of the range have come to it since: rolled back and written
 * again, they are other files, which nothing would take out. Throws ConflictError.
 */
async function requireForked(
  tools: RangeTools,
  base: Table,
  branch: string,
  target: string,
  range: RowRange,
): Promise<void> {
  const fork = headSnapshot(base, baseBranch(branch))
  const ancestors = ancestorsOf(base.metadata, headSnapshot(base, target)?.snapshotId)
  if (fork === undefined || ![...ancestors].some((one) => one.snapshotId === fork.snapshotId)) {
    throw new ConflictError('the target has not grown out of where the branch began', [], {
      table: formatIdentifier(base.identifier),
      branch,
    })
  }
  await requireNoNewRows(tools, base, target, fork.sequenceNumber, range)
}

/** Computed anew, the exchange is of the range's rows: what others did on the branch would be passed over. */
function requireReplayOnly(table: Table, branch: string, { stream }: ReplayRecord): void {
  const { metadata } = table
  const fork = headSnapshot(table, baseBranch(branch))?.snapshotId
  for (const snapshot of ancestorsOf(metadata, headSnapshot(table, branch)?.snapshotId)) {
    if (snapshot.snapshotId === fork) return
    const { summary } = snapshot
    if (summary?.['tidewater.stream'] === stream || summary?.operation === 'replace') continue
    throw new ReplayRefusedError(
      'others have changed the branch too, and the target has moved, so that only the replay could be ' +
        'published; begin anew with --restart, and make the other change on the target',
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
  throw new ReplayRefusedError('the branch was moved or made anew while it was published', {
    facts: { table: formatIdentifier(base.identifier), branch },
  })
}

function requireFinished(table: Table, branch: string, record: ReplayRecord): void {
  const left = replayLag(restoreOffsets(table, branch).get(record.stream), record)
  if (left === 0n && table.metadata.properties[`tidewater.offsets.${branch}`] !== undefined) return
  throw new ReplayRefusedError(
    'the replay has not finished: run it again with --execute, then publish',
    { facts: { branch, left, request: record.request } },
  )
}

/** The target may have been rolled back since: its sink would write part of the range again. */
function requireCovered(base: Table, record: ReplayRecord): void {
  const { target } = record
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
