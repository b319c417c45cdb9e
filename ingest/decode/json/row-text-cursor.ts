/**
 * The text of a scanned record as it is spooled, for the engine to parse: byte for byte, but for the edits that
 * the scan has found necessary.
 */
import type { SpoolBuffer } from '../../spool/spool-buffer.ts'
import { jsonBytes } from './json-cursor.ts'
import { ScalarCursor } from './scalar-cursor.ts'

const { COMMA, OPEN_BRACE } = jsonBytes

export class RowTextCursor extends ScalarCursor {
  /** Whether `copyTo` changes anything in the text of the last record. */
  isTextChanged = false
  /** Position of the record's opening brace. */
  protected open = 0
  /** Whether it has no member. */
  protected isEmpty = false
  /** Keys in front of the record, and one that is none of them and no column. */
  #takenKeys: ReadonlySet<string> = new Set()
  #unusedKey = ''

  /**
   * Appends the record that was good just now as one line of JSON. `prefix` comes right after the
   * opening brace (the record's coordinates), without a comma, and `member` after it. Raw line
   * ends, which only stand between tokens, become spaces, long decimals are quoted, what is left out is null,
   * and keys have the names of their columns.
   */
  copyTo(out: SpoolBuffer, prefix: Uint8Array, prefixLength: number, member?: Uint8Array): void {
    const open = this.open
    const length = this.end - open
    out.reserve(length + prefixLength + 4 + (member?.length ?? 0) + 4 * this.edits.length)
    out.byte(OPEN_BRACE)
    out.head(prefix, prefixLength)
    if (member !== undefined) {
      out.byte(COMMA)
      out.text(member, 0, member.length)
    }
    if (!this.isEmpty && prefixLength > 0) out.byte(COMMA)
    const base = out.length - (open + 1)
    let from = open + 1
    for (const { at, until, bytes } of this.edits) {
      out.text(this.data, from, at)
      for (const byte of bytes) out.byte(byte)
      from = until
    }
    out.text(this.data, from, this.end)
    for (const at of this.newlines) {
      if (at < open || at >= this.end) continue
      out.overwrite(base + at + this.#shiftAt(at), 0x20)
    }
    out.byte(0x0a)
    out.endRow()
  }

  /** How far the edits move the byte at this position of the record. */
  #shiftAt(position: number): number {
    let shift = 0
    for (const { at, until, bytes } of this.edits) {
      if (at <= position) shift += bytes.length - (until - at)
    }
    return shift
  }

  /** No key of a record, whose columns have these names, repeats one of `keys`: the engine would refuse the row. */
  protected avoidKeys(keys: ReadonlySet<string>, columns: readonly string[]): void {
    const names = new Set(columns.map((name) => name.toLowerCase()))
    let unused = '$x'
    while (names.has(unused) || keys.has(unused)) unused = `$${unused}`
    this.#takenKeys = keys
    this.#unusedKey = JSON.stringify(unused)
  }

  /** The key, of which no column has the name, stands at data[start, end). */
  protected avoidKey(key: string, start: number, end: number): void {
    if (this.#takenKeys.has(key)) this.replaceText(start, end, this.#unusedKey)
  }

  protected replaceText(at: number, until: number, text: string): void {
    this.edits.push({ at, until, bytes: Buffer.from(text) })
  }

  /** The record's text is spooled as if its value from `start` on were null: a column may come before it is parsed. */
  protected setNull(start: number): void {
    while ((this.newlines.at(-1) ?? -1) >= start) this.newlines.pop()
    this.replaceText(start, this.pos, 'null')
  }
}
