/**
 * Decides for each raw record whether the engine would take it over exactly, and copies it into the
 * spool if so.
 *
 * DuckDB's JSON reader converts without a word (1.5 into a BIGINT becomes 2, `true` becomes 1, a zone
 * is dropped, unknown keys vanish; see docs/adr/0005-strict-json.md). One pass over the bytes finds
 * every such record, and with it every malformed one, so that what reaches the engine converts
 * exactly. The scanner allocates nothing for a good record.
 */
import { isUtf8 } from 'node:buffer'
import { isDate, isTime, isTimestamp, isUuid, isBase64, numberFault } from './scalar-checks.ts'
import { type FieldTable, NodeKind, type ScanNode } from './scan-plan.ts'
import type { SpoolBuffer } from './spool-buffer.ts'

export const ScanResult = {
  /** The row is in the spool. */
  good: 0,
  /** `fault` says why the record is a dead letter. */
  bad: 1,
  /** Well-formed, but it holds a key that the schema lacks (`fault` names it). */
  unknownField: 2,
} as const

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
const faultSignal = new Error('fault')

export class RowScanner {
  /** Why the last record was not good. */
  fault = ''
  readonly #root: ScanNode
  #data: Uint8Array = new Uint8Array(0)
  #start = 0
  #pos = 0
  #end = 0
  #instance = 0
  #sawNonAscii = false
  #sawEscape = false
  #unknown = ''
  /** Positions in the source, in pairs: number tokens that must be quoted for an exact decimal. */
  #quotes: number[] = []
  #newlines: number[] = []

  constructor(root: ScanNode) {
    this.#root = root
  }

