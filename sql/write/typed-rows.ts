/** The query that reads spooled rows as the columns of a table. */
import type { NestedField } from '../../catalog/format/index.ts'
import type { RowSpool, WriteDataFilesRequest } from '../../catalog/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { columnsList, jsonColumns, selectList } from './column-sql.ts'

type RowShape = Pick<WriteDataFilesRequest, 'schema' | 'sideFields'>

/** `extraItems` are computed over the schema's columns. */
export function typedRows(
  spools: readonly RowSpool[],
  shape: RowShape,
  extraItems: readonly string[],
): string {
  const extra = extraItems.map((item) => `, ${item}`).join('')
  const parts = [...groupByColumns(spools)].map(([, group]) =>
    group[0]?.columns === undefined
      ? `SELECT ${selectList(shape.schema.fields, shape.sideFields).join(', ')} FROM ${readJson(group, shape)}`
      : `SELECT ${columnsList(shape.schema.fields, shape.sideFields, group[0].columns).join(', ')} FROM ${readColumns(group)}`,
  )
  return `SELECT *${extra} FROM (${parts.join(' UNION ALL ')})`
}

/** Spools before and after the schema changed have different columns, or hold them in different types. */
function groupByColumns(spools: readonly RowSpool[]): ReadonlyMap<string, readonly RowSpool[]> {
  const groups = new Map<string, RowSpool[]>()
  for (const spool of spools) {
    const key = JSON.stringify([spool.columns, spool.layout])
    groups.set(key, [...(groups.get(key) ?? []), spool])
  }
  return groups
}

function readColumns(spools: readonly RowSpool[]): string {
  return `read_parquet([${spools.map((spool) => quoteLiteral(spool.path)).join(', ')}])`
}

function readJson(spools: readonly RowSpool[], { schema, sideFields }: RowShape): string {
  const sideNames = new Set(sideFields.map((side) => side.field))
  const jsonFields: NestedField[] = schema.fields.filter((field) => !sideNames.has(field.name))
  const paths = spools.map((spool) => quoteLiteral(spool.path)).join(', ')
  const rowBytesMax = spools.reduce((max, spool) => Math.max(max, spool.rowBytesMax), 0)
  const options = [
    `columns = ${jsonColumns(jsonFields, sideFields)}`,
    `format = 'newline_delimited'`,
    `records = true`,
    // The reader allocates twice this for each thread.
    `maximum_object_size = ${Math.max(1 << 20, rowBytesMax + 1024)}`,
  ]
  return `read_json([${paths}], ${options.join(', ')})`
}
