/**
 * Whether rows hold a -0.0. DuckDB 1.5.5 takes it for 0.0 when it makes a dictionary of a column, and writes
 * the one of the two that came first: such rows are written again without dictionaries.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { NestedField, Type } from '../../catalog/format/index.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'
import { holdsType } from './column-sql.ts'

/** `fields` are columns of the relation. */
export async function holdsNegativeZero(
  connection: DuckDBConnection,
  relation: string,
  fields: readonly NestedField[],
): Promise<boolean> {
  const conditions = fields
    .filter(({ type }) => holdsFloats(type))
    .map(({ name, type }) => condition(quoteIdentifier(name), type, 0))
  if (conditions.length === 0) return false
  const first = await connection.runAndReadAll(
    `SELECT 1 FROM ${relation} WHERE ${conditions.join(' OR ')} LIMIT 1`,
  )
  return first.currentRowCount > 0
}

function holdsFloats(type: Type): boolean {
  return holdsType(type, 'float') || holdsType(type, 'double')
}

/** True, or NULL, for a value of `type` with a -0.0 in it. */
function condition(sql: string, type: Type, depth: number): string {
  const item = `z${depth}`
  switch (type.type) {
    case 'float':
    case 'double':
      return `(${sql} = 0 AND signbit(${sql}))`
    case 'struct': {
      const members = type.fields.filter((field) => holdsFloats(field.type))
      const each = members.map((field) =>
        condition(`struct_extract(${sql}, ${quoteLiteral(field.name)})`, field.type, depth),
      )
      return `(${each.join(' OR ')})`
    }
    case 'list':
      return anyOf(sql, item, condition(item, type.element, depth + 1))
    case 'map': {
      const parts: string[] = []
      if (holdsFloats(type.key)) {
        parts.push(anyOf(`map_keys(${sql})`, item, condition(item, type.key, depth + 1)))
      }
      if (holdsFloats(type.value)) {
        parts.push(anyOf(`map_values(${sql})`, item, condition(item, type.value, depth + 1)))
      }
      return `(${parts.join(' OR ')})`
    }
    default:
      return 'false'
  }
}

function anyOf(list: string, item: string, holds: string): string {
  return `(len(list_filter(${list}, lambda ${item}: ${holds})) > 0)`
}
