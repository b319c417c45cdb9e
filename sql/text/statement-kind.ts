/** The few statements that DuckDB's parser does not recognise as we need: USE, SHOW NAMESPACES, EXPLAIN, CALL. */
import type { Namespace } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import { isSymbol, isKeyword, nameOf, type Token } from './tokens.ts'

export type StatementKind =
  | { readonly kind: 'use'; readonly namespace: Namespace }
  | { readonly kind: 'show-namespaces' }
  | { readonly kind: 'call' }
  /** `prefix`: length of an EXPLAIN in front of the query; 0 for none. */
  | { readonly kind: 'query'; readonly prefix: number }

export function statementKind(tokens: readonly Token[]): StatementKind {
  const [first, second, third] = tokens
  if (first === undefined) throw new ValidationError('there is no statement to run')
  if (isKeyword(first, 'USE')) return { kind: 'use', namespace: readNamespace(tokens.slice(1)) }
  if (isKeyword(first, 'CALL')) return { kind: 'call' }
  if (isKeyword(first, 'SHOW') && third === undefined) {
    const isNamespaces = ['SCHEMAS', 'NAMESPACES', 'DATABASES'].some((word) =>
      isKeyword(second, word),
    )
    if (isNamespaces) return { kind: 'show-namespaces' }
  }
  if (isKeyword(first, 'EXPLAIN')) return { kind: 'query', prefix: explainLength(tokens) }
  return { kind: 'query', prefix: 0 }
}

/** `EXPLAIN [ANALYZE] [(options)]`. */
function explainLength(tokens: readonly Token[]): number {
  let at = isKeyword(tokens[1], 'ANALYZE') || isKeyword(tokens[1], 'ANALYSE') ? 2 : 1
  // Options are words; `EXPLAIN (SELECT 1)` is a query in parentheses.
  const isOptions = isSymbol(tokens[at], '(') && isExplainOption(tokens[at + 1])
  if (isOptions) {
    while (at < tokens.length && !isSymbol(tokens[at], ')')) at++
    at++
  }
  return tokens[at]?.start ?? tokens.at(-1)?.end ?? 0
}

function isExplainOption(token: Token | undefined): boolean {
  return isKeyword(token, 'FORMAT') || isKeyword(token, 'ANALYZE') || isKeyword(token, 'ANALYSE')
}

function readNamespace(tokens: readonly Token[]): Namespace {
  const levels: string[] = []
  for (const [index, token] of tokens.entries()) {
    const isName = token.kind === 'word' || token.kind === 'quoted'
    const fits = index % 2 === 0 ? isName : isSymbol(token, '.')
    if (!fits) throw new ValidationError('expected USE namespace')
    if (isName) levels.push(nameOf(token))
  }
  if (levels.length === 0 || tokens.length % 2 === 0) {
    throw new ValidationError('expected USE namespace')
  }
  return levels
}
