/**
 * A cursor with the scalar columns of a schema: it checks whether a column keeps the number or text at its
 * position exactly.
 */
import type { Type } from '../../../catalog/format/index.ts'
import { JsonCursor, jsonBytes } from './json-cursor.ts'
import { formatTimestamp } from '../../../catalog/format/index.ts'
import { microsOf } from './epoch-unit.ts'
import {
  hasSeconds,
  isBase64,
  isDate,
  isTime,
  isTimestamp,
  isUuid,
  numberFault,
} from './scalar-checks.ts'
import { type ChangeableColumn, NodeKind, type ScanNode } from './scan-plan.ts'
import { decimalTypeFor, numberTypeFor } from './type-for-value.ts'

const { QUOTE, MINUS } = jsonBytes
const kinds = NodeKind

/** A column that would have to be of another type to hold a value of the record. */
export interface Misfit {
  readonly column: ChangeableColumn
  /** That holds the value. */
  readonly type: Type
  readonly reason: string
}

/** A change of a record's text. */
export interface Edit {
  readonly at: number
  readonly until: number
  readonly bytes: Uint8Array
}

const quote = Uint8Array.of(QUOTE)
const zeroSeconds = Buffer.from(':00')
const upperZ = Buffer.from('Z')
const wayOut = 'declare its type in schema.fields and read the topic into a new table'

export class ScalarCursor extends JsonCursor {
  /** Of the last record, whose other values were good until its scan ended. */
  misfits: Misfit[] = []
  /** Whether the record will be copied as text, for the engine to parse. */
  protected isCopied = false
  /** The value of the timestamp at hand that is a number. */
  protected micros = 0n
  /** In order: what is written instead of data[at, until) when the record is copied. */
  protected edits: Edit[] = []

  protected numberOf(node: ScanNode, byte: number): void {
    const start = this.pos
    if (byte !== MINUS && !isDigit(byte))
      this.failKind(node.kind <= kinds.long ? 'an integer' : 'a number', node.path)
    const shape = this.number()
    const length = this.pos - start
    // Short tokens are within every range, so almost all numbers take this path.
    if (shape === 0) {
      if (length <= 7) return
      if (length <= 15) {
        if (node.kind === kinds.long || node.kind === kinds.double) return
        if (node.kind === kinds.int && this.#isInt(start)) return
      }
    } else if (shape === 1 && length <= 300 && node.kind === kinds.double) return
    const fault = numberFault(node.kind, this.text(start), shape)
    if (fault !== undefined) this.#misfit(node, fault, numberTypeFor(node, this.text(start), shape))
  }

  /** The value at hand does not fit its column: the record is bad, unless the column can be of `type`. */
  #misfit({ path, changeable }: ScanNode, fault: string, type: Type | undefined): void {
    const reason = `${fault}: field ${path}`
    if (changeable === undefined) this.fail(reason)
    else if (type === undefined) this.fail(`${reason}; ${wayOut}`)
    else this.misfits.push({ column: changeable, type, reason })
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

  protected decimal(node: ScanNode, byte: number): void {
    const start = this.pos
    const isQuoted = byte === QUOTE
    if (isQuoted) this.string()
    else if (byte === MINUS || isDigit(byte)) this.number()
    else this.failKind('a decimal number', node.path)
    const text = isQuoted ? this.text(start).slice(1, -1) : this.text(start)
    const match = /^-?(\d+)(?:\.(\d+))?$/.exec(text)
    if (match === null) {
      const type = decimalTypeFor(node, text, isQuoted)
      this.#misfit(node, 'not a plain decimal number', type)
      return
    }
    const whole = (match[1] ?? '').replace(/^0+/, '').length
    const fraction = (match[2] ?? '').replace(/0+$/, '').length
    const fault =
      fraction > node.scale
        ? `more than ${node.scale} decimal places`
        : whole > node.precision - node.scale
          ? `more than ${node.precision - node.scale} digits before the point`
          : undefined
    if (fault !== undefined) this.#misfit(node, fault, decimalTypeFor(node, text, isQuoted))
    const isExactInDouble = text.length <= 15 && whole + node.scale <= 15
    if (!isQuoted && !isExactInDouble) this.#quoteNumber(start)
  }

  /** With lenient coercion the engine converts any value; a number keeps its digits on the way to it. */
  protected lenientDecimal(byte: number, depth: number): void {
    const start = this.pos
    if (byte !== MINUS && !isDigit(byte)) return this.anything(depth)
    this.number()
    this.#quoteNumber(start)
  }

  /** The engine reads a number token for a decimal through a double; a quoted one it reads digit by digit. */
  #quoteNumber(start: number): void {
    if (!this.isCopied) return
    this.edits.push({ at: start, until: start, bytes: quote })
    this.edits.push({ at: this.pos, until: this.pos, bytes: quote })
  }

  /** A timestamp as a number, or as a string of its digits. With lenient coercion the engine converts any other value. */
  protected epoch(node: ScanNode, byte: number, depth: number): void {
    const start = this.pos
    const isQuoted = byte === QUOTE
    const isNumber = byte === MINUS || isDigit(byte)
    if (isNumber) this.number()
    else if (isQuoted) this.string()
    else if (node.isLenientTimestamp) return this.anything(depth)
    else return this.failKind('a number', node.path)
    const token = isQuoted ? this.text(start).slice(1, -1) : this.text(start)
    const micros = microsOf(token, node.unit ?? 'unix_us')
    if (typeof micros === 'bigint') {
      this.micros = micros
      if (this.isCopied) this.edits.push({ at: start, until: this.pos, bytes: instantText(micros) })
    } else if (isQuoted && node.isLenientTimestamp) this.#mendTimestamp(start + 1, this.pos - 1)
    else this.fail(`${micros} in ${node.unit}: field ${node.path}`)
  }

  /** A text that the engine converts to a timestamp, if it is one. */
  protected lenientTimestamp(): void {
    const start = this.pos + 1
    this.string()
    this.#mendTimestamp(start, this.pos - 1)
  }

  /** The engine's parser wants seconds before a zone, and an upper-case Z. */
  #mendTimestamp(start: number, end: number): void {
    const { data } = this
    const lacksSeconds = end - start > 16 && !hasSeconds(data, start, end)
    const isLowerZ = data[end - 1] === 0x7a
    if (!lacksSeconds && !isLowerZ) return
    const isZoneless = isTimestamp(data, start, end, false) === undefined
    if (!isZoneless && isTimestamp(data, start, end, true) !== undefined) return
    if (lacksSeconds) this.edits.push({ at: start + 16, until: start + 16, bytes: zeroSeconds })
    if (isLowerZ) this.edits.push({ at: end - 1, until: end, bytes: upperZ })
  }

  /** Types that JSON writes as strings of a fixed grammar. */
  protected textOf(node: ScanNode, byte: number): void {
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
        if (this.isCopied) this.#mendTimestamp(start, end)
        return
      }
      case kinds.date:
        if (!isDate(data, start, end)) {
          const type = node.changeable?.isOpen === true ? ({ type: 'string' } as const) : undefined
          this.#misfit(node, 'not a date (YYYY-MM-DD)', type)
        }
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
}

/** As the engine parses it for both kinds of timestamp columns. */
function instantText(micros: bigint): Uint8Array {
  return Buffer.from(`"${formatTimestamp(micros)}Z"`)
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
