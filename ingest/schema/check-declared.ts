import {
  currentSchema,
  formatType,
  type NestedField,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import { SettingsError } from '../../common/index.ts'

/** Every column that the format itself declares must stand in the table with the declared type. */
export function checkDeclared(metadata: TableMetadata, fields: readonly NestedField[]): void {
  const columns = new Map(currentSchema(metadata).fields.map((field) => [field.name, field]))
  for (const field of fields) {
    const declared = formatType(field.type)
    const column = columns.get(field.name)
    const actual = column === undefined ? 'no such column' : formatType(column.type)
    if (actual === declared) continue
    throw new SettingsError(
      'the columns that schema declares and the table disagree; change the declaration or the table, or write to a new table',
      {
        facts: {
          table: metadata.location,
          field: field.name,
          declared,
          actual,
        },
      },
    )
  }
}
