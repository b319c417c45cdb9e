/** Quoting for SQL text that we put together: names and strings are hostile until quoted. */

/** `a"b` becomes `"a""b"`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `it's` becomes `'it''s'`. DuckDB's plain strings know no backslash escapes. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
