/**
 * What a materialization gives: the columns of its rows, then the rows to write and those to remove.
 * `materialize.ts` does everything else of a run.
 */
import type { NestedField } from '../../catalog/format/index.ts'
import type { Span } from '../intervals/interval.ts'
import type { ModelState } from '../intervals/model-state.ts'
import type { ModelRun } from './model-run.ts'
import type { RowRemoval } from './remove-rows.ts'
import type { TargetTable } from './target-table.ts'

/** Computes the model's rows into temporary tables of the run's stage. */
export type Strategy = (run: ModelRun) => Promise<ComputedRows | NothingToDo>

export interface NothingToDo {
  readonly status: 'skipped'
  readonly message: string
}

export interface ComputedRows {
  readonly status: 'computed'
  /** The table has each of them after the run. */
  readonly columns: readonly NestedField[]
  /** True when all rows are replaced, so that columns may be dropped or change their types. */
  readonly isReplaced: boolean
  /** Called with the model's table once it can take the columns. */
  changes(target: TargetTable): Promise<RowChanges | NothingToDo>
}

/** What the run's commit changes in the rows of the table. */
export interface RowChanges {
  readonly status: 'changed'
  /** A SELECT over the temporary tables: the rows of the new data files. */
  readonly select: string
  readonly removal: Pick<RowRemoval, 'removed'> & Partial<RowRemoval>
  /** What the model state records beside the run itself. */
  readonly state: Partial<Pick<ModelState, 'done' | 'history'>>
  /** The spans that this run computed. */
  readonly computed: readonly Span[]
  readonly message: string
  readonly rowsAffected: number
}
