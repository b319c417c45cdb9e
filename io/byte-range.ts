/** The part of an object that is read. */
import { ValidationError } from '../common/index.ts'

/** Half-open: bytes [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Clips a range to an object's size; a range that starts past the end is the caller's mistake. */
export function clipRange(range: ByteRange, sizeBytes: number, location: string): ByteRange {
  const { start, end } = checkRange(range, location)
  if (start > sizeBytes || (start === sizeBytes && end > start)) {
    throw new ValidationError('the range starts past the end of the object', {
      facts: { location, start, end, size: sizeBytes },
    })
  }
  return { start, end: Math.min(end, sizeBytes) }
}

/** Refuses a range that no object can satisfy. */
export function checkRange(range: ByteRange, location: string): ByteRange {
  const { start, end } = range
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new ValidationError('not a byte range', { facts: { location, start, end } })
  }
  return range
}
