/**
 * `materialized: incremental` without event time: each run appends the rows of its query. The query itself
 * selects what is new (`{% if is_incremental() %}`), reading its own table as pinned. When another run
 * commits first, the commit fails and the query runs again over the rows of that run.
 */
import { currentSchema, defaultPartitionSpec } from '../../catalog/format/index.ts'
import { commitRun } from './commit-run.ts'
import { type ModelRun, type Outcome, sourcesOf, stateOf } from './model-run.ts'
import { renderTemplate } from './render-model.ts'
import { replaceTable } from './replace-table.ts'
import { openTarget } from './target-table.ts'

export async function appendRows(run: ModelRun): Promise<Outcome> {
  const { model, stage, tools, rendering, table: pinned, previous, directory, flags } = run
  if (pinned === undefined || flags.fullRefresh) return replaceTable(run)
  const words = { table: model.table, isIncremental: true, span: undefined }
  const sql = renderTemplate(rendering, model.template, words)
  const loaded = await stage.load('model_rows', sql)
  const columns = await stage.columns('model_rows')
  const options = { config: model.config, isReplaced: false }
  const target = await openTarget(tools, model.table, columns, options)
  const added = await stage.write({
    select: 'SELECT * FROM model_rows',
    schema: currentSchema(target.table.metadata),
    spec: defaultPartitionSpec(target.table.metadata),
    directory,
    properties: target.table.metadata.properties,
  })
  const committed = await commitRun(tools, {
    target,
    baseSnapshotId: pinned.metadata.currentSnapshotId,
    previousRunId: previous?.runId,
    state: stateOf(run, await sourcesOf(run), []),
    removed: [],
    added,
    computed: [],
  })
  return {
    status: 'success',
    message: `${loaded.rowCount} rows appended`,
    rowsAffected: loaded.rowCount,
    computed: [],
    snapshotId: committed.metadata.currentSnapshotId,
  }
}
