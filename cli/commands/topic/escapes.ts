/** Backslash escapes in flags, which a shell hands over as they were typed: those that kcat and rpk both know. */
import { UsageError } from '../../frame/failure.ts'

const plain: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, '0': 0, '\\': 0x5c }

/** Throws UsageError for an escape that is none; a backslash at the end stands for itself. */
export function unescapeBytes(text: string, flag: string): Buffer {
  const pieces: Buffer[] = []
  for (const [piece] of text.matchAll(/\\x[0-9a-fA-F]{2}|\\.|[^\\]+|\\$/gs)) {
    if (!piece.startsWith('\\') || piece.length === 1) pieces.push(Buffer.from(piece))
    else if (piece.length === 4) pieces.push(Buffer.of(Number.parseInt(piece.slice(2), 16)))
    else {
      const byte = plain[piece.slice(1)]
      if (byte === undefined) {
        throw new UsageError(
          `unknown escape "${piece}" in ${flag} (\\n, \\r, \\t, \\0, \\x1f, \\\\ for a backslash)`,
        )
      }
      pieces.push(Buffer.of(byte))
    }
  }
  return Buffer.concat(pieces)
}
