/**
 * The commit of a run: its columns, files out, files in, and what the run was, in one transaction.
 *
 * On the base of every attempt it asserts that no other run of the model has committed since this one
 * was planned (docs/spec/batch-jobs.md, B5): of two runners that race for the same intervals one wins
 * and the other finds nothing left to do.
 */
import { currentSchema, type DataFile, formatIdentifier } from '../../catalog/format/index.ts'
import {
  type Catalog,
  FastAppend,
  type LocalPositionDeletes,
  type ManifestCache,
  OverwriteFiles,
  type PositionDeletes,
  RowDelta,
  type SnapshotOptions,
  type Table,
  Transaction,
  UpdateProperties,
  uploadDataFiles,
  uploadPositionDeletes,
  type WrittenFile,
} from '../../catalog/index.ts'
import {
  type Clock,
  CommitStateUnknownError,
  LakeError,
  type Logger,
  type Random,
  randomUuid,
} from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { formatSpan, type Span } from '../intervals/interval.ts'
import {
  formatModelState,
  type ModelState,
  modelStateOf,
  statePropertyKey,
  stateSummaryKey,
} from '../intervals/model-state.ts'
import type { TargetTable } from './target-table.ts'

export interface RunCommitTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly cache: ManifestCache
}

export interface RunCommit {
  /** With the schema that the files were written by. */
  readonly target: TargetTable
  /** The snapshot that the run was planned on, undefined for none. */
  readonly baseSnapshotId: bigint | undefined
  /** Of the run before, when planned. */
  readonly previousRunId: string | undefined
  readonly state: ModelState
  readonly removed: readonly DataFile[]
  /** Rows that go from files that stay. */
  readonly deletes?: readonly LocalPositionDeletes[]
  /** Delete files of which `deletes` say all again. */
  readonly replacedDeletes?: readonly DataFile[]
  readonly added: readonly WrittenFile[]
  /** What this run computed, for people. */
  readonly computed: readonly Span[]
}

/** Another run of the model committed first: plan again on what it left. */
export class RunConflictError extends LakeError {
  readonly code = 'run-conflict'
}

export async function commitRun(tools: RunCommitTools, run: RunCommit): Promise<Table> {
  const { table } = run.target
  const { metadata } = table
  checkPreviousRun(table, run)
  const options = {
    summary: summaryOf(tools, run),
    check: (base: Table) => checkPreviousRun(base, run),
    writtenSchema: currentSchema(metadata),
  }
  const added = await uploadDataFiles(tools, metadata, run.added)
  const uploaded = added.map(({ filePath }) => filePath)
  try {
    const deletes = await uploadPositionDeletes(tools, metadata, run.deletes ?? [])
    uploaded.push(...deletes.map(({ file }) => file.filePath))
    const transaction = new Transaction(tools.catalog, table.identifier, tools)
    transaction.add(run.target.schemaChange)
    addFiles(transaction, tools, run, { options, added, deletes })
    const updates = { [statePropertyKey]: formatModelState(run.state) }
    return await transaction.add(new UpdateProperties({ updates })).commit()
  } catch (error) {
    // Only a commit that surely failed leaves files that no table will ever point at.
    if (error instanceof LakeError && !(error instanceof CommitStateUnknownError)) {
      await tools.io.delete(uploaded).catch(() => undefined)
    }
    throw error
  }
}

interface UploadedRun {
  readonly options: SnapshotOptions
  readonly added: readonly DataFile[]
  readonly deletes: readonly PositionDeletes[]
}

function addFiles(
  transaction: Transaction,
  tools: RunCommitTools,
  { baseSnapshotId, removed, replacedDeletes = [] }: RunCommit,
  { options, added, deletes }: UploadedRun,
): void {
  if (deletes.length > 0) {
    const changes = { baseSnapshotId, removed, added, deletes, replacedDeletes }
    // A row that is given again in another form must not have been deleted by another writer since.
    transaction.add(new RowDelta(tools, { ...options, changes, refuseNewDeletes: true }))
  } else if (removed.length > 0) {
    const changes = { baseSnapshotId, removed, added }
    transaction.add(new OverwriteFiles(tools, { ...options, changes }))
  } else {
    transaction.add(new FastAppend(tools, { ...options, files: added }))
  }
}

function checkPreviousRun(base: Table, { state, previousRunId }: RunCommit): void {
  const found = modelStateOf(base.metadata)?.runId
  if (found === previousRunId) return
  throw new RunConflictError(`another run of model ${state.model} committed first`, {
    facts: {
      table: formatIdentifier(base.identifier),
      expected: previousRunId ?? 'none',
      found: found ?? 'none',
    },
  })
}

function summaryOf(tools: RunCommitTools, run: RunCommit): Readonly<Record<string, string>> {
  const { state, computed } = run
  return {
    'tidewater.commit-id': randomUuid(tools.random),
    'tidewater.model': state.model,
    'tidewater.run-id': state.runId,
    ...(computed.length === 0
      ? {}
      : { 'tidewater.intervals': computed.map(formatSpan).join(', ') }),
    [stateSummaryKey]: formatModelState(state),
  }
}
