/**
 * A cursor with the scalar columns of a schema: it checks whether a column keeps the number or text at its
 * position exactly.
 */
import { JsonCursor, jsonBytes } from './json-cursor.ts'
import { isBase64, isDate, isTime, isTimestamp, isUuid, numberFault } from './scalar-checks.ts'
import { NodeKind, type ScanNode } from './scan-plan.ts'

const { QUOTE, MINUS } = jsonBytes
const kinds = NodeKind

export class ScalarCursor extends JsonCursor {
  /** Positions in the source, in pairs: number tokens that must be quoted for an exact decimal. */
  protected quotes: number[] = []

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

  protected decimal(node: ScanNode, byte: number): void {
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
    if (!isQuoted && text.length > 15) this.quotes.push(start, this.pos)
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
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
