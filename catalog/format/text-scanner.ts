/** Scans the small grammars that users write: column types and partition terms. */
import { ValidationError } from '../../common/index.ts'

const wordPattern = /[\p{L}_][\p{L}\p{N}_]*/uy
const quotedPattern = /"((?:[^"]|"")*)"|`((?:[^`]|``)*)`/y

export class TextScanner {
  readonly text: string
  readonly #what: string
  readonly #hint: string
  #at = 0

  /** For messages: `what` the text should be, such as `a type`, and a `hint` at how to write it. */
  constructor(text: string, what: string, hint = '') {
    this.text = text
    this.#what = what
    this.#hint = hint === '' ? '' : `; ${hint}`
  }

  /** The text that is still to be read, without leading spaces. */
  get rest(): string {
    this.#skipSpace()
    return this.text.slice(this.#at)
  }

  get isAtEnd(): boolean {
    return this.rest === ''
  }

  /** Takes `symbol` if it comes next. */
  take(symbol: string): boolean {
    if (!this.rest.startsWith(symbol)) return false
    this.#at += symbol.length
    return true
  }

  expect(symbol: string): void {
    if (this.take(symbol)) return
    const before = this.isAtEnd ? 'at the end' : `before "${this.rest}"`
    this.fail(`"${symbol}" is missing ${before}`)
  }

  expectEnd(): void {
    if (!this.isAtEnd) this.fail(`"${this.rest}" is left over`)
  }

  /** A bare word, if one comes next. */
  word(): string | undefined {
    return this.match(wordPattern)?.[0]
  }

  /** A name in double quotes or backticks, if one comes next; the quote inside it is doubled. */
  quotedName(): string | undefined {
    const result = this.match(quotedPattern)
    if (result === undefined) return undefined
    const name = result[1]?.replaceAll('""', '"') ?? result[2]?.replaceAll('``', '`') ?? ''
    if (name === '') this.fail('a quoted name is empty')
    return name
  }

  /** Takes what the sticky `pattern` matches next, if it does. */
  match(pattern: RegExp): RegExpExecArray | undefined {
    this.#skipSpace()
    pattern.lastIndex = this.#at
    const result = pattern.exec(this.text)
    if (result === null) return undefined
    this.#at = pattern.lastIndex
    return result
  }

  fail(reason: string): never {
    const place = `character ${this.#at + 1}`
    throw new ValidationError(
      `not ${this.#what}: "${this.text}": ${reason} (${place})${this.#hint}`,
    )
  }

  #skipSpace(): void {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at++
  }
}

/** As `TextScanner` reads a name: bare where it is a word, else in double quotes. */
export function formatName(name: string): string {
  return isBareName(name) ? name : `"${name.replaceAll('"', '""')}"`
}

export function isBareName(text: string): boolean {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(text)
}
