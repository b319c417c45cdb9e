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
    if (!homes.some((home) => isBelow(home, file))) {
      checkBelow(next.location, file, 'file named by the commit')
    }
  }
}

export function isBelow(parent: string, location: string): boolean {
  const inside = canonical(location)
  if (inside === undefined) return false
  const outside = canonical(parent)
  return outside !== undefined && inside.startsWith(`${outside}/`)
}

/** True when one of two locations is the other or lies in it. */
export function locationsOverlap(left: string, right: string): boolean {
  return (
    isBelow(left, right) || isBelow(right, left) || plainLocation(left) === plainLocation(right)
  )
}

/** The canonical form of a location; an ambiguous one is returned as it is. */
export function plainLocation(location: string): string {
  return canonical(location) ?? location
}

function checkBelow(parent: string, location: string, what: string): void {
  if (isBelow(parent, location)) return
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

/** The canonical form of a location; undefined for an ambiguous one. */
function canonical(location: string): string | undefined {
  const text = withoutSlash(location)
    .replace(/^s3[an]:\/\//, 's3://')
    .replace(/^file:\/(?!\/)/, 'file:///')
  if (!/^[a-z][a-z0-9+.-]*:\/\//.test(text)) return undefined
  if (/[\\?#*\p{Cc}]|%(2e|2f|5c|00)/iu.test(text)) return undefined
  const segments = text.slice(text.indexOf('://') + 3).split('/')
  return segments.some((segment) => segment === '.' || segment === '..') ? undefined : text
}
