/**
 * Decides for each raw record whether its columns would keep it exactly, and copies its values into the
 * spool.
 *
 * DuckDB's JSON reader converts silently (1.5 into a BIGINT becomes 2, `true` becomes 1, a zone
 * is dropped, unknown keys vanish; see docs/adr/0005-strict-json.md). One pass over the bytes finds
 * every such record, and with it every malformed one, so that what reaches the engine converts
 * exactly. The scanner allocates nothing for a good record.
 */
import { isUtf8 } from 'node:buffer'
import { joinPath } from '../column-names.ts'
import { DecodeResult } from '../row-decoder.ts'
import { appendMicros, appendNumber, appendToken } from './append-value.ts'
import { faultSignal, jsonBytes, nestingDepthMax as depthMax } from './json-cursor.ts'
import { RowTextCursor } from './row-text-cursor.ts'
import {
  type FieldTable,
  type KeyPattern,
  NodeKind,
  type ScanNode,
  type ScanPlan,
} from './scan-plan.ts'
import { appendText, type ColumnBuffer } from '../../spool/column-buffer.ts'
import type { ColumnarRows } from '../../spool/columnar-rows.ts'
import { holdsNothing, repeatedKeyFault } from './unknown-field.ts'
import type { UnknownFields } from '../key-rules.ts'

const { QUOTE, COMMA, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, MINUS } = jsonBytes
const { stringStop } = jsonBytes
const kinds = NodeKind

export class RowScanner extends RowTextCursor {
  readonly #root: ScanNode
  readonly #unknownFields: UnknownFields
  /** Whether a key of the record filled a column of another name. */
  #isRenamed = false
  /** The columns that take the values of the record during the scan; undefined for none. */
  #columns: readonly ColumnBuffer[] | undefined
  #row = 0
  #instance = 0
  #view: DataView = new DataView(new ArrayBuffer(0))
  #unknown: string | undefined

  constructor({ root, unknownFields }: ScanPlan) {
    super()
    this.#root = root
    this.#unknownFields = unknownFields
  }

  /** The dotted path of the field for which the last record has no column, where that was its only fault. */
  get unknownField(): string | undefined {
    return this.#unknown
  }

