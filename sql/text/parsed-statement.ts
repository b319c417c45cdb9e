/**
 * One statement read once: what kind it is, and the text that DuckDB is given for it with its tokens.
 * Nothing behind it reads the text again.
 */
import { fillPlaceholders, type ParameterValues } from './placeholders.ts'
import type { SplicedText } from './spliced-text.ts'
import { statementKind, type StatementKind } from './statement-kind.ts'
import { rewriteTimeTravel } from './time-travel-syntax.ts'
import { type TokenizedText, tokenizedText } from './tokens.ts'

export interface ParsedStatement {
  /** As the user wrote it. */
  readonly original: TokenizedText
  readonly kind: StatementKind
  /** With placeholders filled and time travel in DuckDB's syntax. */
  readonly source: SplicedText & TokenizedText
  /** Of the placeholders, for the prepared statement. */
  readonly values: ParameterValues
}

/** Throws ValidationError for a parameter that no placeholder takes, and where there is no statement. */
export function parseStatement(
  sql: string,
  parameters: Readonly<Record<string, string>> = {},
): ParsedStatement {
  const original = tokenizedText(sql)
  const filled = fillPlaceholders(original, parameters)
  const kind = statementKind(original.tokens)
  const withValues = retokenized(original, filled)
  const rewritten = rewriteTimeTravel(withValues)
  return {
    original,
    kind,
    source: {
      ...retokenized(withValues, rewritten),
      originalPosition: (at) => filled.originalPosition(rewritten.originalPosition(at)),
    },
    values: filled.values,
  }
}

/** Most statements are not changed by a step, and keep their tokens. */
function retokenized(before: TokenizedText, { text }: SplicedText): TokenizedText {
  return text === before.text ? before : tokenizedText(text)
}
