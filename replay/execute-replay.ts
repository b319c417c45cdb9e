/**
 * A replay from its request to its branch: the range out of the branch, and in again as the stream's
 * settings and this code now have it (docs/spec/replay.md).
 *
 * The rows are written by the very runner of the sink, over a log that seems to end where the range
 * does, with the branch's own offsets: what makes a sink exactly once makes a replay exactly once.
 */
import { mainBranch, formatIdentifier, parseTableName } from '../catalog/format/index.ts'
import type { Catalog, Table } from '../catalog/index.ts'
import { type AlreadyExistsError, ValidationError } from '../common/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import {
  ensureDeadLetterTable,
  findTable,
  restoreOffsets,
  runStream,
  type StreamProgress,
  type StreamRunResult,
} from '../ingest/index.ts'
import { createRangeSource } from './range-source.ts'
import { type ReplayRange, ReplayRefusedError, requestText } from './replay-ranges.ts'
import {
  letterBranchOf,
  readReplayRecord,
  replayLag,
  type ReplayRecord,
  rulesDigest,
} from './replay-record.ts'
import { requireStreamTable, type ReplayRequest, resolveReplay } from './plan-replay.ts'
import { findRangeFiles, letterRangeOf, rowRangeOf, tableAt } from './range-files.ts'
import { loadingBy, withRangeTools } from './range-tools.ts'
import {
  branchRemoved,
  createReplayBranch,
  dropLetterBranch,
  dropReplayBranch,
  emptyRange,
  foreignBranch,
  hasBranch,
  isEmptied,
  keepForever,
} from './replay-branch.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface ReplayOptions extends ReplayRequest {
  /** Begins anew where the branch exists already. */
  readonly restart?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: StreamProgress) => void
  /** Spool files and rewritten files go below; default: the system's temporary directory. */
  readonly workDirectory?: string
  readonly threads?: number
}

/** A range, and what the table holds of it now. */
export interface ReplayRangePlan extends ReplayRange {
  readonly rows: bigint
  readonly deadLetters: bigint
}

export interface ReplayPlan {
  readonly table: string
  readonly target: string
  readonly snapshotId: bigint
  readonly ranges: readonly ReplayRangePlan[]
  /** Files that hold nothing but the range: exchanged as they are. */
  readonly filesWhole: number
  /** Files whose other rows are written anew. */
  readonly filesPartial: number
  readonly rowsRewritten: bigint
}

export interface ReplayReport {
  readonly table: string
  readonly branch: string
  readonly ranges: readonly ReplayRange[]
  /** False when the branch held the whole replay already. */
  readonly isChanged: boolean
  /** Of this run; a replay that was killed has done the rest before. */
  readonly recordsRead: number
  readonly rowsCommitted: number
  readonly deadLetters: number
}

/** Changes nothing. */
export async function planReplay(
  tools: ReplayTools,
  settings: StreamSettings,
  request: ReplayRequest,
): Promise<ReplayPlan> {
  checkBranchName(request.into, settings)
  const { table, snapshotId, ranges } = await resolveReplay(tools, settings, request)
  const target = settings.output.branch
  const range = rowRangeOf(table, ranges)
  return withRangeTools(tools, async (rangeTools) => {
    const files = await findRangeFiles(rangeTools, table, target, range)
    const { place, condition } = range
    const rows = await countPlaces(rangeTools.stage, tableAt(table, target), place, condition)
    const letters = await countLetters(tools, rangeTools.stage, settings, ranges)
    const held = [...files.whole, ...files.partial].reduce((sum, one) => sum + one.recordCount, 0n)
    return {
      table: formatIdentifier(table.identifier),
      target,
      snapshotId,
      ranges: ranges.map((one) => ({
        ...one,
        rows: rows(one),
        deadLetters: letters(one),
      })),
      filesWhole: files.whole.length,
      filesPartial: files.partial.length,
      rowsRewritten: held - files.rowCount,
    }
  })
}

