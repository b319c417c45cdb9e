/**
 * Each table reference of a query becomes a view in a throw-away DuckDB catalog of its own, under
 * the very name that the query uses, so that aliases and qualified columns keep their meaning; only
 * the catalog's name is spliced into the query's text.
 */
import { CorruptDataError } from '../../common/index.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import type { RelationDefinition, Statement } from '../session/query-session.ts'
import { splice, utf16Position, type Replacement, type SplicedText } from '../text/spliced-text.ts'
import type { TableReference } from '../bind/table-references.ts'
import { closingParenthesis, readAlias } from '../text/time-travel-syntax.ts'
import { isSymbol, isKeyword, type TokenizedText } from '../text/tokens.ts'

/** A reference and the relation that replaces it: a SELECT, or statements that fill a table. */
export interface Relation {
  readonly reference: TableReference
  readonly catalogName: string
  /** True for a reference in the query of a view, not in the user's query. */
  readonly isInner?: true
  /** Statements that make the relation `name` (quoted and qualified). */
  readonly make: (name: string) => readonly Statement[]
}

const catalogPrefix = '__tide_'

/** Names of throw-away catalogs, never the same twice in one process. */
export function catalogNames(): () => string {
  let last = 0
  return () => `${catalogPrefix}${++last}`
}

/** The relations as a session makes them. */
export function relationDefinitions(relations: readonly Relation[]): readonly RelationDefinition[] {
  return relations.map(({ reference, catalogName, make }) => ({
    catalogName,
    schemaName: nameParts(reference).schema,
    statements: make(qualifiedName(reference, catalogName)),
  }))
}

/** The query's text with each reference pointing at its relation, time travel clauses taken out. */
export function pointAtRelations(
  { text: source, tokens }: TokenizedText,
  relations: readonly Relation[],
): SplicedText {
  const replacements: Replacement[] = []
  for (const { reference, catalogName } of relations) {
    const position = utf16Position(source, reference.bytePosition)
    const first = tokens.findIndex((token) => token.start === position)
    const last = first + 2 * (reference.parts.length - 1)
    const [start, end] = [tokens[first]?.start, tokens[last]?.end]
    if (start === undefined || end === undefined) {
      throw new CorruptDataError('cannot find a table reference in the text of the query', {
        facts: { table: reference.parts.join('.'), position },
      })
    }
    replacements.push({ start, end, text: qualifiedName(reference, catalogName) })
    if (reference.timeTravel === undefined) continue
    const clause = readAlias(tokens, last + 1).next
    const isClause = isKeyword(tokens[clause], 'AT') && isSymbol(tokens[clause + 1], '(')
    const clauseEnd = isClause ? closingParenthesis(tokens, clause + 1) : undefined
    const [from, to] = [tokens[clause]?.start, tokens[(clauseEnd ?? 0) - 1]?.end]
    if (from === undefined || to === undefined) {
      throw new CorruptDataError('cannot find a time travel clause in the text of the query', {
        facts: { table: reference.parts.join('.') },
      })
    }
    replacements.push({ start: from, end: to, text: '' })
  }
  return splice(source, replacements)
}

/** Removes the names of throw-away catalogs from DuckDB's messages. */
export function withoutCatalogNames(message: string): string {
  return message.replaceAll(/"?__tide_\d+"?\./g, '')
}

function qualifiedName(reference: TableReference, catalogName: string): string {
  const { schema, name } = nameParts(reference)
  return [catalogName, schema, name].map(quoteIdentifier).join('.')
}

function nameParts(reference: TableReference): { readonly schema: string; readonly name: string } {
  const name = reference.parts.at(-1) ?? ''
  return { schema: reference.parts.at(-2) ?? 'main', name }
}
