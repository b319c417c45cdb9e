/**
 * The plan of a replay: what is read again, into which branch, and the tables as they are when it is
 * planned. Executing, comparing and publishing take the plan and work on its tables; where one of them
 * loads a table again, a comment says why.
 */
import { formatIdentifier, parseTableName } from '../catalog/format/index.ts'
import { applyUpdates, decorateCatalog, loadTableIfExists, type Table } from '../catalog/index.ts'
import { NotFoundError, silentLogger, ValidationError } from '../common/index.ts'
import {
  checkStream,
  deadLetterTablesOf,
  LogMismatchError,
  restoreOffsets,
} from '../ingest/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import { hasBranch, headSnapshot } from './branch-head.ts'
import { checkDistinguishable, placeOfRange } from './range-place.ts'
import { readLogFacts } from './read-log-facts.ts'
import { branchRemoved, isEmptied, refuseForeignBranch } from './replay-branch.ts'
import {
  checkStillThere,
  type LogFacts,
  logLost,
  type ReplayFrom,
  ReplayRefusedError,
  type ReplayUntil,
  requestText,
  resolveRanges,
} from './replay-ranges.ts'
import {
  letterBranchOf,
  readReplayRecord,
  replayLag,
  type ReplayRecord,
  rulesDigest,
} from './replay-record.ts'
import type { ReplayTools } from './replay-tools.ts'
import { letterRangeOf, type RowRange, rowRangeOf } from './row-range.ts'

export interface ReplayRequest {
  readonly from: ReplayFrom
  readonly until: ReplayUntil
  /** The branch that receives the rows. */
  readonly into: string
  /** Plans a new replay even when the branch has one. */
  readonly restart?: boolean
  /** The name under which the stream read the range, where it has another one by now. */
  readonly stream?: string
}

