/**
 * A condition on one table, in SQL, as a filter of files (`--where` of maintenance).
 *
 * It chooses the files that may hold matching rows, so it may be weaker than the condition (Q3); a
 * condition from which no filter follows is refused, because it would select every file.
 */
import type { Schema } from '../../catalog/format/index.ts'
import type { Expression } from '../../catalog/scan/index.ts'
import { didYouMean, ValidationError } from '../../common/index.ts'
import type { Database } from '../session/database.ts'
import { columnFinder } from './column-finder.ts'
import { evaluateConstants } from './constants.ts'
import { pushdownFilter } from './filter-pushdown.ts'
import { openLocalSession } from '../session/local-session.ts'
import { parseQuery } from './syntax-tree.ts'
import { findReferences } from './table-references.ts'

/** Throws ValidationError naming what cannot be understood. */
export async function tableFilter(
  database: Database,
  schema: Schema,
  where: string,
): Promise<Expression> {
  const session = await openLocalSession({ database })
  try {
    const text = `SELECT * FROM t WHERE (${where}\n)`
    const tree = await parseQuery(session, { text, originalPosition: (at) => at }, text)
    const { columnNames, tables } = findReferences(tree)
    const [reference] = tables
    if (reference === undefined || tables.length > 1) {
      throw new ValidationError('a condition on one table reads no other', { facts: { where } })
    }
    const finder = columnFinder(reference, () => schema)
    for (const name of columnNames) checkColumn(schema, name, finder.mayBeColumn(name))
    await session.begin()
    const pending = pushdownFilter(reference.scope.conditions, finder, true)
    const filter = pending.complete(await evaluateConstants(session, pending.requests))
    if (filter !== undefined) return filter
    throw new ValidationError(
      'no file can be chosen by this condition: compare columns with constants (=, <, IN, BETWEEN, IS NULL)',
      { facts: { where } },
    )
  } finally {
    await session.close()
  }
}

/** Members of structs and `current_date` are names too; a name that is like a column's is a mistake. */
function checkColumn(schema: Schema, name: string, isColumn: boolean): void {
  if (isColumn) return
  const hint = didYouMean(
    name,
    schema.fields.map((field) => field.name),
  )
  if (hint === '') return
  throw new ValidationError(`the table has no column ${name}${hint}`)
}
