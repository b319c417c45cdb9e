/**
 * Names of a query into tables of the catalog, and into their metadata tables
 * (`"t$snapshots"` as Trino has it, `t.snapshots` as Spark has it).
 */
import { type Catalog, loadTableIfExists, type Table } from '../../catalog/index.ts'
import {
  formatIdentifier,
  formatNamespace,
  type Namespace,
  type TableIdentifier,
} from '../../catalog/format/index.ts'
import { NotFoundError, ValidationError } from '../../common/index.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import { nearestNames } from './nearest-names.ts'

/** `"t$batch"` is what snapshots have, `"t$live"` what they have not yet, `t` is both. */
export type Layer = 'both' | 'batch' | 'live'

export interface ResolvedName {
  readonly table: Table
  readonly layer: Layer
  /** Kind of metadata table, such as `snapshots`; undefined for the table itself. */
  readonly metadataKind: string | undefined
}

export interface NameResolver {
  /** `parts` as written, one to three. The same table is loaded once, so one query sees one state of it. */
  resolve(parts: readonly string[]): Promise<ResolvedName>
  /** The table as every reference of the query sees it; undefined when there is none. */
  readonly load: (identifier: TableIdentifier) => Promise<Table | undefined>
  /** What a dotted name can mean, the likelier first. */
  identifiers(parts: readonly string[]): readonly TableIdentifier[]
}

export interface NameResolverOptions {
  readonly catalog: Catalog
  readonly defaultNamespace: Namespace | undefined
  readonly metadataKinds: readonly string[]
}

/** At most so many tables are listed for a suggestion, so that a large catalog does not delay the error. */
const namesMax = 2000

export function nameResolver(options: NameResolverOptions): NameResolver {
  const loaded = new Map<string, Promise<Table | undefined>>()
  const load = (identifier: TableIdentifier): Promise<Table | undefined> => {
    const key = JSON.stringify([identifier.namespace, identifier.name])
    const table = loaded.get(key) ?? loadIfNamed(options.catalog, identifier)
    loaded.set(key, table)
    return table
  }
  return {
    load,
    identifiers: (parts) => identifiers(parts, options.defaultNamespace),
    resolve: async (parts) => {
      const name = parts.at(-1) ?? ''
      const [, base = '', kind = ''] = /^(.+)\$([^$]+)$/s.exec(name) ?? []
      const tableParts = base === '' ? parts : [...parts.slice(0, -1), base]
      for (const identifier of identifiers(tableParts, options.defaultNamespace)) {
        const table = await load(identifier)
        if (table === undefined) continue
        if (base === '') return { table, layer: 'both', metadataKind: undefined }
        const layer = kind.toLowerCase()
        if (layer === 'batch' || layer === 'live') return { table, layer, metadataKind: undefined }
        const metadataKind = checkKind(kind, identifier, options.metadataKinds)
        return { table, layer: 'batch', metadataKind }
      }
      const suffix = tableParts.at(-1)?.toLowerCase() ?? ''
      if (base === '' && parts.length > 1 && options.metadataKinds.includes(suffix)) {
        for (const identifier of identifiers(parts.slice(0, -1), options.defaultNamespace)) {
          const table = await load(identifier)
          if (table !== undefined) return { table, layer: 'batch', metadataKind: suffix }
        }
      }
      throw await notFound(options, tableParts, base === '' ? undefined : kind)
    },
  }
}

/** What a dotted name can mean, the likelier first. A dot inside quotes also separates namespaces. */
function identifiers(
  parts: readonly string[],
  defaultNamespace: Namespace | undefined,
): readonly TableIdentifier[] {
  const name = parts.at(-1) ?? ''
  const namespace = parts.slice(0, -1)
  if (namespace.length === 0) {
    return defaultNamespace === undefined ? [] : [{ namespace: defaultNamespace, name }]
  }
  const meanings: TableIdentifier[] = [{ namespace, name }]
  const levels = namespace.flatMap((part) => part.split('.'))
  if (levels.length !== namespace.length) meanings.push({ namespace: levels, name })
  return meanings
}

