/**
 * Locations: the absolute names of objects, as Iceberg metadata spells them.
 *
 * They are plain strings, not URLs: nothing is percent-decoded, because a table written by another
 * engine may hold `%` in a key and means it literally.
 */
import { ValidationError } from '../common/index.ts'

export interface Location {
  readonly scheme: string
  /** The bucket, or the name of a memory store; empty for local files. */
  readonly authority: string
  /** The key without a leading slash; the absolute path for local files. */
  readonly path: string
}

/** Takes a location apart; `file:/x` and `file:///x` are the same. */
export function parseLocation(location: string): Location {
  const match = /^([a-z][a-z0-9]*):(\/\/([^/]*))?(\/.*)?$/s.exec(location)
  const scheme = match?.[1]
  if (match === null || scheme === undefined) {
    throw new ValidationError(
      'not a location: expected s3://bucket/key, file:///dir/name or memory://name/key',
      { facts: { location } },
    )
  }
  if (hasControlCharacter(location)) {
    throw new ValidationError('a location must not hold control characters', {
      facts: { location: JSON.stringify(location) },
    })
  }
  const authority = match[3] ?? ''
  const path = match[4] ?? ''
  if (scheme === 'file') return { scheme, authority, path }
  return { scheme, authority, path: path.slice(1) }
}

/** The scheme alone, without judging the rest. */
export function locationScheme(location: string): string {
  const end = location.indexOf(':')
  return end < 0 ? '' : location.slice(0, end)
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}
