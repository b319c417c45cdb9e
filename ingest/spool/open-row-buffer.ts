import { ColumnarRows } from './columnar-rows.ts'
import type { RowBuffer, RowFormat } from './row-buffer.ts'
import { TextRows } from './text-rows.ts'

/** `ColumnarRows` where the format has a layout of columns, else `TextRows`. */
export function openRowBuffer({ layout, coordinateKeys }: RowFormat): RowBuffer {
  return layout === undefined ? new TextRows(coordinateKeys) : new ColumnarRows(layout)
}