async function loadIfNamed(
  catalog: Catalog,
  identifier: TableIdentifier,
): Promise<Table | undefined> {
  try {
    return await loadTableIfExists(catalog, identifier)
  } catch (error) {
    // No table has a name that the catalog does not accept.
    if (error instanceof ValidationError) return undefined
    throw error
  }
}

function checkKind(kind: string, identifier: TableIdentifier, kinds: readonly string[]): string {
  const lowerCase = kind.toLowerCase()
  if (kinds.includes(lowerCase)) return lowerCase
  const existing = [...kinds, 'batch', 'live']
  throw new NotFoundError(
    `there is no metadata table $${kind}; there are $${existing.join(', $')}`,
    {
      facts: { table: formatIdentifier(identifier) },
    },
  )
}

/** `kind`: the part of the name after its `$`. */
async function notFound(
  options: NameResolverOptions,
  parts: readonly string[],
  kind: string | undefined,
): Promise<Error> {
  const written = parts.join('.')
  const tables = await catalogTables(options.catalog)
  const meant = tables.find((identifier) => formatIdentifier(identifier) === written)
  if (meant !== undefined && parts.some((part) => part.includes('.'))) {
    return dotInQuotes(parts, meant, kind)
  }
  const full = tables.map(formatIdentifier)
  const name = parts.at(-1) ?? ''
  const sameName = tables.filter(
    (identifier) => identifier.name.toLowerCase() === name.toLowerCase(),
  )
  const near =
    sameName.length > 0 ? sameName.slice(0, 3).map(formatIdentifier) : nearestNames(written, full)
  const hint =
    near.length > 0
      ? `; did you mean ${near.join(' or ')}?`
      : full.length === 0
        ? '; the catalog has no tables'
        : `; SHOW TABLES lists the ${full.length} there are`
  const unqualified =
    parts.length === 1 && options.defaultNamespace === undefined
      ? ' (a name without a namespace needs USE first)'
      : ''
  return new NotFoundError(`there is no table ${written}${unqualified}${hint}`)
}

/** `"web.ev$files"` is one name with a dot in it, where `web."ev$files"` was meant. */
function dotInQuotes(
  parts: readonly string[],
  meant: TableIdentifier,
  kind: string | undefined,
): Error {
  const suffix = kind === undefined ? '' : `$${kind}`
  const asWritten = [...parts.slice(0, -1), `${parts.at(-1) ?? ''}${suffix}`].map(nameText)
  const right = [...meant.namespace, `${meant.name}${suffix}`].map(nameText)
  return new NotFoundError(
    `there is no table ${asWritten.join('.')}: the dot stands inside the quotes; write ${right.join('.')}`,
  )
}

/** Quoted where SQL needs it. */
function nameText(name: string): string {
  return /^[a-z_]\w*$/i.test(name) ? name : quoteIdentifier(name)
}

/** All tables of the catalog, up to a bound. */
export async function catalogTables(catalog: Catalog): Promise<readonly TableIdentifier[]> {
  const tables: TableIdentifier[] = []
  for (const namespace of await catalogNamespaces(catalog)) {
    if (tables.length >= namesMax) break
    tables.push(...(await catalog.listTables(namespace)))
  }
  return tables.slice(0, namesMax)
}

/** All namespaces, parents before their children, up to a bound. */
export async function catalogNamespaces(catalog: Catalog): Promise<readonly Namespace[]> {
  const namespaces: Namespace[] = []
  const visit = async (parent: Namespace | undefined): Promise<void> => {
    for (const namespace of await catalog.listNamespaces(parent)) {
      if (namespaces.length >= namesMax) return
      namespaces.push(namespace)
      await visit(namespace)
    }
  }
  await visit(undefined)
  return namespaces.sort((a, b) => (formatNamespace(a) < formatNamespace(b) ? -1 : 1))
}
