/**
 * `materialized: incremental` without event time: each run appends the rows of its query. The query itself
 * selects what is new (`{% if is_incremental() %}`), reading its own table as pinned. When another run
 * commits first, the commit fails and the query runs again over the rows of that run.
 */
import { modelSql, type ModelRun } from './model-run.ts'
import { replaceTable } from './replace-table.ts'
import type { ComputedRows, NothingToDo } from './strategy.ts'

export async function appendRows(run: ModelRun): Promise<ComputedRows | NothingToDo> {
  const { stage, table: pinned, flags } = run
  if (pinned === undefined || flags.fullRefresh) return replaceTable(run)
  const { rowCount } = await stage.load('model_rows', modelSql(run, { isIncremental: true }))
  return {
    status: 'computed',
    columns: await stage.columns('model_rows'),
    isReplaced: false,
    changes: () =>
      Promise.resolve({
        status: 'changed',
        select: 'SELECT * FROM model_rows',
        removal: { removed: [] },
        state: {},
        computed: [],
        message: `${rowCount} rows appended`,
        rowsAffected: rowCount,
      }),
  }
}
