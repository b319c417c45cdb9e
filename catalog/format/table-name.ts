/** `namespace.table` as text. */
import { SettingsError } from '../../common/index.ts'
import type { TableIdentifier } from './identifiers.ts'

/** `web.events` or `a.b.events`; names that break paths or other engines are refused. */
export function parseTableName(text: string): TableIdentifier {
  const parts = text.split('.')
  const name = parts.at(-1) ?? ''
  if (parts.length < 2) {
    throw new SettingsError(
      `"${text}" has no namespace: write namespace.table, such as web.${name}`,
    )
  }
  for (const part of parts) {
    if (!/^[\p{L}\p{N}_][\p{L}\p{N}_ -]{0,127}$/u.test(part)) {
      throw new SettingsError(
        `not a table name: "${text}" (letters, digits, "_" and "-", parts joined by ".")`,
      )
    }
  }
  return { namespace: parts.slice(0, -1), name }
}
