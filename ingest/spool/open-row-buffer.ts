import { ColumnarRows } from './columnar-rows.ts'
import type { RowBuffer, RowFormat } from './row-buffer.ts'
import { TextRows } from './text-rows.ts'

/** `ColumnarRows` where the format has a layout of columns, else `TextRows`. */
export function openRowBuffer({ layout, placeKeys }: RowFormat): RowBuffer {
  return layout === undefined ? new TextRows(placeKeys) : new ColumnarRows(layout)
}
