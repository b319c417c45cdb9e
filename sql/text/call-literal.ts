/** Literals in the arguments of CALL, with exact values: strings, numbers, times, lists and maps. */
import { parseDate, parseTimestamp } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import { renderPosition } from './query-error.ts'
import { isSymbol, isKeyword, textOfString, type Token } from './tokens.ts'

/** A literal and where it stands. */
export type CallLiteral = { readonly start: number } & (
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'string'; readonly text: string }
  /** As written, with its sign and without underscores. */
  | { readonly kind: 'number'; readonly text: string }
  /** Microseconds since 1970, in UTC where the text has no zone. */
  | { readonly kind: 'timestamp'; readonly micros: bigint }
  | { readonly kind: 'list'; readonly items: readonly CallLiteral[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [CallLiteral, CallLiteral])[] }
)

const microsPerDay = 86_400_000_000n
const timeTypes = ['TIMESTAMP', 'TIMESTAMPTZ', 'DATE'] as const

/** Reads a statement from left to right. */
export class CallLiteralReader {
  readonly #sql: string
  readonly #tokens: readonly Token[]
  #at: number

  constructor(sql: string, tokens: readonly Token[], at: number) {
    this.#sql = sql
    this.#tokens = tokens
    this.#at = at
  }

  /** Position of the next token. */
  get start(): number {
    return this.#tokens[this.#at]?.start ?? this.#sql.length
  }

  /** The token `count` after the next one. */
  ahead(count: number): Token | undefined {
    return this.#tokens[this.#at + count]
  }

  error(message: string, start = this.start): ValidationError {
    return new ValidationError(`${message}${renderPosition(this.#sql, start)}`)
  }

  /** True, and past it, when the next token is `symbol`. */
  takes(symbol: string): boolean {
    const isNext = isSymbol(this.ahead(0), symbol)
    if (isNext) this.#at++
    return isNext
  }

  expect(symbol: string): void {
    if (!this.takes(symbol)) throw this.error(`expected ${symbol}`)
  }

  expectEnd(): void {
    if (this.ahead(0) !== undefined) throw this.error('expected the end of the statement')
  }

  name(): Token {
    const token = this.ahead(0)
    if (token?.kind !== 'word' && token?.kind !== 'quoted') throw this.error('expected a name')
    this.#at++
    return token
  }

  literal(): CallLiteral {
    const { start } = this
    const token = this.ahead(0)
    if (token?.kind === 'string') return { start, kind: 'string', text: this.#string() }
    if (token?.kind === 'word') return this.#word(token, start)
    if (this.takes('[')) return { start, kind: 'list', items: this.#items(']') }
    if (token?.kind === 'number') return this.#number(start, '')
    if (isSymbol(token, '-') || isSymbol(token, '+')) {
      this.#at++
      return this.#number(start, isSymbol(token, '-') ? '-' : '')
    }
    if (token?.kind === 'quoted') throw this.error('a string stands in single quotes', start)
    throw this.#notLiteral(start)
  }

  #word(token: Token, start: number): CallLiteral {
    this.#at++
    if (isKeyword(token, 'NULL')) return { start, kind: 'null' }
    if (isKeyword(token, 'TRUE') || isKeyword(token, 'FALSE')) {
      return { start, kind: 'boolean', value: isKeyword(token, 'TRUE') }
    }
    const timeType = timeTypes.find((word) => isKeyword(token, word))
    if (timeType !== undefined && this.ahead(0)?.kind === 'string') {
      return { start, kind: 'timestamp', micros: this.#timestamp(timeType) }
    }
    if (isKeyword(token, 'ARRAY')) {
      if (this.takes('(')) return { start, kind: 'list', items: this.#items(')') }
      if (this.takes('[')) return { start, kind: 'list', items: this.#items(']') }
    }
    if (isKeyword(token, 'MAP')) {
      if (this.takes('(')) return { start, kind: 'map', entries: this.#pairs(start) }
      if (this.takes('{')) return { start, kind: 'map', entries: this.#members() }
    }
    throw this.#notLiteral(start)
  }

  #string(): string {
    const token = this.ahead(0)
    const text = token?.kind === 'string' ? textOfString(token) : undefined
    if (text === undefined) throw this.error("expected a string such as 'db.t'")
    this.#at++
    return text
  }

  #number(start: number, sign: string): CallLiteral {
    const token = this.ahead(0)
    if (token?.kind !== 'number') throw this.#notLiteral(start)
    this.#at++
    return { start, kind: 'number', text: sign + token.text.replaceAll('_', '') }
  }

  #timestamp(type: (typeof timeTypes)[number]): bigint {
    const { start } = this
    const text = this.#string().trim()
    const days = parseDate(text)
    if (days !== undefined) return BigInt(days) * microsPerDay
    const micros = parseTimestamp(text, false) ?? parseTimestamp(text, true)
    if (type !== 'DATE' && micros !== undefined) return micros
    throw this.error(
      `expected a ${type === 'DATE' ? 'date such as 2026-01-31' : 'time such as 2026-01-31 12:00:00, in UTC, or with a zone such as +02:00'}`,
      start,
    )
  }

  #items(close: string): readonly CallLiteral[] {
    const items: CallLiteral[] = []
    while (!this.takes(close)) {
      if (items.length > 0) this.expect(',')
      items.push(this.literal())
    }
    return items
  }

  /** `'key', 'value', ...)` of Spark's map function. */
  #pairs(start: number): readonly (readonly [CallLiteral, CallLiteral])[] {
    const items = this.#items(')')
    const entries: [CallLiteral, CallLiteral][] = []
    for (let at = 0; at < items.length; at += 2) {
      const [key, value] = items.slice(at, at + 2)
      if (key === undefined || value === undefined) {
        throw this.error('map(...) takes keys and values in turn: a value is missing', start)
      }
      entries.push([key, value])
    }
    return entries
  }

  /** `'key': 'value', ...}` of DuckDB's map. */
  #members(): readonly (readonly [CallLiteral, CallLiteral])[] {
    const entries: [CallLiteral, CallLiteral][] = []
    while (!this.takes('}')) {
      if (entries.length > 0) this.expect(',')
      const key = this.literal()
      this.expect(':')
      entries.push([key, this.literal()])
    }
    return entries
  }

  #notLiteral(start: number): ValidationError {
    return this.error(
      "expected a literal: 'text', 1, true, NULL, TIMESTAMP '2026-01-31 12:00:00', ARRAY(1, 2) or MAP('key', 'value')",
      start,
    )
  }
}