/** Makes the branch, or goes on where an earlier run stopped; a finished replay is left as it is. */
export async function executeReplay(
  tools: ReplayTools,
  settings: StreamSettings,
  options: ReplayOptions,
): Promise<ReplayReport> {
  checkBranchName(options.into, settings)
  const { into: branch } = options
  if (options.restart === true) await dropEarlier(tools, settings, branch)
  const record = await begin(tools, settings, options)
  const { identifier } = await requireStreamTable(tools, settings)
  await emptyBranches(tools, settings, branch, record, options.workDirectory)
  const table = await tools.catalog.loadTable(identifier)
  const offsets = restoreOffsets(table, branch).get(settings.name)
  const common = { table: formatIdentifier(identifier), branch, ranges: record.ranges }
  if (replayLag(offsets, record) === 0n) {
    return { ...common, isChanged: false, recordsRead: 0, rowsCommitted: 0, deadLetters: 0 }
  }
  const { recordsRead, rowsCommitted, deadLetters } = await readAgain(
    tools,
    settings,
    record,
    options,
  )
  if (options.signal?.aborted !== true) await requireComplete(tools, settings, branch, record)
  return { ...common, isChanged: true, recordsRead, rowsCommitted, deadLetters }
}

/** The record of the replay that the branch belongs to, made where there is none. */
async function begin(
  tools: ReplayTools,
  settings: StreamSettings,
  { from, until, into: branch }: ReplayOptions,
): Promise<ReplayRecord> {
  const existing = await requireStreamTable(tools, settings)
  const request = requestText(from, until)
  const record = readReplayRecord(existing.metadata.properties, branch)
  if (record !== undefined) {
    checkSame(existing, branch, record, settings, request)
    return record
  }
  if (existing.metadata.refs[branch] !== undefined) throw foreign(existing, branch)
  const { table, snapshotId, ranges } = await resolveReplay(tools, settings, { from, until })
  const created: ReplayRecord = {
    stream: settings.name,
    target: settings.output.branch,
    request,
    ranges,
    rules: rulesDigest(settings),
    deadLetterTable: formatIdentifier(settings.errors.deadLetterTable),
    letterBranch: letterBranchOf(branch, table.identifier),
  }
  // A letter branch of an earlier replay whose table branch is gone would be taken for this one's.
  await ensureDeadLetterTable(tools.catalog, settings.errors.deadLetterTable)
  await dropLetterBranch(tools, created)
  const made = await createReplayBranch(tools, table.identifier, branch, snapshotId, created)
  // Somebody may have begun another one in the same moment: the table's record holds.
  const held = readReplayRecord(made.metadata.properties, branch) ?? created
  checkSame(made, branch, held, settings, request)
  return held
}

function checkSame(
  table: Table,
  branch: string,
  record: ReplayRecord,
  settings: StreamSettings,
  request: string,
): void {
  const facts = { table: formatIdentifier(table.identifier), branch }
  const ways = 'name another branch, or begin anew with --restart'
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
      facts: { ...facts, stream: record.stream, request: record.request, asked: request },
    })
  }
  if (record.rules === rulesDigest(settings)) return
  throw new ReplayRefusedError(
    `the stream's settings have changed since this replay began; ${ways}`,
    { facts },
  )
}

function foreign({ identifier, metadata }: Table, branch: string): AlreadyExistsError {
  return foreignBranch({ identifier, branch, snapshotId: metadata.refs[branch]?.snapshotId })
}

async function emptyBranches(
  tools: ReplayTools,
  settings: StreamSettings,
  branch: string,
  record: ReplayRecord,
  workDirectory: string | undefined,
): Promise<void> {
  const table = await requireStreamTable(tools, settings)
  const letters = await tools.catalog.loadTable(parseTableName(record.deadLetterTable))
  const { letterBranch } = record
  const hasLetters = isEmptied(letters, letterBranch)
  if (isEmptied(table, branch)) {
    if (hasLetters) return
    // Its letters went first, and some that were read since may have been in it.
    throw branchRemoved({ table: record.deadLetterTable, branch: letterBranch })
  }
  const source = restoreOffsets(table, record.target).get(record.stream)
  if (source === undefined) throw new Error('assertion failed: the target knows the stream')
  await withRangeTools(
    tools,
    async (rangeTools) => {
      const { identifier } = letters
      if (!hasLetters) {
        const range = letterRangeOf(record.stream, record.ranges)
        await emptyRange(rangeTools, identifier, letterBranch, mainBranch, range, record, source)
      }
      await keepForever(tools, identifier, letterBranch)
      const range = rowRangeOf(table, record.ranges)
      await emptyRange(rangeTools, table.identifier, branch, branch, range, record, source)
    },
    workDirectory,
  )
}

