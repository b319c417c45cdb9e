/**
 * Accepts every usual form of time travel and leaves only DuckDB's, so that DuckDB's parser can
 * do the rest: `t FOR VERSION AS OF n [AS x]` (Trino, Spark) and `t AT (VERSION => n) AS x` both
 * become `t AS x AT (VERSION => n)`.
 */
import { splice, type Replacement, type SplicedText } from './spliced-text.ts'
import { isSymbol, isKeyword, type Token, type TokenizedText } from './tokens.ts'

/** Words that can follow a table reference, hence are no alias of it. */
const notAnAlias = new Set(
  `AT FOR WHERE GROUP HAVING WINDOW QUALIFY ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT ON USING
  JOIN INNER LEFT RIGHT FULL CROSS NATURAL ASOF POSITIONAL SEMI ANTI TABLESAMPLE SAMPLE PIVOT UNPIVOT
  PIVOT_WIDER PIVOT_LONGER SELECT FROM AND OR WITH LATERAL RETURNING SET`.split(/\s+/),
)

/** Rewrites the time travel clauses; text without any comes back as it is. */
export function rewriteTimeTravel({ text: sql, tokens }: TokenizedText): SplicedText {
  const replacements: Replacement[] = []
  for (let index = 0; index < tokens.length; index++) {
    const clause = readClause(tokens, index)
    if (clause === undefined) continue
    const alias = readAlias(tokens, clause.next)
    const first = tokens[index]
    const last = tokens[alias.next - 1]
    if (first === undefined || last === undefined) continue
    const moved = alias.next > clause.next
    if (clause.isDuckDB && !moved) continue
    const valueEnd = clause.isDuckDB ? clause.next - 1 : clause.next
    const value = sourceText(sql, tokens, clause.valueFrom, valueEnd)
    const aliasText = moved ? `${sourceText(sql, tokens, clause.next, alias.next)} ` : ''
    replacements.push({
      start: first.start,
      end: last.end,
      text: `${aliasText}AT (${clause.unit} => ${value})`,
    })
    index = alias.next - 1
  }
  return splice(sql, replacements)
}

/** A way to write the clause: the words around its unit, then a value that `end` measures. */
interface ClauseForm {
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** The index after the clause, whose first token is at `start` and whose value begins at `valueFrom`. */
  readonly end: (tokens: readonly Token[], start: number, valueFrom: number) => number | undefined
  /** True for DuckDB's own form, which stays as it is unless an alias follows it. */
  readonly isDuckDB: boolean
}

const forms: readonly ClauseForm[] = [
  {
    before: ['FOR'],
    after: ['AS', 'OF'],
    end: (tokens, _, valueFrom) => readSum(tokens, valueFrom),
    isDuckDB: false,
  },
  {
    before: ['AT', '('],
    after: ['=', '>'],
    end: (tokens, start) => closingParenthesis(tokens, start + 1),
    isDuckDB: true,
  },
]

interface Clause {
  readonly isDuckDB: boolean
  readonly unit: 'VERSION' | 'TIMESTAMP'
  /** Tokens [valueFrom, next) are the value, the closing parenthesis of AT included. */
  readonly valueFrom: number
  readonly next: number
}

function readClause(tokens: readonly Token[], index: number): Clause | undefined {
  for (const { before, after, end, isDuckDB } of forms) {
    if (!stand(tokens, index, before)) continue
    const unitAt = index + before.length
    const unit = timeTravelUnit(tokens[unitAt])
    if (unit === undefined || !stand(tokens, unitAt + 1, after)) continue
    const valueFrom = unitAt + 1 + after.length
    const next = end(tokens, index, valueFrom)
    if (next !== undefined) return { isDuckDB, unit, valueFrom, next }
  }
  return undefined
}

/** True when these keywords and symbols begin at `index`. */
function stand(tokens: readonly Token[], index: number, texts: readonly string[]): boolean {
  return texts.every(
    (text, at) => isKeyword(tokens[index + at], text) || isSymbol(tokens[index + at], text),
  )
}

function timeTravelUnit(token: Token | undefined): 'VERSION' | 'TIMESTAMP' | undefined {
  if (isKeyword(token, 'VERSION') || isKeyword(token, 'SYSTEM_VERSION')) return 'VERSION'
  if (isKeyword(token, 'TIMESTAMP') || isKeyword(token, 'SYSTEM_TIME')) return 'TIMESTAMP'
  return undefined
}

/** Terms joined by + and -; returns the index after them. */
function readSum(tokens: readonly Token[], index: number): number | undefined {
  let at = readTerm(tokens, index)
  while (at !== undefined && (isSymbol(tokens[at], '+') || isSymbol(tokens[at], '-'))) {
    at = readTerm(tokens, at + 1)
  }
  return at
}

function readTerm(tokens: readonly Token[], index: number): number | undefined {
  const token = tokens[index]
  if (token === undefined) return undefined
  let next = index + 1
  if (isSymbol(token, '(')) next = closingParenthesis(tokens, index) ?? tokens.length
  else if (token.kind === 'symbol') return undefined
  else if (token.kind === 'word' || token.kind === 'quoted') next = readWordTerm(tokens, index)
  if (isSymbol(tokens[next], ':') && isSymbol(tokens[next + 1], ':')) return next + 3
  return next
}

/** `DATE '…'`, `INTERVAL '1' DAY`, `now()`, `current_timestamp`. */
function readWordTerm(tokens: readonly Token[], index: number): number {
  const following = tokens[index + 1]
  if (isSymbol(following, '(')) return closingParenthesis(tokens, index + 1) ?? tokens.length
  const isLiteral = following?.kind === 'string' || following?.kind === 'number'
  if (isKeyword(tokens[index], 'INTERVAL')) {
    const unit = /^(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND|MILLISECOND|MICROSECOND)S?$/i
    const value = isSymbol(following, '(')
      ? (closingParenthesis(tokens, index + 1) ?? tokens.length)
      : index + 2
    return unit.test(tokens[value]?.text ?? '') ? value + 1 : value
  }
  return isLiteral ? index + 2 : index + 1
}

export function closingParenthesis(tokens: readonly Token[], open: number): number | undefined {
  let depth = 0
  for (let at = open; at < tokens.length; at++) {
    if (isSymbol(tokens[at], '(')) depth++
    if (isSymbol(tokens[at], ')') && --depth === 0) return at + 1
  }
  return undefined
}

/** `[AS] name [(columns)]` from `index` on; `next === index` when there is none. */
export function readAlias(tokens: readonly Token[], index: number): { readonly next: number } {
  const named = isKeyword(tokens[index], 'AS') ? index + 1 : index
  const token = tokens[named]
  const isName =
    token?.kind === 'quoted' ||
    (token?.kind === 'word' && (named > index || !notAnAlias.has(token.text.toUpperCase())))
  if (!isName) return { next: index }
  if (!isSymbol(tokens[named + 1], '(')) return { next: named + 1 }
  return { next: closingParenthesis(tokens, named + 1) ?? named + 1 }
}

function sourceText(sql: string, tokens: readonly Token[], from: number, to: number): string {
  const first = tokens[from]
  const last = tokens[to - 1]
  return first === undefined || last === undefined ? '' : sql.slice(first.start, last.end)
}
