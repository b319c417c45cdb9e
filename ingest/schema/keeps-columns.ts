/**
 * Whether rows that were read by one schema may be written by another: every column is still there under
 * its name. Columns that were added since do not matter to them; the values of a column that another
 * writer renamed or dropped would be lost without an error.
 */
import type { NestedField, Type } from '../../catalog/format/index.ts'

export function keepsColumns(
  before: readonly NestedField[],
  after: readonly NestedField[],
): boolean {
  return before.every((field) => {
    const now = after.find((candidate) => candidate.id === field.id)
    return now !== undefined && now.name === field.name && keepsType(field.type, now.type)
  })
}

function keepsType(before: Type, after: Type): boolean {
  if (before.type === 'struct') {
    return after.type === 'struct' && keepsColumns(before.fields, after.fields)
  }
  if (before.type === 'list') {
    return after.type === 'list' && keepsType(before.element, after.element)
  }
  if (before.type === 'map') return after.type === 'map' && keepsType(before.value, after.value)
  // Iceberg only widens a type, which holds every value of the narrower one.
  return true
}
