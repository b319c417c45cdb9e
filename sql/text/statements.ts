/** Cuts a script into statements, for `-c`, files, standard input and the shell. */
import { isSymbol, tokenize } from './tokens.ts'

export interface SplitScript {
  /** Complete statements without their semicolons; empty ones are left out. */
  readonly statements: readonly string[]
  /** What follows the last semicolon, comments included; empty when there is no token in it. */
  readonly rest: string
}

/** Splits at semicolons that stand outside strings, quoted names and comments. */
export function splitStatements(script: string): SplitScript {
  const { tokens, unfinishedAt } = tokenize(script)
  const statements: string[] = []
  let start = 0
  let hasToken = false
  for (const token of tokens) {
    if (!isSymbol(token, ';')) {
      hasToken = true
      continue
    }
    if (hasToken) statements.push(script.slice(start, token.start).trim())
    start = token.end
    hasToken = false
  }
  const open = hasToken || unfinishedAt !== undefined
  return { statements, rest: open ? script.slice(start).trim() : '' }
}
