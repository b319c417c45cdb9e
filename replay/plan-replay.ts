/**
 * The plan of a replay: what is read again, into which branch, and the tables as they are when it is
 * planned. Executing, comparing and publishing take the plan and work on its tables; where one of them
 * loads a table again, a comment says why.
 */
import { formatIdentifier, parseTableName } from '../catalog/format/index.ts'
import { loadTableIfExists, type Table } from '../catalog/index.ts'
import { ValidationError } from '../common/index.ts'
import { restoreOffsets } from '../ingest/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import { readLogFacts } from './read-log-facts.ts'
import { branchRemoved, hasBranch, headSnapshot } from './replay-branch.ts'
import {
  type ReplayFrom,
  ReplayRefusedError,
  type ReplayUntil,
  requestText,
  resolveRanges,
} from './replay-ranges.ts'
import {
  letterBranchOf,
  readReplayRecord,
  type ReplayRecord,
  rulesDigest,
} from './replay-record.ts'
import type { ReplayTools } from './replay-tools.ts'
import { checkDistinguishable, letterRangeOf, type RowRange, rowRangeOf } from './row-range.ts'

export interface ReplayRequest {
  readonly from: ReplayFrom
  readonly until: ReplayUntil
  /** The branch that receives the rows. */
  readonly into: string
  /** Plans a new replay even when the branch has one. */
  readonly restart?: boolean
}

export interface ReplayPlan {
  readonly branch: string
  readonly record: ReplayRecord
  /** The stream's table. */
  readonly table: Table
  /** The table of its dead letters. */
  readonly letters: Table | undefined
  /** Which rows of the table, and which of its letters, belong to the ranges. */
  readonly rows: RowRange
  readonly letterRows: RowRange
  /** Absent for a replay whose branch exists. */
  readonly beginning?: ReplayBeginning
}

/** What a new replay needs to create its branch. */
export interface ReplayBeginning {
  /** The head of the target, where the branch will begin. */
  readonly snapshotId: bigint
  /** The replay that has the branch now and will be removed. */
  readonly earlier: ReplayRecord | undefined
}

/** Changes nothing. Throws ReplayRefusedError, LogMismatchError, ValidationError. */
export async function planReplay(
  tools: ReplayTools,
  settings: StreamSettings,
  request: ReplayRequest,
): Promise<ReplayPlan> {
  const { from, until, into: branch } = request
  checkBranchName(branch, settings)
  const table = await requireStreamTable(tools, settings)
  const record = readReplayRecord(table.metadata.properties, branch)
  if (record === undefined || request.restart === true) {
    return planNew(tools, settings, request, table, record)
  }
  checkSame(table, branch, record, settings, requestText(from, until))
  return planOf(table, await findLetters(tools, record), branch, record)
}

/** The plan of the replay that made the branch; undefined for any other branch. */
export async function planOfBranch(
  tools: ReplayTools,
  table: Table,
  branch: string,
): Promise<ReplayPlan | undefined> {
  const record = readReplayRecord(table.metadata.properties, branch)
  if (record === undefined) return undefined
  return planOf(table, await findLetters(tools, record), branch, record)
}

/** The plan over the tables given. */
export function planOf(
  table: Table,
  letters: Table | undefined,
  branch: string,
  record: ReplayRecord,
): ReplayPlan {
  return {
    branch,
    record,
    table,
    letters,
    rows: rowRangeOf(table, record.ranges),
    letterRows: letterRangeOf(record.stream, record.ranges),
  }
}

/** The dead-letter table as it is now. */
export function findLetters(
  tools: ReplayTools,
  { deadLetterTable }: ReplayRecord,
): Promise<Table | undefined> {
  return loadTableIfExists(tools.catalog, parseTableName(deadLetterTable))
}

/** Throws ReplayRefusedError unless the branch's replay is the one that was requested (P3). */
export function checkSame(
  table: Table,
  branch: string,
  record: ReplayRecord,
  settings: StreamSettings,
  request: string,
): void {
  const facts = { table: formatIdentifier(table.identifier), branch }
  const ways = 'name another branch, or start over with --restart'
  if (!hasBranch(table.metadata, branch)) throw branchRemoved(facts)
  const { target } = record
  if (target !== settings.output.branch) {
    throw new ReplayRefusedError(
      `the stream writes to another branch than when this replay began; ${ways}`,
      { facts: { ...facts, began: target, now: settings.output.branch } },
    )
  }
  if (record.stream !== settings.name || record.request !== request) {
    throw new ReplayRefusedError(`the branch belongs to another replay; ${ways}`, {
      facts: { ...facts, stream: record.stream, request: record.request, requested: request },
    })
  }
  if (record.rules === rulesDigest(settings)) return
  throw new ReplayRefusedError(
    `the stream's settings have changed since this replay began; ${ways}`,
    { facts },
  )
}

async function planNew(
  tools: ReplayTools,
  settings: StreamSettings,
  { from, until, into: branch }: ReplayRequest,
  table: Table,
  earlier: ReplayRecord | undefined,
): Promise<ReplayPlan> {
  const { name: stream, output, errors } = settings
  const target = output.branch
  const committed = restoreOffsets(table, target).get(stream)
  const snapshotId = headSnapshot(table, target)?.snapshotId
  if (committed === undefined || snapshotId === undefined) {
    throw new ReplayRefusedError('the table holds no offsets of this stream yet', {
      facts: { table: formatIdentifier(table.identifier), stream, branch: target },
    })
  }
  const log = await readLogFacts(tools, settings, committed, { from, until })
  const ranges = resolveRanges(committed, from, until, log)
  checkDistinguishable(table, stream, target, ranges)
  const record: ReplayRecord = {
    stream,
    target,
    request: requestText(from, until),
    ranges,
    rules: rulesDigest(settings),
    deadLetterTable: formatIdentifier(errors.deadLetterTable),
    letterBranch: letterBranchOf(branch, table.identifier),
  }
  const plan = planOf(table, await findLetters(tools, record), branch, record)
  return { ...plan, beginning: { snapshotId, earlier } }
}

async function requireStreamTable(
  tools: ReplayTools,
  { name, output }: StreamSettings,
): Promise<Table> {
  const table = await loadTableIfExists(tools.catalog, output.table)
  if (table !== undefined) return table
  throw new ReplayRefusedError(
    'the table of the stream does not exist: there is nothing to replay',
    { facts: { table: formatIdentifier(output.table), stream: name } },
  )
}

function checkBranchName(branch: string, { name, output }: StreamSettings): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(branch) && branch !== output.branch) return
  throw new ValidationError(
    'a replay goes into a branch of its own, named with letters, digits, _, . and -',
    { facts: { branch, stream: name } },
  )
}
