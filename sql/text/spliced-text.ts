/**
 * A text made from another by replacing pieces of it, which still knows where each position came
 * from, so that an error in what DuckDB was given is shown in what the user wrote.
 */

export interface Replacement {
  /** UTF-16 range of the original that `text` replaces; empty range: an insertion. */
  readonly start: number
  readonly end: number
  readonly text: string
}

export interface SplicedText {
  readonly text: string
  /** The position in the original that the position in `text` stands for. */
  originalPosition(position: number): number
}

/** Applies non-overlapping replacements. */
export function splice(original: string, replacements: readonly Replacement[]): SplicedText {
  const ordered = [...replacements].sort((a, b) => a.start - b.start || a.end - b.end)
  const pieces: { readonly at: number; readonly from: number; readonly copied: boolean }[] = []
  let text = ''
  let consumed = 0
  for (const { start, end, text: inserted } of ordered) {
    pieces.push({ at: text.length, from: consumed, copied: true })
    text += original.slice(consumed, start)
    pieces.push({ at: text.length, from: start, copied: false })
    text += inserted
    consumed = end
  }
  pieces.push({ at: text.length, from: consumed, copied: true })
  text += original.slice(consumed)
  return {
    text,
    originalPosition: (position) => {
      const piece = pieces.findLast((candidate) => candidate.at <= position)
      if (piece === undefined) return position
      return piece.copied ? Math.min(piece.from + position - piece.at, original.length) : piece.from
    },
  }
}

/** DuckDB counts positions in UTF-8 bytes, JavaScript in UTF-16 units. */
export function utf16Position(text: string, bytePosition: number): number {
  return Buffer.from(text).subarray(0, bytePosition).toString().length
}
