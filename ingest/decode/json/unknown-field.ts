/** What the value of a field that the schema lacks says of a column for it. */
import { jsonBytes } from './json-cursor.ts'
import { ShapeCursor } from './shape-cursor.ts'

const { OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA, COLON, QUOTE } = jsonBytes
const BACKSLASH = 0x5c
const LETTER_N = 0x6e
const neutral: readonly number[] = [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA]
const cursor = new ShapeCursor()

/** `value` is the JSON of the field at `path`, well-formed. Undefined when a column could keep it. */
export function repeatedKeyFault(path: string, value: Uint8Array): string | undefined {
  const first = value[0]
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return undefined
  // Of two members of one name no column could keep both.
  const inside = cursor.faultOf(value, 0, value.length)
  return inside === undefined ? undefined : `field ${path}: ${inside}`
}

/**
 * Whether a JSON value has nothing that a column could keep: an empty array or object, or one in which there
 * are only such and nulls. `value` is well-formed.
 */
export function holdsNothing(value: Uint8Array): boolean {
  const first = value[0]
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return false
  let pos = 0
  while (pos < value.length) {
    const byte = value[pos] as number
    if (byte === QUOTE) {
      pos = endOfKey(value, pos)
      if (pos < 0) return false
    } else if (byte === LETTER_N) pos += 'null'.length
    else if (byte <= 0x20 || neutral.includes(byte)) pos++
    else return false
  }
  return true
}

/** Position after the string at `pos` and its colon; -1 when no colon follows: it is a value. */
function endOfKey(value: Uint8Array, pos: number): number {
  let end = pos + 1
  while (value[end] !== QUOTE) end += value[end] === BACKSLASH ? 2 : 1
  do end++
  while ((value[end] as number) <= 0x20)
  return value[end] === COLON ? end + 1 : -1
}
