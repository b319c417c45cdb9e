/**
 * Reads the bytes of JSON records into a `Shape`, without building their values: a sample of large records
 * would otherwise cost many times its size in memory.
 */
import { isUtf8 } from 'node:buffer'
import { faultSignal, jsonBytes, JsonCursor, nestingDepthMax } from './json-cursor.ts'
import { isDate, isTimestamp } from './scalar-checks.ts'
import {
  countKind,
  mergeMembers,
  newShape,
  noteInteger,
  type Shape,
  type ValueKind,
} from './shape.ts'

const DIGIT_ONE = 0x31
const { QUOTE, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET } = jsonBytes

/**
 * Deeper keys get no column, and their records are dead letters: reading lists in lists from Parquet costs
 * DuckDB about twice the time for each level (measured with 1.5.5), so one record could make a table unreadable.
 */
export const inferredDepthMax = 16
/** The record itself is level 0, and a level more tells that something lies too deep. */
const observedDepthMax = inferredDepthMax + 1
/** Ten times the columns that a table may have; positions beyond them are not told apart. */
const shapesMax = 20_000

export class ShapeCursor extends JsonCursor {
  readonly #membersMax: number
  #shapeCount = 0

  /** Objects with more different keys than `membersMax` are kept as maps; the keys of the record itself never are. */
  constructor(membersMax = shapesMax) {
    super()
    this.#membersMax = membersMax
  }

  /** Adds the record data[start, end). False, with nothing added, when it is not one JSON object (J3). */
  observeRecord(shape: Shape, data: Uint8Array, start: number, end: number): boolean {
    if (this.faultOf(data, start, end) !== undefined || data[this.#open] !== OPEN_BRACE) {
      return false
    }
    this.pos = this.#open
    this.#value(shape, 0)
    return true
  }

  /** Why data[start, end) is not one JSON value without a repeated key. */
  faultOf(data: Uint8Array, start: number, end: number): string | undefined {
    this.data = data
    this.start = start
    this.pos = start
    this.end = end
    this.sawNonAscii = false
    this.newlines = []
    try {
      this.skipSpace()
      this.#open = this.pos
      this.anything(0)
      this.skipSpace()
      if (this.pos !== this.end) this.fail('bytes after the end of the json value')
      if (this.sawNonAscii && !isUtf8(data.subarray(start, end))) this.fail('invalid utf-8')
      return undefined
    } catch (error) {
      if (error !== faultSignal) throw error
      return this.fault
    }
  }
  #open = 0

  protected override anyObject(depth: number): void {
    const keys = new Set<string>()
    this.#eachMember(depth, (key) => {
      if (keys.has(key)) this.fail(`duplicate key ${key}`)
      keys.add(key)
      this.anything(depth)
    })
  }

  #value(shape: Shape, depth: number): void {
    const byte = this.byte()
    if (byte === OPEN_BRACE) {
      countKind(shape, 'object')
      if (depth > observedDepthMax) this.anything(depth)
      else this.#eachMember(depth + 1, (key) => this.#member(shape, key, depth))
    } else if (byte === OPEN_BRACKET) {
      countKind(shape, 'array')
      if (depth > observedDepthMax) this.anything(depth)
      else this.#elements(shape, depth)
    } else {
      const start = this.pos
      const kind = this.#scalar(byte)
      countKind(shape, kind)
      if (kind === 'long') noteInteger(shape, this.pos - start, byte === DIGIT_ONE)
    }
  }

  #member(shape: Shape, key: string, depth: number): void {
    const child = shape.values ?? shape.members.get(key) ?? this.#addShape()
    if (child === undefined) {
      this.anything(depth + 1)
      return
    }
    if (shape.values === undefined) shape.members.set(key, child)
    this.#value(child, depth + 1)
    if (depth > 0 && shape.members.size > this.#membersMax) {
      this.#shapeCount -= shape.members.size
      mergeMembers(shape)
    }
  }

  #elements(shape: Shape, depth: number): void {
    this.pos++
    this.skipSpace()
    if (this.byte() === CLOSE_BRACKET) {
      this.pos++
      return
    }
    shape.element ??= newShape()
    do this.#value(shape.element, depth + 1)
    while (!this.memberEnd(CLOSE_BRACKET))
  }

  #addShape(): Shape | undefined {
    return this.#shapeCount++ < shapesMax ? newShape() : undefined
  }

  #scalar(byte: number): ValueKind {
    const start = this.pos
    if (byte === QUOTE) {
      this.sawEscape = false
      this.string()
      return this.sawEscape ? 'string' : textKind(this.data, start + 1, this.pos - 1)
    }
    if (byte === 0x74 || byte === 0x66 || byte === 0x6e) {
      this.anything(0)
      return byte === 0x6e ? 'null' : 'boolean'
    }
    if (this.number() !== 0) return 'double'
    if (this.pos - start <= 18) return 'long'
    const value = BigInt(this.text(start))
    return BigInt.asIntN(64, value) === value ? 'long' : 'big integer'
  }

  /** Calls `take` with each key of the object at hand, at its value, which `take` reads. */
  #eachMember(depth: number, take: (key: string) => void): void {
    if (depth > nestingDepthMax) this.fail(`nested deeper than ${nestingDepthMax} levels`)
    this.pos++
    this.skipSpace()
    if (this.byte() === CLOSE_BRACE) {
      this.pos++
      return
    }
    do {
      const key = this.keyText()
      this.colon()
      take(key)
    } while (!this.memberEnd(CLOSE_BRACE))
  }
}

function textKind(data: Uint8Array, start: number, end: number): ValueKind {
  const length = end - start
  if (length < 10 || length > 35) return 'string'
  if (isDate(data, start, end)) return 'date'
  if (isTimestamp(data, start, end, true) === undefined) return 'timestamptz'
  return isTimestamp(data, start, end, false) === undefined ? 'timestamp' : 'string'
}
