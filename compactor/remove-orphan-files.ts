/**
 * Files in a table's folder that no snapshot, metadata file or statistics of it names: left behind by
 * crashes, lost races and unknown outcomes. A mistake here deletes data, so every doubt keeps the file.
 *
 * Invariants (docs/spec/compaction.md): the storage is listed before the references are read, and the
 * references once more before anything is deleted (K9); nothing younger than the age limit goes, and
 * the limit is a day at least (K10); only the table's own folder is looked at, never `_catalog`, hidden
 * files or the folder of another table inside it (K11); what Hadoop's catalog reads there stays, and
 * nothing goes while it still writes the table (K16).
 */
import {
  type Catalog,
  deleteFiles,
  type FileLeft,
  isBelow,
  listReachableFiles,
  ManifestCache,
  plainLocation,
  type Table,
} from '../catalog/index.ts'
import { formatIdentifier, type TableIdentifier } from '../catalog/format/index.ts'
import { propertyOf, tableProperties } from '../catalog/table/index.ts'
import { type Clock, NotFoundError, ValidationError } from '../common/index.ts'
import type { FileIO, ObjectInfo } from '../io/index.ts'
import { allTables } from './all-tables.ts'
import { isHadoopFile, refuseHadoopWriter } from './hadoop-tables.ts'

export interface OrphanTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly clock: Clock
}

export interface OrphanRequest {
  /** Only files that were last changed at least this long ago; a day or more. Default: three days. */
  readonly olderThanMs?: number
  /** True: deletes the files. Otherwise they are only reported. */
  readonly execute?: boolean
  /** Ends the listing, or the deleting between two requests, with its reason. */
  readonly signal?: AbortSignal
}

export interface OrphanReport {
  /** Those that were deleted, or would be. */
  readonly orphans: readonly ObjectInfo[]
  /** Orphans that the store did not delete. */
  readonly left: readonly FileLeft[]
  readonly sizeBytes: number
  readonly filesListed: number
  /** Files that are no orphans only because they are young. */
  readonly filesTooYoung: number
  readonly isDryRun: boolean
}

export const orphanAgeMsMin = 86_400_000
export const orphanAgeMsDefault = 3 * orphanAgeMsMin

/** Names are held in memory; a folder with more is swept in several runs. */
const candidatesMax = 1_000_000

export async function removeOrphanFiles(
  tools: OrphanTools,
  identifier: TableIdentifier,
  request: OrphanRequest = {},
): Promise<OrphanReport> {
  const ageMs = request.olderThanMs ?? orphanAgeMsDefault
  checkOrphanAge(ageMs)
  const first = await tools.catalog.loadTable(identifier)
  refuseWithoutGc(first)
  const foreign = await foreignFolders(tools.catalog, first)
  const listed = await listFolder(tools, first.metadata.location, foreign, ageMs, request.signal)
  await refuseHadoopWriter(tools.io, first, listed.hadoop)
  const cache = new ManifestCache()
  const now = await loadSame(tools.catalog, first)
  let orphans = await withoutReachable(tools.io, now, listed.old, cache)
  let left: readonly FileLeft[] = []
  if (request.execute === true && orphans.length > 0) {
    const head = await loadSame(tools.catalog, first)
    if (head.metadataLocation !== now.metadataLocation) {
      orphans = await withoutReachable(tools.io, head, orphans, cache)
    }
    const locations = orphans.map(({ location }) => location)
    left = (await deleteFiles(tools.io, locations, request.signal)).left
    const stays = new Set(left.map(({ location }) => location))
    orphans = orphans.filter(({ location }) => !stays.has(location))
  }
  return {
    orphans,
    left,
    sizeBytes: orphans.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    filesListed: listed.count,
    filesTooYoung: listed.young,
    isDryRun: request.execute !== true,
  }
}

/** Throws ValidationError. */
export function checkOrphanAge(ageMs: number): void {
  if (ageMs < orphanAgeMsMin) {
    throw new ValidationError(
      'files younger than a day may belong to a commit under way: give a day or more',
      { facts: { 'older-than-ms': ageMs, 'least-ms': orphanAgeMsMin } },
    )
  }
}

function refuseWithoutGc({ identifier, metadata }: Table): void {
  if (propertyOf(metadata.properties, tableProperties.allowsGc)) return
  throw new ValidationError('the table property gc.enabled=false forbids removing files', {
    facts: { table: formatIdentifier(identifier) },
  })
}

/** Loads the table again; a table that was dropped and created again under the name has other files. */
async function loadSame(catalog: Catalog, first: Table): Promise<Table> {
  const table = await catalog.loadTable(first.identifier)
  if (
    table.metadata.tableUuid === first.metadata.tableUuid &&
    table.metadata.location === first.metadata.location
  ) {
    return table
  }
  throw new NotFoundError(
    'the table was dropped and created again, or moved, while its files were listed',
    {
      facts: { table: formatIdentifier(first.identifier) },
    },
  )
}

/** Folders of other tables inside this one's. Throws ValidationError when this one lies in another table's. */
async function foreignFolders(catalog: Catalog, own: Table): Promise<readonly string[]> {
  const folder = folderOf(own.metadata.location)
  const inside: string[] = []
  for await (const identifier of allTables(catalog)) {
    if (formatIdentifier(identifier) === formatIdentifier(own.identifier)) continue
    const other = folderOf((await catalog.loadTable(identifier)).metadata.location)
    if (folder.startsWith(other)) {
      throw new ValidationError(
        "the table lies in another table's folder, so nothing shows which of the two a file belongs to",
        { facts: { table: formatIdentifier(own.identifier), other: formatIdentifier(identifier) } },
      )
    }
    if (other.startsWith(folder)) inside.push(other)
  }
  return inside
}

interface ListedFolder {
  readonly old: ObjectInfo[]
  /** Those that Hadoop's catalog reads. */
  readonly hadoop: string[]
  readonly count: number
  readonly young: number
}

async function listFolder(
  { clock, io }: OrphanTools,
  location: string,
  foreign: readonly string[],
  ageMs: number,
  signal: AbortSignal | undefined,
): Promise<ListedFolder> {
  const folder = location.replace(/\/*$/, '/')
  const before = clock.now() - ageMs
  const old: ObjectInfo[] = []
  const hadoop: string[] = []
  let count = 0
  let young = 0
  for await (const info of io.list(folder)) {
    signal?.throwIfAborted()
    if (!isOwn(info.location, folder, foreign)) continue
    count++
    if (isHadoopFile(info.location)) hadoop.push(info.location)
    else if (info.modifiedMs >= before) young++
    else if (old.length < candidatesMax) old.push(info)
  }
  return { old, hadoop, count, young }
}

/** Hidden names belong to other tools; the folder of a partition may begin with an underscore. */
function isOwn(location: string, folder: string, foreign: readonly string[]): boolean {
  if (!isBelow(folder, location)) return false
  const plain = plainLocation(location)
  if (foreign.some((other) => plain.startsWith(other))) return false
  const segments = location.slice(folder.length).split('/')
  return segments.every((segment) => !/^[._]/.test(segment) || segment.includes('='))
}

async function withoutReachable(
  io: FileIO,
  table: Table,
  files: readonly ObjectInfo[],
  cache: ManifestCache,
): Promise<readonly ObjectInfo[]> {
  if (files.length === 0) return files
  const reached = new Set<string>()
  for (const path of await listReachableFiles({ io, cache }, table)) {
    reached.add(plainLocation(path))
  }
  return files.filter(({ location }) => !reached.has(plainLocation(location)))
}

function folderOf(location: string): string {
  return `${plainLocation(location)}/`
}