  /** `copyTo` gives records no key of these, which stand in front of them. */
  keepClear(keys: ReadonlySet<string>): void {
    this.avoidKeys(keys, this.#root.fields?.names ?? [])
  }

  /**
   * Scans data[start, end) and returns a `DecodeResult`. With `rows`, its values are appended, and the caller
   * ends or drops the row.
   */
  scan(data: Uint8Array, start: number, end: number, rows?: ColumnarRows): number {
    this.#columns = rows?.fields
    this.isCopied = rows === undefined
    if (rows !== undefined) this.#row = rows.rowCount
    if (data !== this.data) {
      this.data = data
      this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    }
    this.start = start
    this.pos = start
    this.end = end
    this.sawNonAscii = false
    this.#unknown = undefined
    this.#isRenamed = false
    if (this.edits.length > 0) this.edits = []
    if (this.misfits.length > 0) this.misfits = []
    if (this.newlines.length > 0) this.newlines = []
    try {
      this.skipSpace()
      this.open = this.pos
      if (this.byte() !== OPEN_BRACE) this.failKind('a json object', '')
      this.isEmpty = this.#object(this.#root, 1)
      const close = this.pos
      this.skipSpace()
      if (this.pos !== this.end) this.fail('bytes after the end of the json value')
      if (this.sawNonAscii && !isUtf8(data.subarray(start, end))) this.fail('invalid utf-8')
      this.end = close
      this.isTextChanged =
        this.open !== start || close !== end || this.newlines.length + this.edits.length > 0
    } catch (error) {
      if (error !== faultSignal) throw error
      return DecodeResult.bad
    }
    if (this.#unknown !== undefined) return DecodeResult.unknownField
    const [misfit] = this.misfits
    if (misfit === undefined) return DecodeResult.good
    this.fault = misfit.reason
    return DecodeResult.misfit
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
        this.numberOf(node, byte)
        return
      case kinds.decimal:
        this.decimal(node, byte)
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
        if (node.isLenientTimestamp && byte === QUOTE) this.lenientTimestamp()
        else if (node.isLenientDecimal) this.lenientDecimal(byte, depth)
        else this.anything(depth)
        return
      case kinds.epoch:
        this.epoch(node, byte, depth)
        return
      case kinds.ignored: {
        const start = this.pos
        this.anything(depth)
        if (this.#columns === undefined) this.setNull(start)
        return
      }
      case kinds.unfillable:
        this.fail(`${node.unfillable}: field ${node.path}`)
      default:
        this.textOf(node, byte)
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
        let keyEnd = 0
        // Records of one producer keep their key order, so the next field almost always matches.
        if (
          expected < table.patterns.length &&
          this.#isNext(table.patterns[expected] as KeyPattern)
        ) {
          this.pos += (table.patterns[expected] as KeyPattern).length
          if ((this.data[this.pos] as number) <= 0x20) this.skipSpace()
        } else {
          index = this.#key(table)
          keyEnd = this.pos
          this.colon()
        }
        if (index < 0) this.#unknownField(node, depth, keyEnd)
        else {
          const child = table.nodes[index] as ScanNode
          if (table.seenIn[index] === instance) this.#failTwice(child.path)
          table.seenIn[index] = instance
          if (child.required) requiredSeen++
          if (depth === 1 && this.#columns !== undefined) this.#columnValue(child, index)
          else if (!this.#plainValue(child.kind)) this.#value(child, depth)
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

  /** Checks a value of the record itself and appends it to its column, the common shapes in one loop. */
  #columnValue(node: ScanNode, index: number): void {
    const column = (this.#columns as readonly ColumnBuffer[])[index] as ColumnBuffer
    const kind = node.kind
    const start = this.pos
    if (kind === kinds.string ? this.#plainText(column) : this.#plainNumber(column, kind)) {
      column.lastRow = this.#row
      return
    }
    this.pos = start
    this.#value(node, 1)
    // The row will be dropped.
    if (this.misfits.length > 0) return
    if (this.data[start] === 0x6e || kind === kinds.ignored) return
    if (kind === kinds.epoch) appendMicros(column, this.micros)
    else appendToken(column, this.data, start, this.pos)
    column.lastRow = this.#row
  }

  #plainText(column: ColumnBuffer): boolean {
    const data = this.data
    const end = this.end
    if (data[this.pos] !== QUOTE) return false
    const start = this.pos + 1
    let pos = start
    while (pos < end && stringStop[data[pos] as number] === 0) pos++
    if (pos >= end || data[pos] !== QUOTE) return false
    this.pos = pos + 1
    appendText(column, data, start, pos)
    return true
  }

  /** At most 15 digits, which a double holds exactly, with at most one decimal point. */
  #plainNumber(column: ColumnBuffer, kind: number): boolean {
    if (kind < kinds.int || kind > kinds.double) return false
    const data = this.data
    const end = this.end
    let pos = this.pos
    const isNegative = data[pos] === MINUS
    if (isNegative) pos++
    const first = pos
    let value = 0
    let digit = 0
    while (pos < end && (digit = (data[pos] as number) - 0x30) >= 0 && digit <= 9) {
      value = value * 10 + digit
      pos++
    }
    if (pos === first || pos - first > 15 || (data[first] === 0x30 && pos > first + 1)) return false
    let next = data[pos] as number
    let decimals = 0
    if (next === 0x2e && kind >= kinds.float) {
      const dot = ++pos
      while (pos < end && (digit = (data[pos] as number) - 0x30) >= 0 && digit <= 9) {
        value = value * 10 + digit
        pos++
      }
      decimals = pos - dot
      if (decimals === 0 || pos - first > 16) return false
      next = data[pos] as number
    } else if (kind === kinds.int ? value > 2147483647 : kind === kinds.float && value > 16777216) {
      return false
    }
    if (pos >= end || (next !== COMMA && next !== CLOSE_BRACE)) return false
    this.pos = pos
    appendNumber(column, isNegative ? -value : value, decimals)
    return true
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

  /** Index of the field that the key fills, or -1; `#lastKey` holds its text. */
  #key(table: FieldTable): number {
    this.#keyStart = this.pos
    const key = this.keyText()
    this.#lastKey = key
    const index = table.keys.indexOf(key)
    if (index >= 0 && table.names[index] !== key) {
      this.#isRenamed = true
      if (this.#columns === undefined) {
        this.replaceText(this.#keyStart, this.pos, JSON.stringify(table.names[index]))
      }
    }
    return index
  }
  #lastKey = ''
  #keyStart = 0

  #unknownField(node: ScanNode, depth: number, keyEnd: number): void {
    const name = this.#lastKey
    const path = joinPath(node.path, name)
    const { keys } = node.fields as FieldTable
    const isNull = this.byte() === 0x6e
    const start = this.pos
    if (depth === 1) this.avoidKey(name, this.#keyStart, keyEnd)
    this.anything(depth)
    // A null is the same as a missing key.
    if (isNull) return
    const value = this.data.subarray(start, this.pos)
    const isLeftOut = keys.isIgnored(name) || this.#unknownFields === 'ignore'
    if (isLeftOut || holdsNothing(value)) {
      this.setNull(start)
      return
    }
    const refusal = keys.refusal(name) ?? repeatedKeyFault(path, value)
    const fault = refusal ?? `field ${path} is not in the schema`
    if (this.#unknownFields === 'dead_letter') this.fail(fault)
    if (this.#unknownFields === 'add' && refusal !== undefined) this.fail(fault)
    if (this.#unknown !== undefined) return
    this.#unknown = path
    this.fault = fault
  }

  #failTwice(path: string): never {
    const why = this.#isRenamed
      ? ' (keys in another case, or of before a rename, are this column)'
      : ''
    return this.fail(`duplicate key ${path}${why}`)
  }

  #failMissing(table: FieldTable, instance: number): never {
    const missing = table.nodes.find(
      (node, index) => node.required && table.seenIn[index] !== instance,
    )
    return this.fail(`required field ${missing?.path ?? ''} is missing`)
  }
}
