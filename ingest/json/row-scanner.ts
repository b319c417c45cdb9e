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
import { faultSignal, JsonCursor, jsonBytes, nestingDepthMax } from './json-cursor.ts'
import { type FieldTable, type KeyPattern, NodeKind, type ScanNode } from './scan-plan.ts'
import type { SpoolBuffer } from './spool-buffer.ts'

const { QUOTE, COMMA, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, MINUS } = jsonBytes
const { stringStop } = jsonBytes
const kinds = NodeKind
const depthMax = nestingDepthMax

export const ScanResult = {
  /** The row is in the spool. */
  good: 0,
  /** `fault` says why the record is a dead letter. */
  bad: 1,
  /** Well-formed, but it holds a key that the schema lacks (`fault` names it). */
  unknownField: 2,
} as const

export class RowScanner extends JsonCursor {
  readonly #root: ScanNode
  #instance = 0
  #view: DataView = new DataView(new ArrayBuffer(0))
  #unknown = ''
  /** Positions in the source, in pairs: number tokens that must be quoted for an exact decimal. */
  #quotes: number[] = []

  constructor(root: ScanNode) {
    super()
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
    if (data !== this.data) {
      this.data = data
      this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    }
    this.start = start
    this.pos = start
    this.end = end
    this.sawNonAscii = false
    this.#unknown = ''
    if (this.#quotes.length > 0) this.#quotes = []
    if (this.newlines.length > 0) this.newlines = []
    let open = 0
    let isEmpty = false
    try {
      this.skipSpace()
      open = this.pos
      if (this.byte() !== OPEN_BRACE) this.failKind('a json object', '')
      isEmpty = this.#object(this.#root, 1)
      const close = this.pos
      this.skipSpace()
      if (this.pos !== this.end) this.fail('bytes after the end of the json value')
      if (this.sawNonAscii && !isUtf8(data.subarray(start, end))) this.fail('invalid utf-8')
      this.end = close
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
    const length = this.end - open
    out.reserve(length + prefixLength + 3 + this.#quotes.length)
    out.byte(OPEN_BRACE)
    out.head(prefix, prefixLength)
    if (!isEmpty && prefixLength > 0) out.byte(COMMA)
    const base = out.length - (open + 1)
    let from = open + 1
    if (this.#quotes.length > 0) {
      for (const at of this.#quotes) {
        out.text(this.data, from, at)
        out.byte(QUOTE)
        from = at
      }
    }
    out.text(this.data, from, this.end)
    for (const at of this.newlines) {
      if (at < open || at >= this.end) continue
      const shift = this.#quotes.filter((quote) => quote <= at).length
      out.overwrite(base + at + shift, 0x20)
    }
    out.byte(0x0a)
    out.endRow()
  }

  #value(node: ScanNode, depth: number): void {
    const byte = this.byte()
    if (byte === 0x6e) {
      this.literal('null')
      if (node.required) this.fail(`null in required field ${node.path}`)
      return
    }
    switch (node.kind) {
      case kinds.string:
        if (byte !== QUOTE) this.failKind('a string', node.path)
        this.string()
        return
      case kinds.int:
      case kinds.long:
      case kinds.float:
      case kinds.double:
        this.#numberOf(node, byte)
        return
      case kinds.decimal:
        this.#decimal(node, byte)
        return
      case kinds.boolean:
        if (byte === 0x74) this.literal('true')
        else if (byte === 0x66) this.literal('false')
        else this.failKind('true or false', node.path)
        return
      case kinds.struct:
        if (byte !== OPEN_BRACE) this.failKind('an object', node.path)
        this.#object(node, depth + 1)
        return
      case kinds.list:
        if (byte !== OPEN_BRACKET) this.failKind('an array', node.path)
        this.#array(node.element as ScanNode, depth + 1)
        return
      case kinds.map:
        if (byte !== OPEN_BRACE) this.failKind('an object', node.path)
        this.#map(node, depth + 1)
        return
      case kinds.any:
        this.anything(depth)
        return
      default:
        this.#textOf(node, byte)
    }
  }

  /** Returns true for an object without members. */
  #object(node: ScanNode, depth: number): boolean {
    const table = node.fields as FieldTable
    const instance = ++this.#instance
    if (depth > depthMax) this.fail(`nested deeper than ${depthMax} levels`)
    this.pos++
    this.skipSpace()
    let expected = 0
    let requiredSeen = 0
    let isEmpty = true
    if (this.byte() === CLOSE_BRACE) this.pos++
    else {
      isEmpty = false
      for (;;) {
        let index = expected
        // Records of one producer keep their key order, so the next field almost always matches.
        if (
          expected < table.patterns.length &&
          this.#isNext(table.patterns[expected] as KeyPattern)
        ) {
          this.pos += (table.patterns[expected] as KeyPattern).length
          if ((this.data[this.pos] as number) <= 0x20) this.skipSpace()
        } else {
          index = this.#key(table)
          this.colon()
        }
        if (index < 0) this.#unknownField(node, depth)
        else {
          const child = table.nodes[index] as ScanNode
          if (table.seenIn[index] === instance) this.fail(`duplicate key ${child.path}`)
          table.seenIn[index] = instance
          if (child.required) requiredSeen++
          if (!this.#plainValue(child.kind)) this.#value(child, depth)
          expected = index + 1
        }
        const data = this.data
        const pos = this.pos
        if (data[pos] === COMMA && data[pos + 1] === QUOTE && pos + 1 < this.end) this.pos = pos + 1
        else if (this.memberEnd(CLOSE_BRACE)) break
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
    const data = this.data
    const end = this.end
    let pos = this.pos
    if (kind === kinds.string) {
      if (data[pos] !== QUOTE) return false
      pos++
      while (pos < end && stringStop[data[pos] as number] === 0) pos++
      if (pos >= end || data[pos] !== QUOTE) return false
      this.pos = pos + 1
      return true
    }
    if (kind < kinds.int || kind > kinds.double) return false
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
      if (kind === kinds.int && value > 2147483647) return false
      if (kind === kinds.float && value > 16777216) return false
      this.pos = pos
      return pos < end
    }
    if (next !== 0x2e || kind < kinds.float) return false
    const dot = ++pos
    while (pos < end && (digit = (data[pos] as number) - 0x30) >= 0 && digit <= 9) pos++
    if (pos === dot || pos >= end || ((data[pos] as number) | 0x20) === 0x65) return false
    this.pos = pos
    return true
  }

  #array(element: ScanNode, depth: number): void {
    if (depth > depthMax) this.fail(`nested deeper than ${depthMax} levels`)
    this.pos++
    this.skipSpace()
    if (this.byte() === CLOSE_BRACKET) {
      this.pos++
      return
    }
    do {
      if (!this.#plainValue(element.kind)) this.#value(element, depth)
    } while (!this.memberEnd(CLOSE_BRACKET))
  }

  #map(node: ScanNode, depth: number): void {
    if (depth > depthMax) this.fail(`nested deeper than ${depthMax} levels`)
    const seen = new Set<string>()
    this.pos++
    this.skipSpace()
    if (this.byte() === CLOSE_BRACE) {
      this.pos++
      return
    }
    do {
      const key = this.keyText()
      if (seen.has(key)) this.fail(`duplicate key ${node.path}.${key}`)
      seen.add(key)
      this.colon()
      this.#value(node.element as ScanNode, depth)
    } while (!this.memberEnd(CLOSE_BRACE))
  }

  #isNext(pattern: KeyPattern): boolean {
    const { words, length } = pattern
    const view = this.#view
    const at = this.pos
    if (at + length >= this.end) return false
    const last = words.length - 1
    if (view.getInt32(at + length - 4) !== words[last]) return false
    for (let index = 0; index < last; index++) {
      if (view.getInt32(at + index * 4) !== words[index]) return false
    }
    return true
  }

  /** Index of the field that the key names, or -1; `#lastKey` holds its text. */
  #key(table: FieldTable): number {
    this.#lastKey = this.keyText()
    return table.indexByName.get(this.#lastKey) ?? -1
  }
  #lastKey = ''

  #unknownField(node: ScanNode, depth: number): void {
    const name = this.#lastKey
    const path = node.path === '' ? name : `${node.path}.${name}`
    const table = node.fields as FieldTable
    const isNull = this.byte() === 0x6e
    this.anything(depth)
    // A null says no more than a missing key does.
    if (isNull) return
    if (table.lowerCaseNames.has(name.toLowerCase())) {
      this.fail(`field ${path} differs from a column of the table only in upper and lower case`)
    }
    if (this.#unknown === '') this.#unknown = path
  }

  #numberOf(node: ScanNode, byte: number): void {
    const start = this.pos
    if (byte !== MINUS && !isDigit(byte))
      this.failKind(node.kind <= kinds.long ? 'an integer' : 'a number', node.path)
    const shape = this.number()
    const length = this.pos - start
    // Short tokens cannot leave any range, so almost every number is done here.
    if (shape === 0) {
      if (length <= 7) return
      if (length <= 15) {
        if (node.kind === kinds.long || node.kind === kinds.double) return
        if (node.kind === kinds.int && this.#isInt(start)) return
      }
    } else if (shape === 1 && length <= 300 && node.kind === kinds.double) return
    const fault = numberFault(node.kind, this.text(start), shape)
    if (fault !== undefined) this.fail(`${fault}: field ${node.path}`)
  }

  #isInt(start: number): boolean {
    const data = this.data
    const isNegative = data[start] === MINUS
    let value = 0
    for (let pos = isNegative ? start + 1 : start; pos < this.pos; pos++) {
      value = value * 10 + ((data[pos] as number) - 0x30)
    }
    return value <= (isNegative ? 2147483648 : 2147483647)
  }

