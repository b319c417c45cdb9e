/** Names that stand for a query over tables of the catalog, such as models with `lambda: true`. */
import type { LiveRows, Table } from '../../catalog/index.ts'
import type { TableIdentifier } from '../../common/index.ts'

export interface ViewSource {
  /** The query that `identifier` stands for, over plain tables; undefined where it is a table itself. */
  viewOf(identifier: TableIdentifier, state: ViewState): Promise<string | undefined>
}

/** The state of the lake that the view's query will read, whatever is committed meanwhile. */
export interface ViewState {
  load(identifier: TableIdentifier): Promise<Table | undefined>
  liveRows(table: Table): Promise<LiveRows | undefined>
}
