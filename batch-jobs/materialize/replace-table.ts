/** `materialized: table`: every run replaces all rows in one commit. Also used for the full refresh of other models. */
import { defaultPartitionSpec, currentSchema } from '../../catalog/format/index.ts'
import { sameSources } from '../intervals/model-state.ts'
import { commitRun } from './commit-run.ts'
import { type ModelRun, activeFiles, type Outcome, sourcesOf, stateOf } from './model-run.ts'
import { renderTemplate } from './render-model.ts'
import { openTarget } from './target-table.ts'

export async function replaceTable(run: ModelRun): Promise<Outcome> {
  const { model, stage, tools, rendering, table: pinned, previous, directory } = run
  const words = { table: model.table, isIncremental: false, span: undefined }
  const sql = renderTemplate(rendering, model.template, words)
  const loaded = await stage.load('model_rows', sql)
  const sources = await sourcesOf(run)
  if (run.isRetry && previous !== undefined && sameSources(previous.sources, sources)) {
    return { ...nothing, message: 'another run has just built it from the same sources' }
  }
  const columns = await stage.columns('model_rows')
  const options = { config: model.config, isReplaced: true }
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
    baseSnapshotId: pinned?.metadata.currentSnapshotId,
    previousRunId: previous?.runId,
    state: stateOf(run, sources, []),
    removed: await activeFiles(run),
    added,
    computed: [],
  })
  return {
    status: 'success',
    message: `${loaded.rowCount} rows`,
    rowsAffected: loaded.rowCount,
    computed: [],
    snapshotId: committed.metadata.currentSnapshotId,
  }
}

const nothing = {
  status: 'skipped',
  rowsAffected: 0,
  computed: [],
  snapshotId: undefined,
} as const
