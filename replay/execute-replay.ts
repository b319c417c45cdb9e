/**
 * A replay from its plan to its branch: the range out of the branch, and in again as the stream's
 * settings and this code now have it (docs/spec/replay.md).
 *
 * The rows are written by the very runner of the sink, over a log that seems to end where the range
 * does, with the branch's own offsets: what makes a sink exactly once makes a replay exactly once.
 */
import { formatIdentifier, mainBranch } from '../catalog/format/index.ts'
import { type Catalog, type Table, decorateCatalog } from '../catalog/index.ts'
import {
  ensureDeadLetterTable,
  restoreOffsets,
  runStream,
  type StreamProgress,
  type StreamRunResult,
} from '../ingest/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import { checkSame, planOf, type ReplayBeginning, type ReplayPlan } from './plan-replay.ts'
import { createRangeSource } from './range-source.ts'
import { withRangeTools } from './range-tools.ts'
import {
  branchRemoved,
  createReplayBranch,
  dropLetterBranch,
  dropReplayBranch,
  emptyRange,
  hasBranch,
  isEmptied,
  keepForever,
  refuseForeignBranch,
} from './replay-branch.ts'
import { type ReplayRange, ReplayRefusedError } from './replay-ranges.ts'
import { readReplayRecord, replayLag, type ReplayRecord } from './replay-record.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface ExecuteOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: StreamProgress) => void
  /** Spool files and rewritten files go below; default: the system's temporary directory. */
  readonly workDirectory?: string
  readonly threads?: number
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

/** Makes the branch, or goes on where an earlier run stopped; a finished replay is left as it is. */
export async function executeReplay(
  tools: ReplayTools,
  settings: StreamSettings,
  plan: ReplayPlan,
  options: ExecuteOptions = {},
): Promise<ReplayReport> {
  const begun =
    plan.beginning === undefined ? plan : await begin(tools, settings, plan, plan.beginning)
  const { branch, record } = begun
  const table = await emptyBranches(tools, begun, options.workDirectory)
  const common = { table: formatIdentifier(table.identifier), branch, ranges: record.ranges }
  if (offsetsLeft(table, branch, record) === 0n) {
    return { ...common, isChanged: false, recordsRead: 0, rowsCommitted: 0, deadLetters: 0 }
  }
  const { recordsRead, rowsCommitted, deadLetters } = await readAgain(
    tools,
    settings,
    begun,
    options,
  )
  if (options.signal?.aborted !== true) await requireComplete(tools, begun)
  return { ...common, isChanged: true, recordsRead, rowsCommitted, deadLetters }
}

/** Makes the branch with the replay's record, where the branch of an earlier replay is dropped before. */
async function begin(
  tools: ReplayTools,
  settings: StreamSettings,
  { branch, record, table: { identifier }, table }: ReplayPlan,
  { earlier, snapshotId }: ReplayBeginning,
): Promise<ReplayPlan> {
  if (earlier === undefined) refuseForeignBranch(table, branch)
  // A letter branch that an earlier replay has left would be taken for this one's.
  const existing = await ensureDeadLetterTable(tools.catalog, settings.errors.deadLetterTable)
  const letters = await dropReplayBranch(tools, existing, record.letterBranch)
  if (earlier !== undefined) {
    if (earlier.deadLetterTable !== record.deadLetterTable) await dropLetterBranch(tools, earlier)
    await dropReplayBranch(tools, table, branch)
  }
  const made = await createReplayBranch(tools, identifier, branch, snapshotId, record)
  // Two runs may begin at the same moment: the record that the table has is the one that counts.
  const held = readReplayRecord(made.metadata.properties, branch) ?? record
  checkSame(made, branch, held, settings, record.request)
  return planOf(made, letters, branch, held)
}

/** Takes the range out of both branches, the letters first. Returns the stream's table after that. */
async function emptyBranches(
  tools: ReplayTools,
  { branch, record, table, letters, rows, letterRows }: ReplayPlan,
  workDirectory: string | undefined,
): Promise<Table> {
  const { letterBranch } = record
  const lettersRemoved = { table: record.deadLetterTable, branch: letterBranch }
  if (letters === undefined) throw branchRemoved(lettersRemoved)
  const hasLetters = isEmptied(letters, letterBranch)
  if (isEmptied(table, branch)) {
    if (hasLetters) return table
    // Its letters went out first, so the branch was there, and may have had letters that were read since.
    throw branchRemoved(lettersRemoved)
  }
  const source = restoreOffsets(table, record.target).get(record.stream)
  if (source === undefined) throw new Error('assertion failed: the target has the stream')
  return withRangeTools(
    tools,
    async (rangeTools) => {
      const { identifier } = letters
      const emptied = hasLetters
        ? letters
        : await emptyRange(
            rangeTools,
            identifier,
            letterBranch,
            mainBranch,
            letterRows,
            record,
            source,
          )
      await keepForever(tools, emptied, letterBranch)
      return emptyRange(rangeTools, table.identifier, branch, branch, rows, record, source)
    },
    workDirectory,
  )
}

async function readAgain(
  tools: ReplayTools,
  settings: StreamSettings,
  plan: ReplayPlan,
  { threads, workDirectory, signal, onProgress }: ExecuteOptions,
): Promise<StreamRunResult> {
  const { io, clock, random } = tools
  const { branch, record } = plan
  const logger = tools.logger.with({ stream: settings.name, replay: branch })
  const input = withoutGroup(settings.input)
  const log = await tools.openSource(input, logger)
  const source = createRangeSource(log, record.ranges)
  try {
    return await tools.withDataFileWriter(threads, (writer) => {
      const parts = {
        source,
        catalog: whileBranchesStand(tools.catalog, plan),
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

/**
 * The catalog, refusing to load a table whose branch was removed: a sink makes a missing branch from what
 * main holds, and rows of the range would be there twice.
 */
function whileBranchesStand(catalog: Catalog, { branch, record, table }: ReplayPlan): Catalog {
  const branches = new Map([
    [formatIdentifier(table.identifier), branch],
    [record.deadLetterTable, record.letterBranch],
  ])
  return decorateCatalog(catalog, {
    loadTable: async (identifier) => {
      const loaded = await catalog.loadTable(identifier)
      const name = formatIdentifier(identifier)
      const needed = branches.get(name)
      if (needed === undefined || hasBranch(loaded.metadata, needed)) return loaded
      throw branchRemoved({ table: name, branch: needed })
    },
  })
}

/** Loads the table again: the run has committed to it. */
async function requireComplete(
  tools: ReplayTools,
  { branch, record, table: { identifier } }: ReplayPlan,
): Promise<void> {
  const left = offsetsLeft(await tools.catalog.loadTable(identifier), branch, record)
  if (left === 0n) return
  throw new ReplayRefusedError(
    'the log ended before the range did; was it cut while it was read?',
    {
      facts: { table: formatIdentifier(identifier), branch, left },
    },
  )
}

function offsetsLeft(table: Table, branch: string, record: ReplayRecord): bigint {
  return replayLag(restoreOffsets(table, branch).get(record.stream), record)
}
