/**
 * The lexical level of SQL, as DuckDB's own lexer has it: enough to find where statements end and
 * where a name, a string or a comment begins, and nothing of grammar (that is DuckDB's parser's).
 */

export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'parameter' | 'symbol'

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  /** UTF-16 index of the first character. */
  readonly start: number
  readonly end: number
}

export interface Tokens {
  readonly tokens: readonly Token[]
  /** Where an unfinished string, quoted name or comment begins: the text needs more lines. */
  readonly unfinishedAt: number | undefined
}

export interface TokenizedText {
  readonly text: string
  readonly tokens: readonly Token[]
}

const wordStart = /[A-Za-z_\u0080-\uffff]/
const wordPart = /[\w$\u0080-\uffff]/
const space = /[\s\u00a0]/

/** Cuts `text` into tokens; white space and comments are left out. */
export function tokenize(text: string): Tokens {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const start = at
    const char = text.charAt(at)
    if (space.test(char)) {
      at++
      continue
    }
    if (text.startsWith('--', at)) {
      at = lineEnd(text, at)
      continue
    }
    const span = text.startsWith('/*', at)
      ? { kind: undefined, end: blockCommentEnd(text, at) }
      : readToken(text, at)
    if (span.end === undefined) return { tokens, unfinishedAt: start }
    if (span.kind !== undefined) {
      tokens.push({ kind: span.kind, text: text.slice(start, span.end), start, end: span.end })
    }
    at = span.end
  }
  return { tokens, unfinishedAt: undefined }
}

/** A whole text with its tokens; what is unfinished at its end is left to DuckDB's parser. */
export function tokenizedText(text: string): TokenizedText {
  return { text, tokens: tokenize(text).tokens }
}

/** True for the unquoted word `word`, in any case. */
export function isKeyword(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === word
}

export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === 'symbol' && token.text === symbol
}

/** The name that a word or a quoted name stands for. */
export function nameOf(token: Token): string {
  return token.kind === 'quoted' ? token.text.slice(1, -1).replaceAll('""', '"') : token.text
}

/** The text that `'…'` or `$$…$$` stands for; undefined for strings with escapes or of bytes. */
export function textOfString(token: Token): string | undefined {
  if (token.text.startsWith("'")) return token.text.slice(1, -1).replaceAll("''", "'")
  const tag = /^\$[^$]*\$/.exec(token.text)?.[0].length
  return tag === undefined ? undefined : token.text.slice(tag, -tag)
}

interface TokenSpan {
  readonly kind: TokenKind | undefined
  /** Undefined: the text ends inside the token. */
  readonly end: number | undefined
}

function readToken(text: string, at: number): TokenSpan {
  const char = text.charAt(at)
  if (char === "'") return { kind: 'string', end: quotedEnd(text, at, "'", false) }
  if (char === '"') return { kind: 'quoted', end: quotedEnd(text, at, '"', false) }
  if (/[eE]/.test(char) && text.charAt(at + 1) === "'") {
    return { kind: 'string', end: quotedEnd(text, at + 1, "'", true) }
  }
  if (/[xXbB]/.test(char) && text.charAt(at + 1) === "'") {
    return { kind: 'string', end: quotedEnd(text, at + 1, "'", false) }
  }
  if (char === '$') return readDollar(text, at)
  if (wordStart.test(char)) return { kind: 'word', end: runEnd(text, at, wordPart) }
  if (/\d/.test(char) || (char === '.' && /\d/.test(text.charAt(at + 1)))) {
    return { kind: 'number', end: numberEnd(text, at) }
  }
  return { kind: 'symbol', end: at + 1 }
}

/** `$1`, `$name` (a parameter) or `$tag$ … $tag$` (a string). */
function readDollar(text: string, at: number): TokenSpan {
  const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(text.slice(at, at + 130))
  if (tag !== null) {
    const close = text.indexOf(tag[0], at + tag[0].length)
    return { kind: 'string', end: close < 0 ? undefined : close + tag[0].length }
  }
  const end = runEnd(text, at + 1, wordPart)
  return end === at + 1 ? { kind: 'symbol', end } : { kind: 'parameter', end }
}

function quotedEnd(
  text: string,
  open: number,
  quote: string,
  backslash: boolean,
): number | undefined {
  for (let at = open + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (backslash && char === '\\') at++
    else if (char === quote) {
      if (text.charAt(at + 1) !== quote) return at + 1
      at++
    }
  }
  return undefined
}

/** Block comments nest, as in PostgreSQL. */
function blockCommentEnd(text: string, open: number): number | undefined {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text.startsWith('/*', at)) {
      depth++
      at++
    } else if (text.startsWith('*/', at)) {
      depth--
      at++
      if (depth === 0) return at + 1
    }
  }
  return undefined
}

function numberEnd(text: string, at: number): number {
  const match = /^(?:0[xX][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.[\d_]+)(?:[eE][+-]?\d+)?)/.exec(
    text.slice(at, at + 400),
  )
  return at + (match?.[0].length ?? 1)
}

function runEnd(text: string, at: number, part: RegExp): number {
  let end = at
  while (end < text.length && part.test(text.charAt(end))) end++
  return end
}

function lineEnd(text: string, at: number): number {
  const newline = text.indexOf('\n', at)
  return newline < 0 ? text.length : newline + 1
}
