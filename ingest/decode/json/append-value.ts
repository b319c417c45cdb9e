/** Appends JSON values, which the row scanner has checked to be exact for their columns, to columns of a spool. */
import { appendBytes, appendRange, type ColumnBuffer } from '../../spool/column-buffer.ts'
import { ColumnKind } from '../../spool/column-layout.ts'
import type { SpoolBuffer } from '../../spool/spool-buffer.ts'
import {
  exactPowers,
  latin1,
  writeBigint,
  writeLong,
  writeSafe,
  writeTimestamp,
} from './token-values.ts'

// Constants of this module, because an imported binding is not folded into hot code.
const { boolean: BOOLEAN, int: INT, long: LONG, float: FLOAT, double: DOUBLE } = ColumnKind
const { timestamp: TIMESTAMP, timestamptz: TIMESTAMPTZ, binary: BINARY } = ColumnKind
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** `value` without its point, which stands `decimals` digits from the end. Both are exact as doubles. */
export function appendNumber(column: ColumnBuffer, value: number, decimals: number): void {
  const at = column.count++
  switch (column.kind) {
    case LONG:
      writeSafe(column.words, 2 * at, value)
      return
    case INT:
      column.words[at] = value
      return
    case DOUBLE:
      column.doubles[at] = decimals === 0 ? value : value / (exactPowers[decimals] as number)
      return
    case FLOAT:
      column.floats[at] = decimals === 0 ? value : value / (exactPowers[decimals] as number)
      return
    default:
      throw new Error(`assertion failed: no number column ${column.name}`)
  }
}

/** Microseconds since the epoch. */
export function appendMicros(column: ColumnBuffer, micros: bigint): void {
  writeBigint(column.words, 2 * column.count++, micros)
}

/** data[start, end) is a whole JSON token, checked and not null. */
export function appendToken(
  column: ColumnBuffer,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  const at = column.count++
  switch (column.kind) {
    case LONG:
      writeLong(column.words, 2 * at, data, start, end)
      return
    case INT:
      column.words[at] = Number(latin1(data, start, end))
      return
    case DOUBLE:
      column.doubles[at] = Number(latin1(data, start, end))
      return
    case FLOAT:
      column.floats[at] = Number(latin1(data, start, end))
      return
    case TIMESTAMP:
    case TIMESTAMPTZ:
      writeTimestamp(column.words, 2 * at, data, start + 1, end - 1)
      return
    case BOOLEAN:
      column.bytes[at] = data[start] === 0x74 ? 1 : 0
      return
    case BINARY:
      column.lastStart = column.text.length
      appendBytes(column.text, Buffer.from(latin1(data, start + 1, end - 1), 'base64'))
      return
    default:
      column.lastStart = column.text.length
      appendCharacters(column.text, data, start, end)
  }
}

/** A number as it stands, a string without its quotes and escapes. */
function appendCharacters(text: SpoolBuffer, data: Uint8Array, start: number, end: number): void {
  if (data[start] !== QUOTE) appendRange(text, data, start, end)
  else if (hasEscape(data, start, end)) appendBytes(text, unescaped(data, start, end))
  else appendRange(text, data, start + 1, end - 1)
}

function hasEscape(data: Uint8Array, start: number, end: number): boolean {
  for (let pos = start; pos < end; pos++) if (data[pos] === BACKSLASH) return true
  return false
}

function unescaped(data: Uint8Array, start: number, end: number): Uint8Array {
  const text = Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('utf8')
  return Buffer.from(JSON.parse(text) as string, 'utf8')
}
