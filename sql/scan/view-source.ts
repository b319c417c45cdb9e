/** Names that stand for a query over tables of the catalog, such as models with `lambda: true`. */
import type { Table } from '../../catalog/index.ts'
import type { StreamingScan } from '../../catalog/scan/index.ts'
import type { TableIdentifier } from '../../catalog/format/index.ts'

export interface ViewSource {
  /** The query that `identifier` stands for, over plain tables; undefined when it is a table. */
  viewOf(identifier: TableIdentifier, state: ViewState): Promise<string | undefined>
}

/** The state of the lake that the view's query will read, whatever is committed in between. */
export interface ViewState {
  load(identifier: TableIdentifier): Promise<Table | undefined>
  streamingRows(table: Table): Promise<StreamingScan | undefined>
}
