/**
 * The commit of a run: its columns, removed files, added files and model state, in one transaction.
 *
 * Every commit attempt checks on its base that no other run of the model has committed since this one was
 * planned (docs/spec/batch-jobs.md, B5): of two runs that compute the same intervals one commits, and the
 * other has nothing left to do.
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
  /** Its schema is the one that the files were written with. */
  readonly target: TargetTable
  /** The snapshot that the run was planned on, undefined for none. */
  readonly baseSnapshotId: bigint | undefined
  /** The id of the previous run, as of planning. */
  readonly previousRunId: string | undefined
  readonly state: ModelState
  readonly removed: readonly DataFile[]
  /** Rows to delete from files that stay. */
  readonly deletes?: readonly LocalPositionDeletes[]
  /** Delete files whose positions are all part of `deletes`. */
  readonly replacedDeletes?: readonly DataFile[]
  readonly added: readonly WrittenFile[]
  /** The spans that this run computed, for the snapshot summary. */
  readonly computed: readonly Span[]
}

/** Another run of the model committed first: this one has to be planned again on the newer table. */
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
    // Only after a commit that certainly failed is it safe to delete the files: no table refers to them.
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
    // A row that is replaced by a new version must not have been deleted by another writer since.
    transaction.add(new RowDelta(tools, { ...options, changes, refuseNewDeletes: true }))
  } else if (removed.length > 0) {
    const changes = { baseSnapshotId, removed, added }
    transaction.add(new OverwriteFiles(tools, { ...options, changes }))
  } else {
    transaction.add(new FastAppend(tools, { ...options, files: added }))
  }
}

function checkPreviousRun(base: Table, { state, previousRunId }: RunCommit): void {
  const lastRunId = modelStateOf(base.metadata)?.runId
  if (lastRunId === previousRunId) return
  throw new RunConflictError(`another run of model ${state.model} committed first`, {
    facts: {
      table: formatIdentifier(base.identifier),
      expected: previousRunId ?? 'none',
      actual: lastRunId ?? 'none',
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
