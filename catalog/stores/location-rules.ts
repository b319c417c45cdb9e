/**
 * Where a table may put its files: below the warehouse, outside the catalog's own folder.
 *
 * Clients name locations at create, staged create, register and in property changes; a location that
 * leaves the warehouse would make the server read or delete what is not the table's
 * (CVE-2026-42809, CVE-2026-42812). Prefixes are compared by whole segments.
 */
import { ValidationError } from '../../common/index.ts'
import type { TableMetadata } from '../format/types.ts'
import { withoutSlash } from '../table/apply-update.ts'
import { tableProperties } from '../table/properties.ts'
import type { TableUpdate } from '../table/update.ts'
import { catalogFolder } from './object-names.ts'

/** Properties that say where files are written. */
const pathProperties = [
  tableProperties.dataPath.name,
  tableProperties.metadataPath.name,
  'write.object-storage.path',
  'write.folder-storage.path',
]

/** Throws ValidationError unless the folder of a table may be `location`. */
export function checkTableLocation(warehouse: string, location: string): void {
  checkBelow(warehouse, location, 'table location')
  if (isBelow(`${withoutSlash(warehouse)}/${catalogFolder}`, location)) {
    throw new ValidationError('a table cannot be in the folder of the catalog', {
      facts: { location },
    })
  }
}

/** Throws ValidationError when `next` or a file named by the updates is outside the table's folder. */
export function checkUpdateLocations(
  warehouse: string,
  base: TableMetadata | undefined,
  next: TableMetadata,
  updates: readonly TableUpdate[],
): void {
  if (next.location !== base?.location) checkTableLocation(warehouse, next.location)
  for (const property of pathProperties) {
    const path = next.properties[property]
    if (path !== undefined && path !== base?.properties[property]) {
      checkBelow(next.location, path, property)
    }
  }
  const homes = [next.location, ...(base === undefined ? [] : [base.location])]
  for (const file of updates.flatMap(filesNamed)) {
    if (homes.some((home) => isPlainlyBelow(home, file))) continue
    checkBelow(next.location, file, 'file named by the commit')
  }
}

/**
 * True when the object of this very name lies in the folder. Whatever characters the name has are its own,
 * because no store of ours decodes any: a file of the partition `Europe%2FBerlin` is the table's. Only what
 * might climb out of the folder is not, even if it had to be decoded to do so.
 */
export function isBelow(parent: string, location: string): boolean {
  const inside = plainLocation(location)
  const folder = `${plainLocation(parent)}/`
  if (!inside.startsWith(folder) || /\p{Cc}/u.test(inside)) return false
  if (inside.split(/[/\\]/).some((segment) => segment === '.' || segment === '..')) return false
  return !climbsOut(inside.slice(folder.length))
}

/** True when one of two locations is the other or lies in it. */
export function locationsOverlap(left: string, right: string): boolean {
  return (
    isBelow(left, right) || isBelow(right, left) || plainLocation(left) === plainLocation(right)
  )
}

/** One spelling for what engines spell in several ways: `s3a:` is `s3:`, `file:/x` is `file:///x`. */
export function plainLocation(location: string): string {
  return withoutSlash(location)
    .replace(/^s3[an]:/, 's3:')
    .replace(/^file:\/+/, 'file:///')
}

const decodingsMax = 4

/** True when a reader that decodes the characters of paths, several times even, might be led out of a folder. */
function climbsOut(path: string): boolean {
  let seen = path
  for (let times = 0; times < decodingsMax; times++) {
    if (leavesFolder(seen)) return true
    const decoded = seen.replaceAll(/%(25|2e|2f|5c)/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    if (decoded === seen) return false
    seen = decoded
  }
  return true
}

function leavesFolder(path: string): boolean {
  let depth = 0
  for (const segment of path.split(/[/\\]/)) {
    if (segment === '..') depth--
    else if (segment !== '' && segment !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

/** Of a location that a client chooses: nothing in it that an engine could read in another way. */
function isPlainlyBelow(parent: string, location: string): boolean {
  const isPlain = !/[\\?#*]|%(2e|2f|5c|00)/i.test(location)
  return (
    isPlain && /^[a-z][a-z0-9+.-]*:\/\//.test(plainLocation(location)) && isBelow(parent, location)
  )
}

function checkBelow(parent: string, location: string, what: string): void {
  if (isPlainlyBelow(parent, location)) return
  throw new ValidationError(`${what} must lie below its allowed folder`, {
    facts: { location, allowed: withoutSlash(parent) },
  })
}

function filesNamed(update: TableUpdate): readonly string[] {
  if (update.action === 'add-snapshot') {
    const { manifestList, manifests } = update.snapshot
    return [...(manifestList === undefined ? [] : [manifestList]), ...(manifests ?? [])]
  }
  if (update.action === 'set-statistics') return textOf(update.statistics['statistics-path'])
  if (update.action === 'set-partition-statistics') {
    return textOf(update.partitionStatistics['statistics-path'])
  }
  return []
}

function textOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : []
}
