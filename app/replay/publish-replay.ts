/**
 * Publishing the branch of a replay while sinks, compaction and expiry go on with its target
 * (docs/spec/replay.md, P6 to P8).
 */
import {
  commitAction,
  ConflictError,
  mainBranch,
  PublishBranch,
  type SnapshotOptions,
  type Table,
} from '../../catalog/index.ts'
import { errorMessage, formatIdentifier, type TableIdentifier } from '../../common/index.ts'
import { parseTableName } from '../../common/settings/index.ts'
import {
  findTable,
  formatReplayRecord,
  nextOffsetOf,
  readReplayRecord,
  replayLag,
  replayPropertyKey,
  type ReplayRecord,
  ReplayRefusedError,
  restoreOffsets,
} from '../../ingest/index.ts'
import type { Lake } from '../lake.ts'
import { requireSafeStore } from '../safe-store.ts'
import { letterRangeOf, type RangeTools, rowRangeOf, type RowRange } from './range-rows.ts'
import { withRangeTools } from './range-tools.ts'
import { commitTools, dropReplayBranch, redoOnTarget } from './replay-branch.ts'

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
  lake: Lake,
  identifier: TableIdentifier,
  branch: string,
  options: PublishOptions = {},
): Promise<PublishReport> {
  await requireSafeStore(lake)
  const table = await lake.catalog.loadTable(identifier)
  const record = readReplayRecord(table.metadata.properties, branch)
  const target = options.target ?? record?.target ?? mainBranch
  const before = headOf(table, target)
  const isRedone =
    record === undefined
      ? await publishPlain(lake, identifier, branch, target)
      : await publishReplay(lake, table, branch, target, record)
  const after = headOf(await lake.catalog.loadTable(identifier), target)
  if (options.dropBranch === true) {
    if (record !== undefined) await dropLetters(lake, record, branch)
    await dropReplayBranch(lake, identifier, branch)
  }
  const isChanged = isRedone !== undefined && before !== after
  const name = formatIdentifier(identifier)
  return { table: name, branch, target, snapshotId: after, isRedone: isRedone ?? false, isChanged }
}

async function publishPlain(
  lake: Lake,
  identifier: TableIdentifier,
  branch: string,
  target: string,
): Promise<boolean> {
  const options = { from: branch, branch: target, fastForward: 'never' } as const
  await commitAction(lake.catalog, identifier, new PublishBranch(lake, options), commitTools(lake))
  return false
}

/** Undefined when it has been published before. */
async function publishReplay(
  lake: Lake,
  table: Table,
  branch: string,
  target: string,
  record: ReplayRecord,
): Promise<boolean | undefined> {
  const head = headOf(table, branch)
  if (head !== undefined && record.published === String(head)) return undefined
  requireFinished(table, branch, record)
  return withRangeTools(lake, async (tools) => {
    // Letters first, as a sink does: the table is never ahead of its letters.
    const letters = parseTableName(record.deadLetterTable)
    const letterTable = await findTable(lake.catalog, letters)
    if (letterTable?.metadata.refs[branch] !== undefined) {
      const range = letterRangeOf(record.stream, record.ranges)
      await publishRange(tools, letters, { branch, target: mainBranch, range })
    }
    return publishRange(tools, table.identifier, {
      branch,
      target,
      range: rowRangeOf(table, record.ranges),
      check: (base) => requireCovered(base, target, record),
      extraUpdates: (base) => [
        {
          action: 'set-properties',
          updates: {
            [replayPropertyKey(branch)]: formatReplayRecord({
              ...record,
              published: String(headOf(base, branch) ?? ''),
            }),
          },
        },
      ],
    })
  })
}

interface RangePublishing extends Pick<SnapshotOptions, 'check' | 'extraUpdates'> {
  readonly branch: string
  readonly target: string
  readonly range: RowRange
}

/** True when it had to be redone on a newer state of the target. */
async function publishRange(
  tools: RangeTools,
  identifier: TableIdentifier,
  publishing: RangePublishing,
): Promise<boolean> {
  const { lake } = tools
  const { branch, target, range, ...hooks } = publishing
  const options = { from: branch, branch: target, fastForward: 'never', ...hooks } as const
  try {
    await commitAction(
      lake.catalog,
      identifier,
      new PublishBranch(lake, options),
      commitTools(lake),
    )
    return false
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    const table = formatIdentifier(identifier)
    lake.logger.info('replay.redone', { table, branch, reason: errorMessage(error) })
  }
  await redoOnTarget(tools, identifier, branch, target, range, hooks)
  return true
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
function requireCovered(base: Table, target: string, record: ReplayRecord): void {
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

async function dropLetters(lake: Lake, record: ReplayRecord, branch: string): Promise<void> {
  const letters = parseTableName(record.deadLetterTable)
  if ((await findTable(lake.catalog, letters)) === undefined) return
  await dropReplayBranch(lake, letters, branch)
}

function headOf({ metadata }: Table, ref: string): bigint | undefined {
  const found = Object.hasOwn(metadata.refs, ref) ? metadata.refs[ref]?.snapshotId : undefined
  return found ?? (ref === mainBranch ? metadata.currentSnapshotId : undefined)
}
