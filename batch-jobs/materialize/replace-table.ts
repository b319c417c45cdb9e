/** `materialized: table`: every run replaces all rows in one commit. Also used for the full refresh of other models. */
import { sameSources } from '../intervals/model-state.ts'
import { activeFiles, modelSql, type ModelRun, sourcesOf } from './model-run.ts'
import type { ComputedRows, NothingToDo } from './strategy.ts'

export async function replaceTable(run: ModelRun): Promise<ComputedRows | NothingToDo> {
  const { stage, previous, isRetry } = run
  const { rowCount } = await stage.load('model_rows', modelSql(run, { isIncremental: false }))
  if (isRetry && previous !== undefined && sameSources(previous.sources, await sourcesOf(run))) {
    return { status: 'skipped', message: 'another run has just built it from the same sources' }
  }
  return {
    status: 'computed',
    columns: await stage.columns('model_rows'),
    isReplaced: true,
    changes: async () => ({
      status: 'changed',
      select: 'SELECT * FROM model_rows',
      removal: { removed: await activeFiles(run) },
      state: {},
      computed: [],
      message: `${rowCount} rows`,
      rowsAffected: rowCount,
    }),
  }
}
