/** Completion of keywords, tables and columns at the end of a line. */
import { currentSchema, formatIdentifier } from '../../catalog/format/index.ts'
import type { Catalog } from '../../catalog/index.ts'
import { catalogTables } from '../bind/name-resolution.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import { dotCommandNames } from './dot-commands.ts'

const keywords =
  `SELECT FROM WHERE GROUP BY ORDER LIMIT HAVING JOIN LEFT INNER ON USING AS AND OR NOT NULL IN BETWEEN
  LIKE COUNT SUM AVG MIN MAX DISTINCT WITH UNION ALL DESCRIBE SUMMARIZE EXPLAIN SHOW TABLES USE
  VERSION TIMESTAMP AT FOR OF CASE WHEN THEN ELSE END CAST DATE INTERVAL`.split(/\s+/)

/** Words that fit what was typed, and the part of the line they replace. */
export interface Completion {
  readonly candidates: readonly string[]
  readonly replaced: string
}

/** Loads names once for each shell; columns of the tables that the line names. */
export function completer(catalog: Catalog): (line: string) => Promise<Completion> {
  let tables: Promise<readonly string[]> | undefined
  const columns = new Map<string, Promise<readonly string[]>>()
  const columnsOf = (table: string): Promise<readonly string[]> => {
    const names = columns.get(table) ?? loadColumns(catalog, table)
    columns.set(table, names)
    return names
  }
  return async (line) => {
    const replaced = /[\w."$]*$/.exec(line)?.[0] ?? ''
    if (line.trimStart().startsWith('.')) {
      const typed = line.trimStart()
      return {
        candidates: dotCommandNames.filter((name) => name.startsWith(typed)),
        replaced: typed,
      }
    }
    tables ??= catalogTables(catalog).then((identifiers) => identifiers.map(formatIdentifier))
    const tableNames = await tables.catch(() => [])
    const named = tableNames.filter((table) => line.includes(table))
    const fields = (await Promise.all(named.map(columnsOf))).flat()
    const typed = replaced.toLowerCase()
    const candidates = [...fields, ...tableNames, ...keywords].filter(
      (word) => typed !== '' && word.toLowerCase().startsWith(typed),
    )
    return { candidates: [...new Set(candidates)], replaced }
  }
}

async function loadColumns(catalog: Catalog, table: string): Promise<readonly string[]> {
  const parts = table.split('.')
  const identifier = { namespace: parts.slice(0, -1), name: parts.at(-1) ?? '' }
  try {
    const { metadata } = await catalog.loadTable(identifier)
    return currentSchema(metadata).fields.map(({ name }) =>
      /^[a-z_][a-z0-9_]*$/i.test(name) ? name : quoteIdentifier(name),
    )
  } catch {
    // Completion is a convenience: what cannot be loaded is not offered.
    return []
  }
}