  /**
   * Scans data[start, end) and appends it to `out` when it is good. `prefix` is written right after
   * the opening brace (the record's place in the log); the caller provides it without the comma.
   */
  scan(
    data: Uint8Array,
    start: number,
    end: number,
    prefix: Uint8Array,
    prefixLength: number,
    out: SpoolBuffer,
  ): number {
    this.#data = data
    this.#start = start
    this.#pos = start
    this.#end = end
    this.#sawNonAscii = false
    this.#unknown = ''
    if (this.#quotes.length > 0) this.#quotes = []
    if (this.#newlines.length > 0) this.#newlines = []
    let open = 0
    let isEmpty = false
    try {
      this.#skipSpace()
      open = this.#pos
      if (this.#byte() !== OPEN_BRACE) this.#failKind('a json object', '')
      isEmpty = this.#object(this.#root, 1)
      const close = this.#pos
      this.#skipSpace()
      if (this.#pos !== this.#end) this.#fail('bytes after the end of the json value')
      if (this.#sawNonAscii && !isUtf8(data.subarray(start, end))) this.#fail('invalid utf-8')
      this.#end = close
    } catch (error) {
      if (error !== faultSignal) throw error
      return ScanResult.bad
    }
    if (this.#unknown !== '') {
      this.fault = `field ${this.#unknown} is not in the schema`
      return ScanResult.unknownField
    }
    this.#copy(open, prefix, prefixLength, isEmpty, out)
    return ScanResult.good
  }

  /** `{prefix,rest` with raw line ends made spaces (they only stand between tokens) and decimals quoted. */
  #copy(
    open: number,
    prefix: Uint8Array,
    prefixLength: number,
    isEmpty: boolean,
    out: SpoolBuffer,
  ): void {
    const length = this.#end - open
    out.reserve(length + prefixLength + 3 + this.#quotes.length)
    out.byte(OPEN_BRACE)
    out.bytes(prefix, 0, prefixLength)
    if (!isEmpty && prefixLength > 0) out.byte(COMMA)
    const base = out.length - (open + 1)
    let from = open + 1
    if (this.#quotes.length > 0) {
      for (const at of this.#quotes) {
        out.bytes(this.#data, from, at)
        out.byte(QUOTE)
        from = at
      }
    }
    out.bytes(this.#data, from, this.#end)
    for (const at of this.#newlines) {
      if (at < open || at >= this.#end) continue
      const shift = this.#quotes.filter((quote) => quote <= at).length
      out.overwrite(base + at + shift, 0x20)
    }
    out.byte(0x0a)
    out.endRow()
  }

  #byte(): number {
    return this.#pos < this.#end ? (this.#data[this.#pos] as number) : -1
  }

  #skipSpace(): void {
    const data = this.#data
    while (this.#pos < this.#end) {
      const byte = data[this.#pos] as number
      if (byte === 0x20 || byte === 0x09) this.#pos++
      else if (byte === 0x0a || byte === 0x0d) this.#newlines.push(this.#pos++)
      else return
    }
  }

  #value(node: ScanNode, depth: number): void {
    const byte = this.#byte()
    if (byte === 0x6e) {
      this.#literal('null')
      if (node.required) this.#fail(`null in required field ${node.path}`)
      return
    }
    switch (node.kind) {
      case NodeKind.string:
        if (byte !== QUOTE) this.#failKind('a string', node.path)
        this.#string()
        return
      case NodeKind.int:
      case NodeKind.long:
      case NodeKind.float:
      case NodeKind.double:
        this.#numberOf(node, byte)
        return
      case NodeKind.decimal:
        this.#decimal(node, byte)
        return
      case NodeKind.boolean:
        if (byte === 0x74) this.#literal('true')
        else if (byte === 0x66) this.#literal('false')
        else this.#failKind('true or false', node.path)
        return
      case NodeKind.struct:
        if (byte !== OPEN_BRACE) this.#failKind('an object', node.path)
        this.#object(node, depth + 1)
        return
      case NodeKind.list:
        if (byte !== OPEN_BRACKET) this.#failKind('an array', node.path)
        this.#array(node.element, depth + 1)
        return
      case NodeKind.map:
        if (byte !== OPEN_BRACE) this.#failKind('an object', node.path)
        this.#map(node, depth + 1)
        return
      case NodeKind.any:
        this.#anything(depth)
        return
      default:
        this.#textOf(node, byte)
    }
  }

  /** Returns true for an object without members. */
  #object(node: ScanNode, depth: number): boolean {
    const table = node.fields as FieldTable
    const instance = ++this.#instance
    if (depth > nestingDepthMax) this.#fail(`nested deeper than ${nestingDepthMax} levels`)
    this.#pos++
    this.#skipSpace()
    let expected = 0
    let requiredSeen = 0
    let isEmpty = true
    if (this.#byte() === CLOSE_BRACE) this.#pos++
    else {
      isEmpty = false
      for (;;) {
        const index = this.#key(table, expected)
        if (this.#data[this.#pos] === COLON && (this.#data[this.#pos + 1] as number) > 0x20)
          this.#pos++
        else this.#colon()
        if (index < 0) this.#unknownField(node, depth)
        else {
          const child = table.nodes[index] as ScanNode
          if (table.seenIn[index] === instance) this.#fail(`duplicate key ${child.path}`)
          table.seenIn[index] = instance
          if (child.required) requiredSeen++
          if (!this.#plainValue(child.kind)) this.#value(child, depth)
          expected = index + 1
        }
        const data = this.#data
        const pos = this.#pos
        if (data[pos] === COMMA && data[pos + 1] === QUOTE && pos + 1 < this.#end)
          this.#pos = pos + 1
        else if (this.#memberEnd(CLOSE_BRACE)) break
      }
    }
    if (requiredSeen < table.requiredCount) this.#failMissing(table, instance)
    return isEmpty
  }

  /**
   * The common shapes in one tight loop each: a string without escapes or non-ASCII, a short integer,
   * a short fraction. False, with nothing consumed, sends the value through the full checks.
   */
  #plainValue(kind: number): boolean {
    const data = this.#data
    const end = this.#end
    let pos = this.#pos
    if (kind === NodeKind.string) {
      if (data[pos] !== QUOTE) return false
      pos++
      while (pos < end && stringStop[data[pos] as number] === 0) pos++
      if (pos >= end || data[pos] !== QUOTE) return false
      this.#pos = pos + 1
      return true
    }
    if (kind < NodeKind.int || kind > NodeKind.double) return false
    const start = pos
    const isNegative = data[pos] === MINUS
    if (isNegative) pos++
    const first = pos
    let value = 0
    let digit = 0
    while (pos < end && (digit = (data[pos] as number) - 0x30) >= 0 && digit <= 9) {
      value = value * 10 + digit
      pos++
    }
    if (pos === first || pos - start > 15 || (data[first] === 0x30 && pos > first + 1)) return false
    const next = data[pos] as number
    if (next === COMMA || next === CLOSE_BRACE || next === CLOSE_BRACKET) {
      if (kind === NodeKind.int && value > 2147483647) return false
      if (kind === NodeKind.float && value > 16777216) return false
      this.#pos = pos
      return pos < end
    }
    if (next !== 0x2e || kind < NodeKind.float) return false
    const dot = ++pos
    while (pos < end && (digit = (data[pos] as number) - 0x30) >= 0 && digit <= 9) pos++
    if (pos === dot || pos >= end || ((data[pos] as number) | 0x20) === 0x65) return false
    this.#pos = pos
    return true
  }

  #array(element: ScanNode | undefined, depth: number): void {
    if (depth > nestingDepthMax) this.#fail(`nested deeper than ${nestingDepthMax} levels`)
    this.#pos++
    this.#skipSpace()
    if (this.#byte() === CLOSE_BRACKET) {
      this.#pos++
      return
    }
    do {
      if (element === undefined) this.#anything(depth)
      else if (!this.#plainValue(element.kind)) this.#value(element, depth)
    } while (!this.#memberEnd(CLOSE_BRACKET))
  }

  #map(node: ScanNode, depth: number): void {
    if (depth > nestingDepthMax) this.#fail(`nested deeper than ${nestingDepthMax} levels`)
    const seen = new Set<string>()
    this.#pos++
    this.#skipSpace()
    if (this.#byte() === CLOSE_BRACE) {
      this.#pos++
      return
    }
    do {
      const key = this.#keyText()
      if (seen.has(key)) this.#fail(`duplicate key ${node.path}.${key}`)
      seen.add(key)
      this.#colon()
      this.#value(node.element as ScanNode, depth)
    } while (!this.#memberEnd(CLOSE_BRACE))
  }

  /** After a member: true at the end of the container, false when another member follows. */
  #memberEnd(close: number): boolean {
    this.#skipSpace()
    const byte = this.#byte()
    this.#pos++
    if (byte === close) return true
    if (byte !== COMMA) this.#failSyntax(this.#pos - 1)
    this.#skipSpace()
    return false
  }

  #colon(): void {
    this.#skipSpace()
    if (this.#byte() !== COLON) this.#failSyntax(this.#pos)
    this.#pos++
    this.#skipSpace()
  }

  /** Index of the field that the key names, or -1. The key's text stays between two marks for later. */
  #key(table: FieldTable, expected: number): number {
    const data = this.#data
    const start = this.#pos
    if (this.#byte() !== QUOTE) this.#failSyntax(start)
    // Records of one producer keep their key order, so the next field almost always matches.
    const name = table.names[expected]
    if (name !== undefined) {
      const length = name.length
      const at = start + 1
      if (at + length < this.#end && data[at + length] === QUOTE) {
        let index = 0
        while (index < length && data[at + index] === name[index]) index++
        if (index === length) {
          this.#pos = at + length + 1
          if (at + length + 1 >= this.#end) this.#failSyntax(this.#end)
          return expected
        }
      }
    }
    this.#lastKey = this.#keyText()
    return table.indexByName.get(this.#lastKey) ?? -1
  }
  #lastKey = ''

  #keyText(): string {
    const start = this.#pos
    if (this.#byte() !== QUOTE) this.#failSyntax(start)
    this.#sawEscape = false
    this.#string()
    const escaped = this.#sawEscape
    const text = Buffer.from(
      this.#data.buffer,
      this.#data.byteOffset + start,
      this.#pos - start,
    ).toString('utf8')
    return escaped ? (JSON.parse(text) as string) : text.slice(1, -1)
  }

  #unknownField(node: ScanNode, depth: number): void {
    const name = this.#lastKey
    const path = node.path === '' ? name : `${node.path}.${name}`
    const table = node.fields as FieldTable
    const isNull = this.#byte() === 0x6e
    this.#anything(depth)
    // A null says no more than a missing key does.
    if (isNull) return
    if (table.lowerCaseNames.has(name.toLowerCase())) {
      this.#fail(`field ${path} differs from a column of the table only in upper and lower case`)
    }
    if (this.#unknown === '') this.#unknown = path
  }

  #string(): void {
    const data = this.#data
    const end = this.#end
    let pos = this.#pos + 1
    for (;;) {
      while (pos < end && stringStop[data[pos] as number] === 0) pos++
      if (pos >= end) this.#failSyntax(end)
      const byte = data[pos] as number
      if (byte === QUOTE) break
      if (byte >= 0x80) {
        this.#sawNonAscii = true
        pos++
      } else if (byte === BACKSLASH) {
        this.#sawEscape = true
        pos = this.#escape(pos)
      } else this.#fail('raw control character in a string')
    }
    this.#pos = pos + 1
  }

  /** Returns the position after the escape; a surrogate must come as a pair, since UTF-8 has no half. */
  #escape(pos: number): number {
    const data = this.#data
    const letter = pos + 1 < this.#end ? (data[pos + 1] as number) : -1
    if (letter !== 0x75) {
      if ('"\\/bfnrt'.includes(String.fromCharCode(letter))) return pos + 2
      this.#failSyntax(pos)
    }
    const unit = this.#hex4(pos + 2)
    if (unit >= 0xdc00 && unit <= 0xdfff) this.#fail('lone surrogate in a string')
    if (unit < 0xd800 || unit > 0xdbff) return pos + 6
    const isPair = data[pos + 6] === BACKSLASH && data[pos + 7] === 0x75
    const low = isPair ? this.#hex4(pos + 8) : 0
    if (low < 0xdc00 || low > 0xdfff) this.#fail('lone surrogate in a string')
    return pos + 12
  }

  #hex4(pos: number): number {
    if (pos + 4 > this.#end) this.#failSyntax(this.#end)
    let unit = 0
    for (let index = pos; index < pos + 4; index++) {
      const digit = Number.parseInt(String.fromCharCode(this.#data[index] as number), 16)
      if (Number.isNaN(digit)) this.#failSyntax(index)
      unit = unit * 16 + digit
    }
    return unit
  }

  /** Skips one number by JSON's grammar; returns 0 for an integer, 1 with fraction, 2 with exponent. */
  #number(): number {
    const data = this.#data
    const end = this.#end
    let pos = this.#pos
    let shape = 0
    if (data[pos] === MINUS) pos++
    const first = pos
    while (pos < end && isDigit(data[pos] as number)) pos++
    if (pos === first || (data[first] === 0x30 && pos > first + 1)) this.#failSyntax(first)
    if (pos < end && data[pos] === 0x2e) {
      const dot = ++pos
      while (pos < end && isDigit(data[pos] as number)) pos++
      if (pos === dot) this.#failSyntax(pos)
      shape = 1
    }
    if (pos < end && ((data[pos] as number) | 0x20) === 0x65) {
      pos++
      if (data[pos] === 0x2b || data[pos] === MINUS) pos++
      const digits = pos
      while (pos < end && isDigit(data[pos] as number)) pos++
      if (pos === digits || pos > end) this.#failSyntax(pos)
      shape = 2
    }
    this.#pos = pos
    return shape
  }

  #numberOf(node: ScanNode, byte: number): void {
    const start = this.#pos
    if (byte !== MINUS && !isDigit(byte))
      this.#failKind(node.kind <= NodeKind.long ? 'an integer' : 'a number', node.path)
    const shape = this.#number()
    const length = this.#pos - start
    // Short tokens cannot leave any range, so almost every number is done here.
    if (shape === 0) {
      if (length <= 7) return
      if (length <= 15) {
        if (node.kind === NodeKind.long || node.kind === NodeKind.double) return
        if (node.kind === NodeKind.int && this.#isInt(start)) return
      }
    } else if (shape === 1 && length <= 300 && node.kind === NodeKind.double) return
    const fault = numberFault(node.kind, this.#text(start), shape)
    if (fault !== undefined) this.#fail(`${fault}: field ${node.path}`)
  }

  #isInt(start: number): boolean {
    const data = this.#data
    const isNegative = data[start] === MINUS
    let value = 0
    for (let pos = isNegative ? start + 1 : start; pos < this.#pos; pos++) {
      value = value * 10 + ((data[pos] as number) - 0x30)
    }
    return value <= (isNegative ? 2147483648 : 2147483647)
  }

  #decimal(node: ScanNode, byte: number): void {
    const start = this.#pos
    const isQuoted = byte === QUOTE
    if (isQuoted) this.#string()
    else if (byte === MINUS || isDigit(byte)) this.#number()
    else this.#failKind('a decimal number', node.path)
    const text = isQuoted ? this.#text(start).slice(1, -1) : this.#text(start)
    const match = /^-?(\d+)(?:\.(\d+))?$/.exec(text)
    if (match === null) this.#fail(`not a plain decimal number: field ${node.path}`)
    const whole = (match?.[1] ?? '').replace(/^0+/, '').length
    const fraction = (match?.[2] ?? '').replace(/0+$/, '').length
    if (fraction > node.scale) {
      this.#fail(`more than ${node.scale} decimal places: field ${node.path}`)
    }
    if (whole > node.precision - node.scale) {
      this.#fail(
        `more than ${node.precision - node.scale} digits before the point: field ${node.path}`,
      )
    }
    // The engine reads a number token through a double; a quoted one it reads digit by digit.
    if (!isQuoted && text.length > 15) this.#quotes.push(start, this.#pos)
  }

  /** Types that JSON writes as strings of a fixed grammar. */
  #textOf(node: ScanNode, byte: number): void {
    if (byte !== QUOTE) this.#failKind('a string', node.path)
    const start = this.#pos + 1
    this.#string()
    const end = this.#pos - 1
    const data = this.#data
    switch (node.kind) {
      case NodeKind.timestamp:
      case NodeKind.timestamptz: {
        const fault = isTimestamp(data, start, end, node.kind === NodeKind.timestamptz)
        if (fault !== undefined) this.#fail(`${fault}: field ${node.path}`)
        return
      }
      case NodeKind.date:
        if (!isDate(data, start, end)) this.#fail(`not a date (YYYY-MM-DD): field ${node.path}`)
        return
      case NodeKind.time:
        if (!isTime(data, start, end))
          this.#fail(`not a time (HH:MM:SS.ffffff): field ${node.path}`)
        return
      case NodeKind.uuid:
        if (!isUuid(data, start, end)) this.#fail(`not a uuid: field ${node.path}`)
        return
      case NodeKind.binary:
        if (!isBase64(data, start, end)) this.#fail(`not base64: field ${node.path}`)
        return
      default:
        throw new Error(`assertion failed: node kind ${node.kind}`)
    }
  }

  /** Any JSON value, checked for grammar only. */
  #anything(depth: number): void {
    const byte = this.#byte()
    if (byte === QUOTE) this.#string()
    else if (byte === OPEN_BRACE) this.#anyObject(depth + 1)
    else if (byte === OPEN_BRACKET) this.#array(undefined, depth + 1)
    else if (byte === 0x74) this.#literal('true')
    else if (byte === 0x66) this.#literal('false')
    else if (byte === 0x6e) this.#literal('null')
    else if (byte === MINUS || isDigit(byte)) this.#number()
    else this.#failSyntax(this.#pos)
  }

  #anyObject(depth: number): void {
    if (depth > nestingDepthMax) this.#fail(`nested deeper than ${nestingDepthMax} levels`)
    this.#pos++
    this.#skipSpace()
    if (this.#byte() === CLOSE_BRACE) {
      this.#pos++
      return
    }
    const name = this.#lastKey
    do {
      if (this.#byte() !== QUOTE) this.#failSyntax(this.#pos)
      this.#string()
      this.#colon()
      this.#anything(depth)
    } while (!this.#memberEnd(CLOSE_BRACE))
    this.#lastKey = name
  }

  #literal(word: 'null' | 'true' | 'false'): void {
    for (let index = 0; index < word.length; index++) {
      if (this.#data[this.#pos + index] !== word.charCodeAt(index)) this.#failSyntax(this.#pos)
    }
    this.#pos += word.length
    if (this.#pos > this.#end) this.#failSyntax(this.#end)
  }

  #text(start: number): string {
    return Buffer.from(
      this.#data.buffer,
      this.#data.byteOffset + start,
      this.#pos - start,
    ).toString('latin1')
  }

  #failMissing(table: FieldTable, instance: number): never {
    const missing = table.nodes.find(
      (node, index) => node.required && table.seenIn[index] !== instance,
    )
    return this.#fail(`required field ${missing?.path ?? ''} is missing`)
  }

  #failKind(expected: string, path: string): never {
    const found = kindNames[this.#byte()] ?? 'a number'
    const where = path === '' ? '' : `: field ${path}`
    // What is no JSON at all is called so, whatever was expected.
    this.#anything(1)
    return this.#fail(`expected ${expected}, found ${found}${where}`)
  }

  #failSyntax(at: number): never {
    const what = this.#end === at ? 'the record ends early' : 'not json'
    return this.#fail(`${what} (byte ${at - this.#start})`)
  }

  #fail(reason: string): never {
    this.fault = reason
    throw faultSignal
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
