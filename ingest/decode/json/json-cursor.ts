/**
 * A cursor over the bytes of one JSON text (RFC 8259): its grammar, without building anything.
 *
 * A fault is thrown as one shared signal, so that leaving a deep recursion costs nothing; the reason is in
 * `fault`.
 */

/** Deeper nesting than this is refused: the scanner recurses. */
export const nestingDepthMax = 100

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const MINUS = 0x2d

/** 1: ends or interrupts a run of plain string bytes (quote, backslash, control, above ASCII). */
const stringStop = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH || byte >= 0x80 ? 1 : 0,
)

/**
 * For the row scanner, which takes them apart into constants of its own: an imported binding is not
 * folded into hot code, and costs three times the scan (bench/scan.ts).
 */
export const jsonBytes = {
  QUOTE,
  COMMA,
  COLON,
  OPEN_BRACE,
  CLOSE_BRACE,
  OPEN_BRACKET,
  CLOSE_BRACKET,
  MINUS,
  stringStop,
} as const

/** By first byte; any other begins a number. */
const kindNames: Readonly<Record<number, string>> = {
  [QUOTE]: 'a string',
  [OPEN_BRACE]: 'an object',
  [OPEN_BRACKET]: 'an array',
  0x74: 'a boolean',
  0x66: 'a boolean',
  0x6e: 'null',
}

/** Thrown inside one scan to leave the recursion; never escapes `scan`. */
export const faultSignal = new Error('fault')

/** Base of the row scanner: the grammar of JSON without a schema. */
export class JsonCursor {
  /** Why the last text was refused. */
  fault = ''
  data: Uint8Array = new Uint8Array(0)
  protected start = 0
  protected pos = 0
  protected end = 0
  protected sawNonAscii = false
  protected sawEscape = false
  /** Positions of raw line ends between tokens. */
  protected newlines: number[] = []

  protected byte(): number {
    return this.pos < this.end ? (this.data[this.pos] as number) : -1
  }

  protected skipSpace(): void {
    const data = this.data
    while (this.pos < this.end) {
      const byte = data[this.pos] as number
      if (byte === 0x20 || byte === 0x09) this.pos++
      else if (byte === 0x0a || byte === 0x0d) this.newlines.push(this.pos++)
      else return
    }
  }

  /** After a member: true at the end of the container, false when another member follows. */
  protected memberEnd(close: number): boolean {
    this.skipSpace()
    const byte = this.byte()
    this.pos++
    if (byte === close) return true
    if (byte !== COMMA) this.failSyntax(this.pos - 1)
    this.skipSpace()
    return false
  }

  protected colon(): void {
    this.skipSpace()
    if (this.byte() !== COLON) this.failSyntax(this.pos)
    this.pos++
    this.skipSpace()
  }

  protected keyText(): string {
    const start = this.pos
    if (this.byte() !== QUOTE) this.failSyntax(start)
    this.sawEscape = false
    this.string()
    const escaped = this.sawEscape
    const text = Buffer.from(
      this.data.buffer,
      this.data.byteOffset + start,
      this.pos - start,
    ).toString('utf8')
    return escaped ? (JSON.parse(text) as string) : text.slice(1, -1)
  }

  protected string(): void {
    const data = this.data
    const end = this.end
    let pos = this.pos + 1
    for (;;) {
      while (pos < end && stringStop[data[pos] as number] === 0) pos++
      if (pos >= end) this.failSyntax(end)
      const byte = data[pos] as number
      if (byte === QUOTE) break
      if (byte >= 0x80) {
        this.sawNonAscii = true
        pos++
      } else if (byte === BACKSLASH) {
        this.sawEscape = true
        pos = this.escape(pos)
      } else this.fail('raw control character in a string')
    }
    this.pos = pos + 1
  }

  /** Returns the position after the escape; a surrogate must come as a pair, since UTF-8 has no half. */
  protected escape(pos: number): number {
    const data = this.data
    const letter = pos + 1 < this.end ? (data[pos + 1] as number) : -1
    if (letter !== 0x75) {
      if ('"\\/bfnrt'.includes(String.fromCharCode(letter))) return pos + 2
      this.failSyntax(pos)
    }
    const unit = this.hex4(pos + 2)
    if (unit >= 0xdc00 && unit <= 0xdfff) this.fail('lone surrogate in a string')
    if (unit < 0xd800 || unit > 0xdbff) return pos + 6
    const isPair = data[pos + 6] === BACKSLASH && data[pos + 7] === 0x75
    const low = isPair ? this.hex4(pos + 8) : 0
    if (low < 0xdc00 || low > 0xdfff) this.fail('lone surrogate in a string')
    return pos + 12
  }

