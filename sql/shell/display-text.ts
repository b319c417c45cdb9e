/**
 * Text for a terminal: how wide it is, and nothing in it that the terminal would obey. Values come
 * from topics and tables of anyone, so control characters are shown, not sent.
 */

const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
]

/** Columns that the text takes on a terminal. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

/** Control characters as escapes, direction marks as their code points. */
export function visibleText(text: string): string {
  if (!/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text)) return text
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
    const code = char.codePointAt(0) ?? 0
    // The zero width joiner holds emoji together and moves nothing.
    if (code === 0x200d) return char
    return escapes[char] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`)
  })
}

/** Cuts to `width` columns, the last of them an ellipsis. */
export function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const char of text) {
    const next = charWidth(char)
    if (used + next > width - 1) break
    kept += char
    used += next
  }
  return `${kept}…`
}

export function pad(text: string, width: number, align: 'left' | 'right' | 'center'): string {
  const space = Math.max(0, width - displayWidth(text))
  if (align === 'right') return ' '.repeat(space) + text
  if (align === 'left') return text + ' '.repeat(space)
  const before = space >> 1
  return ' '.repeat(before) + text + ' '.repeat(space - before)
}

function charWidth(char: string): number {
  const code = char.codePointAt(0) ?? 0
  if (/\p{Mn}|\p{Me}|\u200d|[\ufe00-\ufe0f]/u.test(char)) return 0
  return wide.some(([from, to]) => code >= from && code <= to) ? 2 : 1
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0')
}
