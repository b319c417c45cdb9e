import {
  currentSchema,
  formatIdentifier,
  formatType,
  type NestedField,
} from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { SettingsError } from '../../common/index.ts'

/** Every declared column must stand in the table with the declared type. */
export function checkDeclared(table: Table, fields: readonly NestedField[]): void {
  const columns = new Map(currentSchema(table.metadata).fields.map((field) => [field.name, field]))
  for (const field of fields) {
    const declared = formatType(field.type)
    const column = columns.get(field.name)
    const actual = column === undefined ? 'no such column' : formatType(column.type)
    if (actual === declared) continue
    throw new SettingsError(
      'the columns that schema declares and the table disagree; change the declaration or the table, or write to a new table',
      {
        facts: {
          table: formatIdentifier(table.identifier),
          field: field.name,
          declared,
          actual,
        },
      },
    )
  }
}