export interface ReplayPlan {
  readonly branch: string
  readonly record: ReplayRecord
  /** The stream's table. */
  readonly table: Table
  /** The table of its dead letters. */
  readonly letters: Table | undefined
  /** The tables that had the stream's dead letters before, and may have letters of the range. */
  readonly olderLetters: readonly Table[]
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

/**
 * Changes nothing, and makes every check that can be made before the replay: what it lets through is not refused
 * later but for what has changed since. Throws ReplayRefusedError, LogMismatchError, ValidationError, and what the
 * stream itself would throw at its start.
 */
export async function planReplay(
  tools: ReplayTools,
  current: StreamSettings,
  request: ReplayRequest,
): Promise<ReplayPlan> {
  const { from, until, into: branch } = request
  const settings = settingsOf(current, request)
  checkBranchName(branch, settings)
  const table = await requireStreamTable(tools, settings)
  const record = readReplayRecord(table.metadata.properties, branch)
  if (record === undefined || request.restart === true) {
    return planNew(tools, settings, request, table, record)
  }
  checkSame(table, branch, record, settings, requestText(from, until))
  const letters = await findLetters(tools, record)
  const plan = await planOf(tools, { table, letters }, branch, record)
  await requireReadable(tools, settings, plan)
  await requireWritable(tools, settings, plan)
  return plan
}

/** The settings by which the stream read the range. */
export function settingsOf(settings: StreamSettings, { stream }: ReplayRequest): StreamSettings {
  return stream === undefined ? settings : { ...settings, name: stream }
}

/** The plan of the replay that made the branch; undefined for any other branch. */
export async function planOfBranch(
  tools: ReplayTools,
  table: Table,
  branch: string,
): Promise<ReplayPlan | undefined> {
  const record = readReplayRecord(table.metadata.properties, branch)
  if (record === undefined) return undefined
  return planOf(tools, { table, letters: await findLetters(tools, record) }, branch, record)
}

/** The plan over the tables given. */
export async function planOf(
  tools: ReplayTools,
  { table, letters }: Pick<ReplayPlan, 'letters' | 'table'>,
  branch: string,
  record: ReplayRecord,
): Promise<ReplayPlan> {
  const older = await Promise.all(
    record.olderLetterTables.map((name) => loadTableIfExists(tools.catalog, parseTableName(name))),
  )
  return {
    branch,
    record,
    table,
    letters,
    olderLetters: older.filter((each) => each !== undefined),
    rows: rowRangeOf(record, [record.target, branch]),
    letterRows: letterRangeOf(record),
  }
}

/** The dead-letter table as it is now. */
export function findLetters(
  tools: ReplayTools,
  { deadLetterTable }: ReplayRecord,
): Promise<Table | undefined> {
  return loadTableIfExists(tools.catalog, parseTableName(deadLetterTable))
}

/**
 * The stream's settings fit its tables, and fill the columns that the rows of the range are found by. Asked of
 * the code that runs the stream, over the table of the plan.
 */
async function requireWritable(
  tools: ReplayTools,
  settings: StreamSettings,
  { table, letters, record }: Pick<ReplayPlan, 'letters' | 'record' | 'table'>,
): Promise<void> {
  const name = formatIdentifier(table.identifier)
  let now = table
  const catalog = decorateCatalog(tools.catalog, {
    loadTable: async (identifier) => {
      const named = formatIdentifier(identifier)
      if (named === name) return now
      if (named !== record.deadLetterTable) return tools.catalog.loadTable(identifier)
      if (letters !== undefined) return letters
      throw new NotFoundError('there is no dead-letter table yet', { facts: { table: named } })
    },
    // What the stream would change at its start is changed in memory only, and not logged as done.
    commitTable: ({ updates }) => {
      const metadata = applyUpdates(now.metadata, updates, { nowMs: tools.clock.now() })
      now = { ...now, metadata }
      return Promise.resolve(now)
    },
  })
  // A column that was dropped is named as such.
  rowRangeOf(record, [record.target])(table)
  const filled = await checkStream(settings, { ...tools, catalog, logger: silentLogger })
  const place = placeOfRange(table, record, [record.target])
  if (filled?.partition === place.partition && filled.offset === place.offset) return
  throw new ReplayRefusedError(
    `with metadata: ${settings.metadata} the rows would not say where they came from in the columns in which the ` +
      'rows of the range do; replay them with the setting that they were written with',
    { facts: { table: name, stream: record.stream } },
  )
}

/** Throws ReplayRefusedError where the log has lost what a replay that has begun has still to read. */
async function requireReadable(
  tools: ReplayTools,
  settings: StreamSettings,
  { branch, record, table }: ReplayPlan,
): Promise<void> {
  const isBegun = isEmptied(table, branch)
  const offsets = restoreOffsets(table, isBegun ? branch : record.target).get(record.stream)
  if (offsets === undefined || (isBegun && replayLag(offsets, record) === 0n)) return
  const ends = { from: { kind: 'earliest' }, until: { kind: 'latest' } } as const
  let log: LogFacts
  try {
    log = await readLogFacts(tools, settings, offsets, ends)
  } catch (error) {
    if (error instanceof LogMismatchError) throw logLost(error.facts, error)
    throw error
  }
  checkStillThere(record.ranges, isBegun ? offsets : undefined, log)
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
  const streams = restoreOffsets(table, target)
  const committed = streams.get(stream)
  const snapshotId = headSnapshot(table, target)?.snapshotId
  if (committed === undefined || snapshotId === undefined) {
    const others = [...streams.keys()].join(',')
    throw new ReplayRefusedError(
      'the table holds no offsets of this stream yet' +
        (others === '' ? '' : '; where the stream was renamed, name it as it was (--stream NAME)'),
      {
        facts: {
          table: formatIdentifier(table.identifier),
          stream,
          branch: target,
          streams: others === '' ? undefined : others,
        },
      },
    )
  }
  if (earlier === undefined) refuseForeignBranch(table, branch)
  const log = await readLogFacts(tools, settings, committed, { from, until })
  const ranges = resolveRanges(committed, from, until, log)
  checkDistinguishable(table, { stream, ranges }, target)
  const deadLetterTable = formatIdentifier(errors.deadLetterTable)
  const record: ReplayRecord = {
    stream,
    target,
    request: requestText(from, until),
    ranges,
    rules: rulesDigest(settings),
    deadLetterTable,
    letterBranch: letterBranchOf(branch, table.identifier),
    beganMs: tools.clock.now(),
    olderLetterTables: deadLetterTablesOf(table.metadata.properties, stream).filter(
      (name) => name !== deadLetterTable,
    ),
  }
  const letters = await findLetters(tools, record)
  await requireWritable(tools, settings, { table, letters, record })
  // The branch of an earlier replay says nothing about the rows of this one.
  const plan = await planOf(tools, { table, letters }, target, record)
  return { ...plan, branch, beginning: { snapshotId, earlier } }
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
