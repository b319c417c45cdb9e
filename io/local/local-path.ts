/**
 * `file:///…` locations to paths and back.
 *
 * A location names exactly one path: what could climb out of a directory (`..`), name one path in
 * two ways (`.`, `//`), or meet our own bookkeeping is refused.
 */
import { ValidationError } from '../../common/index.ts'
import { parseLocation } from '../location.ts'
import { temporaryPrefix } from './durable-file.ts'
import { chainSuffix } from './version-chain.ts'

export function localPath(location: string, root: string | undefined): string {
  const { scheme, authority, path } = parseLocation(location)
  if (scheme !== 'file' || (authority !== '' && authority !== 'localhost') || path === '') {
    throw new ValidationError('expected file:///dir/name', { facts: { location } })
  }
  const segments = path.slice(1).split('/')
  const bad = segments.find((name) => name === '..' || name === '.' || name === '')
  // The root directory itself has one empty segment and can be listed.
  if (bad !== undefined && path !== '/') {
    throw new ValidationError('a location must not hold empty, . or .. segments', {
      facts: { location },
    })
  }
  const hidden = segments.find(isHiddenName)
  if (hidden !== undefined) {
    throw new ValidationError('this name is reserved for bookkeeping', {
      facts: { location, name: hidden },
    })
  }
  if (root !== undefined && path !== root && !path.startsWith(`${root}/`)) {
    throw new ValidationError('the location lies outside the allowed directory', {
      facts: { location, root },
    })
  }
  return path
}

export function pathLocation(path: string): string {
  return `file://${path}`
}

/** Names that hold no object: version chains and files still being written. */
export function isHiddenName(name: string): boolean {
  return name.endsWith(chainSuffix) || name.startsWith(temporaryPrefix)
}
