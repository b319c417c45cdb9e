/** Parses DuckDB's name of a type, as the columns of a result have it, into its parts. */

export type ColumnType =
  | { readonly kind: 'plain'; readonly name: string }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'list'; readonly item: ColumnType }
  | { readonly kind: 'array'; readonly item: ColumnType; readonly length: number }
  | { readonly kind: 'struct'; readonly members: readonly StructMember[] }
  | { readonly kind: 'map'; readonly key: ColumnType; readonly value: ColumnType }

export interface StructMember {
  readonly name: string
  readonly type: ColumnType
}

/** Parses `STRUCT("a b" INTEGER, "c" MAP(VARCHAR, DATE)[])` and the like; any other type is plain. */
export function parseColumnType(text: string): ColumnType {
  return new TypeReader(text).type()
}

class TypeReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  type(): ColumnType {
    let type = this.#base()
    for (;;) {
      const [suffix, length] = this.#match(/\[(\d*)\]/y) ?? []
      if (suffix === undefined) return type
      type =
        length === undefined || length === ''
          ? { kind: 'list', item: type }
          : { kind: 'array', item: type, length: Number(length) }
    }
  }

  #base(): ColumnType {
    const [name = ''] = this.#match(/[^(),[\]"']+/y) ?? []
    if (!this.#eat('(')) return { kind: 'plain', name: name.trim() }
    if (name === 'STRUCT') return { kind: 'struct', members: this.#members() }
    if (name === 'MAP') {
      const key = this.type()
      this.#match(/,\s*/y)
      const value = this.type()
      this.#eat(')')
      return { kind: 'map', key, value }
    }
    if (name === 'DECIMAL') {
      const [, precision, scale] = this.#match(/(\d+),\s*(\d+)\)/y) ?? []
      return { kind: 'decimal', precision: Number(precision), scale: Number(scale) }
    }
    this.#skipParentheses()
    return { kind: 'plain', name }
  }

  #members(): readonly StructMember[] {
    const members: StructMember[] = []
    while (!this.#eat(')') && this.#at < this.#text.length) {
      const [, quoted, bare = ''] = this.#match(/(?:"((?:[^"]|"")*)"|([^\s"]+))\s+/y) ?? []
      members.push({ name: quoted?.replaceAll('""', '"') ?? bare, type: this.type() })
      this.#match(/,\s*/y)
    }
    return members
  }

  /** `ENUM('a', 'b)')` and others whose parts do not matter. */
  #skipParentheses(): void {
    for (let depth = 1; depth > 0 && this.#at < this.#text.length; ) {
      const [part = ''] = this.#match(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[()]|[^()"']+|["']/y) ?? []
      if (part === '(') depth++
      if (part === ')') depth--
    }
  }

  #eat(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match
  }
}
