/**
 * One run of one model, whatever its materialization: the strategy computes rows, the frame brings the
 * model's table to their columns, writes the files and commits columns, rows and state at once
 * (docs/spec/batch-jobs.md, B1, B14).
 */
import { currentSchema, defaultPartitionSpec } from '../../catalog/format/index.ts'
import type { Materialization } from '../settings/model-settings.ts'
import { appendRows } from './append-rows.ts'
import { commitRun } from './commit-run.ts'
import { insertIntervals } from './insert-intervals.ts'
import { keepHistory } from './keep-history.ts'
import { type ModelRun, type Outcome, sourcesOf } from './model-run.ts'
import { replaceTable } from './replace-table.ts'
import type { NothingToDo, Strategy } from './strategy.ts'
import { openTarget } from './target-table.ts'

const strategies: Readonly<Record<Materialization, Strategy>> = {
  table: replaceTable,
  incremental: (run) => {
    const { intervals } = run.model.config
    return intervals === undefined ? appendRows(run) : insertIntervals(run, intervals)
  },
  snapshot: (run) => {
    const { snapshot } = run.model.config
    return snapshot === undefined ? replaceTable(run) : keepHistory(run, snapshot)
  },
}

/** Throws RunConflictError or ConflictError when another writer committed first: then a new run is due. */
export async function materialize(run: ModelRun): Promise<Outcome> {
  const { model, stage, tools, table: pinned, previous, directory, rendering, startedMs } = run
  const { name, config, checksum } = model
  const rows = await strategies[config.materialized](run)
  if (rows.status === 'skipped') return skipped(run, rows)
  const options = { config, isReplaced: rows.isReplaced }
  const target = await openTarget(tools, model.table, rows.columns, options)
  const changes = await rows.changes(target)
  if (changes.status === 'skipped') return skipped(run, changes)
  const { metadata } = target.table
  const added = await stage.write({
    select: changes.select,
    schema: currentSchema(metadata),
    spec: defaultPartitionSpec(metadata),
    directory,
    properties: metadata.properties,
  })
  const sources = await sourcesOf(run)
  const { runId } = rendering
  const { computed, message, rowsAffected } = changes
  const committed = await commitRun(tools, {
    target,
    baseSnapshotId: pinned?.metadata.currentSnapshotId,
    previousRunId: previous?.runId,
    state: { model: name, runId, startedMs, checksum, sources, done: [], ...changes.state },
    ...changes.removal,
    added,
    computed,
  })
  const snapshotId = committed.metadata.currentSnapshotId
  return { status: 'success', message, rowsAffected, computed, snapshotId }
}

function skipped(run: ModelRun, { status, message }: NothingToDo): Outcome {
  const snapshotId = run.table?.metadata.currentSnapshotId
  return { status, message, rowsAffected: 0, computed: [], snapshotId }
}