  #decimal(node: ScanNode, byte: number): void {
    const start = this.pos
    const isQuoted = byte === QUOTE
    if (isQuoted) this.string()
    else if (byte === MINUS || isDigit(byte)) this.number()
    else this.failKind('a decimal number', node.path)
    const text = isQuoted ? this.text(start).slice(1, -1) : this.text(start)
    const match = /^-?(\d+)(?:\.(\d+))?$/.exec(text)
    if (match === null) this.fail(`not a plain decimal number: field ${node.path}`)
    const whole = (match?.[1] ?? '').replace(/^0+/, '').length
    const fraction = (match?.[2] ?? '').replace(/0+$/, '').length
    if (fraction > node.scale) {
      this.fail(`more than ${node.scale} decimal places: field ${node.path}`)
    }
    if (whole > node.precision - node.scale) {
      this.fail(
        `more than ${node.precision - node.scale} digits before the point: field ${node.path}`,
      )
    }
    // The engine reads a number token through a double; a quoted one it reads digit by digit.
    if (!isQuoted && text.length > 15) this.#quotes.push(start, this.pos)
  }

  /** Types that JSON writes as strings of a fixed grammar. */
  #textOf(node: ScanNode, byte: number): void {
    if (byte !== QUOTE) this.failKind('a string', node.path)
    const start = this.pos + 1
    this.string()
    const end = this.pos - 1
    const data = this.data
    switch (node.kind) {
      case kinds.timestamp:
      case kinds.timestamptz: {
        const fault = isTimestamp(data, start, end, node.kind === kinds.timestamptz)
        if (fault !== undefined) this.fail(`${fault}: field ${node.path}`)
        return
      }
      case kinds.date:
        if (!isDate(data, start, end)) this.fail(`not a date (YYYY-MM-DD): field ${node.path}`)
        return
      case kinds.time:
        if (!isTime(data, start, end)) this.fail(`not a time (HH:MM:SS.ffffff): field ${node.path}`)
        return
      case kinds.uuid:
        if (!isUuid(data, start, end)) this.fail(`not a uuid: field ${node.path}`)
        return
      case kinds.binary:
        if (!isBase64(data, start, end)) this.fail(`not base64: field ${node.path}`)
        return
      default:
        throw new Error(`assertion failed: node kind ${node.kind}`)
    }
  }

  #failMissing(table: FieldTable, instance: number): never {
    const missing = table.nodes.find(
      (node, index) => node.required && table.seenIn[index] !== instance,
    )
    return this.fail(`required field ${missing?.path ?? ''} is missing`)
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
