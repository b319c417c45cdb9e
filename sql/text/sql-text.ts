/** Quoting for SQL text that we put together: names and strings are hostile until quoted. */
import type { TableIdentifier } from '../../catalog/format/index.ts'

/** `a"b` becomes `"a""b"`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A table's name in a query; the levels of its namespace are one name with dots (bind/name-resolution). */
export function quoteTable({ namespace, name }: TableIdentifier): string {
  return [namespace.join('.'), name].map(quoteIdentifier).join('.')
}

/** `it's` becomes `'it''s'`. DuckDB's plain strings know no backslash escapes. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
