/**
 * Shortening of bounds for manifests (property `write.metadata.metrics.*`, mode `truncate(n)`).
 *
 * Strings shorten by code point and bytes by byte. A shortened lower bound is still a lower bound; a
 * shortened upper bound must grow by one in its last place, or be left out where that is impossible
 * (iceberg-facts 27 and 29).
 */
import { firstCodePoints } from '../format/transform.ts'

const lastCodePoint = 0x10ffff
const firstSurrogate = 0xd800
const lastSurrogate = 0xdfff

export function truncateStringLower(text: string, width: number): string {
  return firstCodePoints(text, width)
}

/** The least string of at most `width` code points above every string that `text` bounds. */
export function truncateStringUpper(text: string, width: number): string | undefined {
  const prefix = firstCodePoints(text, width)
  if (prefix.length === text.length) return text
  const points = Array.from(prefix, (sign) => sign.codePointAt(0) ?? 0)
  for (let index = points.length - 1; index >= 0; index--) {
    const next = nextCodePoint(points[index] ?? lastCodePoint)
    if (next !== undefined) {
      return String.fromCodePoint(...points.slice(0, index), next)
    }
  }
  return undefined
}

export function truncateBinaryLower(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.slice(0, width)
}

export function truncateBinaryUpper(bytes: Uint8Array, width: number): Uint8Array | undefined {
  if (bytes.length <= width) return bytes
  for (let index = width - 1; index >= 0; index--) {
    const byte = bytes[index] ?? 0xff
    if (byte < 0xff) return Uint8Array.of(...bytes.slice(0, index), byte + 1)
  }
  return undefined
}

/** Skips surrogates, because a well-formed string has none as code points. */
function nextCodePoint(point: number): number | undefined {
  if (point >= lastCodePoint) return undefined
  const next = point + 1
  return next >= firstSurrogate && next <= lastSurrogate ? lastSurrogate + 1 : next
}