  protected hex4(pos: number): number {
    if (pos + 4 > this.end) this.failSyntax(this.end)
    let unit = 0
    for (let index = pos; index < pos + 4; index++) {
      const digit = Number.parseInt(String.fromCharCode(this.data[index] as number), 16)
      if (Number.isNaN(digit)) this.failSyntax(index)
      unit = unit * 16 + digit
    }
    return unit
  }

  /** Skips one number by JSON's grammar; returns 0 for an integer, 1 with fraction, 2 with exponent. */
  protected number(): number {
    const data = this.data
    const end = this.end
    let pos = this.pos
    let shape = 0
    if (data[pos] === MINUS) pos++
    const first = pos
    while (pos < end && isDigit(data[pos] as number)) pos++
    if (pos === first || (data[first] === 0x30 && pos > first + 1)) this.failSyntax(first)
    if (pos < end && data[pos] === 0x2e) {
      const dot = ++pos
      while (pos < end && isDigit(data[pos] as number)) pos++
      if (pos === dot) this.failSyntax(pos)
      shape = 1
    }
    if (pos < end && ((data[pos] as number) | 0x20) === 0x65) {
      pos++
      if (data[pos] === 0x2b || data[pos] === MINUS) pos++
      const digits = pos
      while (pos < end && isDigit(data[pos] as number)) pos++
      if (pos === digits || pos > end) this.failSyntax(pos)
      shape = 2
    }
    this.pos = pos
    return shape
  }

  /** Any JSON value, checked for grammar only. */
  protected anything(depth: number): void {
    const byte = this.byte()
    if (byte === QUOTE) this.string()
    else if (byte === OPEN_BRACE) this.anyObject(depth + 1)
    else if (byte === OPEN_BRACKET) this.anyArray(depth + 1)
    else if (byte === 0x74) this.literal('true')
    else if (byte === 0x66) this.literal('false')
    else if (byte === 0x6e) this.literal('null')
    else if (byte === MINUS || isDigit(byte)) this.number()
    else this.failSyntax(this.pos)
  }

  protected anyObject(depth: number): void {
    if (depth > nestingDepthMax) this.fail(`nested deeper than ${nestingDepthMax} levels`)
    this.pos++
    this.skipSpace()
    if (this.byte() === CLOSE_BRACE) {
      this.pos++
      return
    }
    do {
      if (this.byte() !== QUOTE) this.failSyntax(this.pos)
      this.string()
      this.colon()
      this.anything(depth)
    } while (!this.memberEnd(CLOSE_BRACE))
  }

  protected literal(word: 'null' | 'true' | 'false'): void {
    for (let index = 0; index < word.length; index++) {
      if (this.data[this.pos + index] !== word.charCodeAt(index)) this.failSyntax(this.pos)
    }
    this.pos += word.length
    if (this.pos > this.end) this.failSyntax(this.end)
  }

  protected text(start: number): string {
    return Buffer.from(this.data.buffer, this.data.byteOffset + start, this.pos - start).toString(
      'latin1',
    )
  }

  protected failKind(expected: string, path: string): never {
    const kind = kindNames[this.byte()] ?? 'a number'
    const where = path === '' ? '' : `: field ${path}`
    // Malformed JSON is reported as such, whatever kind was expected.
    this.anything(1)
    return this.fail(`expected ${expected}, found ${kind}${where}`)
  }

  protected failSyntax(at: number): never {
    const what = this.end === at ? 'the record ends early' : 'not json'
    return this.fail(`${what} (byte ${at - this.start})`)
  }

  protected fail(reason: string): never {
    this.fault = reason
    throw faultSignal
  }

  protected anyArray(depth: number): void {
    if (depth > nestingDepthMax) this.fail(`nested deeper than ${nestingDepthMax} levels`)
    this.pos++
    this.skipSpace()
    if (this.byte() === CLOSE_BRACKET) {
      this.pos++
      return
    }
    do this.anything(depth)
    while (!this.memberEnd(CLOSE_BRACKET))
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
