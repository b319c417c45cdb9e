/**
 * A replay from its plan to its branch: the range is removed from the branch and written again with the
 * stream's current settings and this code (docs/spec/replay.md).
 *
 * The runner of the sink writes the rows, from a source that ends where the range does and with the branch's
 * own offsets. So a replay is exactly once for the same reason as a sink.
 */
import { mkdir } from 'node:fs/promises'
import { formatIdentifier, mainBranch } from '../catalog/format/index.ts'
import { type Catalog, type Table, decorateCatalog } from '../catalog/index.ts'
import {
  ensureDeadLetterTable,
  LogMismatchError,
  OffsetOutOfRangeError,
  restoreOffsets,
  runStream,
  type StreamProgress,
  type StreamRunResult,
} from '../ingest/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import { checkSame, planOf, type ReplayBeginning, type ReplayPlan } from './plan-replay.ts'
import { createRangeSource } from './range-source.ts'
import { withRangeTools } from './range-tools.ts'
import { hasBranch } from './branch-head.ts'
import {
  branchRemoved,
  createReplayBranch,
  dropLetterBranch,
  dropReplayBranch,
  emptyRange,
  isEmptied,
  keepForever,
} from './replay-branch.ts'
import { offsetsLeft } from './replay-progress.ts'
import { logLost, type ReplayRange, ReplayRefusedError } from './replay-ranges.ts'
import { readReplayRecord } from './replay-record.ts'
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
  /** False when the branch already held the whole replay. */
  readonly isChanged: boolean
  /** False when it was ended before the branch held the whole replay: the same call goes on. */
  readonly isComplete: boolean
  /** Counts of this run; an earlier run that was killed has done the rest. */
  readonly recordsRead: number
  readonly rowsCommitted: number
  readonly deadLetters: number
}

/** Creates the branch, or continues where an earlier run stopped; a finished replay stays as it is. */
export async function executeReplay(
  tools: ReplayTools,
  current: StreamSettings,
  plan: ReplayPlan,
  options: ExecuteOptions = {},
): Promise<ReplayReport> {
  const settings = { ...current, name: plan.record.stream }
  // Nothing is made where there is no place to work in.
  if (options.workDirectory !== undefined) await mkdir(options.workDirectory, { recursive: true })
  const begun =
    plan.beginning === undefined ? plan : await begin(tools, settings, plan, plan.beginning)
  const { branch, record } = begun
  const table = await emptyBranches(tools, begun, options.workDirectory)
  const common = { table: formatIdentifier(table.identifier), branch, ranges: record.ranges }
  if (offsetsLeft({ branch, record, table }) === 0n) {
    const nothing = { recordsRead: 0, rowsCommitted: 0, deadLetters: 0 }
    return { ...common, isChanged: false, isComplete: true, ...nothing }
  }
  const { commits, recordsRead, rowsCommitted, deadLetters } = await readAgain(
    tools,
    settings,
    begun,
    options,
  )
  const isStopped = options.signal?.aborted === true
  // Loaded again where the run may have committed to it.
  const isSame = isStopped && commits === 0
  const after = isSame ? table : await tools.catalog.loadTable(table.identifier)
  const left = offsetsLeft({ branch, record, table: after })
  if (left > 0n && !isStopped) {
    throw new ReplayRefusedError(
      'the log ended before the range did; was it cut while it was read?',
      {
        facts: { table: common.table, branch, left },
      },
    )
  }
  const isComplete = left === 0n
  return { ...common, isChanged: true, isComplete, recordsRead, rowsCommitted, deadLetters }
}

/** Creates the branch with the replay's record; drops the branch of an earlier replay first. */
async function begin(
  tools: ReplayTools,
  settings: StreamSettings,
  { branch, record, table: { identifier }, table }: ReplayPlan,
  { earlier, snapshotId }: ReplayBeginning,
): Promise<ReplayPlan> {
  // A letter branch that an earlier replay has left would be used as this replay's branch.
  const existing = await ensureDeadLetterTable(tools.catalog, settings.errors.deadLetterTable)
  const letters = await dropReplayBranch(tools, existing, record.letterBranch)
  if (earlier !== undefined) {
    // It has another name where the table was renamed since.
    const isSame =
      earlier.deadLetterTable === record.deadLetterTable &&
      earlier.letterBranch === record.letterBranch
    if (!isSame) await dropLetterBranch(tools, earlier)
    await dropReplayBranch(tools, table, branch)
  }
  const made = await createReplayBranch(tools, identifier, branch, snapshotId, record)
  // Two runs may begin at the same moment: the record in the table decides.
  const held = readReplayRecord(made.metadata.properties, branch) ?? record
  checkSame(made, branch, held, settings, record.request)
  return planOf(tools, { table: made, letters }, branch, held)
}

/** Removes the range from both branches, the letters first. Returns the stream's table after that. */
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
    // The range was removed from the letters first, so their branch existed and may have had letters that were read since.
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
        catalog: requireBranches(tools.catalog, plan),
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
  } catch (error) {
    // What the sink would advise, to change its offsets, would break the branch.
    const isLost = error instanceof LogMismatchError || error instanceof OffsetOutOfRangeError
    throw isLost ? logLost(error.facts, error) : error
  } finally {
    await source.stop()
  }
}

/**
 * The catalog, but refusing to load a table whose branch was removed: a sink creates a missing branch from
 * main, which would have the rows of the range twice.
 */
function requireBranches(catalog: Catalog, { branch, record, table }: ReplayPlan): Catalog {
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