async function readAgain(
  tools: ReplayTools,
  settings: StreamSettings,
  record: ReplayRecord,
  options: ReplayOptions,
): Promise<StreamRunResult> {
  const { io, clock, random } = tools
  const { into: branch, threads, workDirectory, signal, onProgress } = options
  const logger = tools.logger.with({ stream: settings.name, replay: branch })
  const input = withoutGroup(settings.input)
  const log = await tools.openSource(input, logger)
  const source = createRangeSource(log, record.ranges)
  try {
    return await tools.withDataFileWriter(threads, (writer) => {
      const parts = {
        source,
        catalog: whileBranchesStand(tools, settings, branch, record),
        io,
        writer,
        clock,
        random,
        logger,
        deadLetterBranch: record.letterBranch,
        ...(workDirectory === undefined ? {} : { workDirectory }),
      }
      const onBranch = { ...settings, input, output: { ...settings.output, branch } }
      return runStream(onBranch, parts, {
        until: 'latest',
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
      })
    })
  } finally {
    await source.stop()
  }
}

/** A sink makes the branch that it misses from what main holds: rows of the range would be there twice. */
function whileBranchesStand(
  { catalog }: ReplayTools,
  { output }: StreamSettings,
  branch: string,
  { deadLetterTable, letterBranch }: ReplayRecord,
): Catalog {
  const branches = new Map([
    [formatIdentifier(output.table), branch],
    [deadLetterTable, letterBranch],
  ])
  return loadingBy(catalog, async (identifier) => {
    const table = await catalog.loadTable(identifier)
    const name = formatIdentifier(identifier)
    const needed = branches.get(name)
    if (needed === undefined || hasBranch(table.metadata, needed)) return table
    throw branchRemoved({ table: name, branch: needed })
  })
}

async function requireComplete(
  tools: ReplayTools,
  settings: StreamSettings,
  branch: string,
  record: ReplayRecord,
): Promise<void> {
  const table = await requireStreamTable(tools, settings)
  const left = replayLag(restoreOffsets(table, branch).get(record.stream), record)
  if (left === 0n) return
  throw new ReplayRefusedError('the log ended before the range did; was it cut meanwhile?', {
    facts: { table: formatIdentifier(table.identifier), branch, left },
  })
}

async function dropEarlier(
  tools: ReplayTools,
  settings: StreamSettings,
  branch: string,
): Promise<void> {
  const table = await requireStreamTable(tools, settings)
  const record = readReplayRecord(table.metadata.properties, branch)
  if (record === undefined) {
    if (table.metadata.refs[branch] !== undefined) throw foreign(table, branch)
    return
  }
  await dropLetterBranch(tools, record)
  await dropReplayBranch(tools, table.identifier, branch)
}

function checkBranchName(branch: string, settings: StreamSettings): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(branch) && branch !== settings.output.branch) return
  throw new ValidationError(
    'a replay goes into a branch of its own, named with letters, digits, _, . and -',
    { facts: { branch, stream: settings.name } },
  )
}

type CountOf = (range: ReplayRange) => bigint

async function countPlaces(
  stage: Parameters<typeof findRangeFiles>[0]['stage'],
  from: string,
  place: { readonly topic: string; readonly partition: string },
  condition: string,
): Promise<CountOf> {
  await stage.load(
    'range_counts',
    `SELECT ${place.topic} AS t, ${place.partition} AS p, count(*) AS n
     FROM ${from} WHERE ${condition} GROUP BY ALL`,
  )
  const counts = new Map<string, bigint>()
  for (const [topic, partition, count] of await stage.rows('SELECT t, p, n FROM range_counts')) {
    counts.set(`${String(topic ?? '')}:${String(partition)}`, BigInt(String(count)))
  }
  return ({ topic, partition }) =>
    counts.get(`${topic}:${partition}`) ?? counts.get(`:${partition}`) ?? 0n
}

async function countLetters(
  tools: ReplayTools,
  stage: Parameters<typeof findRangeFiles>[0]['stage'],
  settings: StreamSettings,
  ranges: readonly ReplayRange[],
): Promise<CountOf> {
  const { deadLetterTable } = settings.errors
  const table = await findTable(tools.catalog, deadLetterTable)
  if (table?.metadata.currentSnapshotId === undefined) return () => 0n
  const { place, condition } = letterRangeOf(settings.name, ranges)
  return countPlaces(stage, tableAt(table, mainBranch), place, condition)
}
