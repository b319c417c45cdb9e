/** A table in memory whose data files exist in name only: for tests of what commits do to manifests. */
import {
  type DataFile,
  type ManifestEntry,
  type ManifestFile,
  parsePartitionBy,
  type Schema,
  type Snapshot,
} from '../../catalog/format/index.ts'
import {
  type Catalog,
  commitAction,
  decorateCatalog,
  FastAppend,
  ManifestCache,
  ObjectStoreCatalog,
  readManifestEntries,
  readSnapshotManifests,
  type SnapshotOptions,
  type SnapshotTools,
  type Table,
  type TableCommit,
  type TransactionAction,
} from '../../catalog/index.ts'
import { planScan, snapshotByRef } from '../../catalog/scan/index.ts'
import { type Random, seededRandom } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { InstantClock } from './instant-clock.ts'

export const lakeTable = { namespace: ['db'], name: 't' }
export const lakeSchema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'id', required: true, type: { type: 'long' } },
    { id: 2, name: 'country', required: false, type: { type: 'string' } },
  ],
}

export interface CatalogLake {
  readonly io: MemoryFileIO
  readonly clock: InstantClock
  readonly random: Random
  readonly catalog: Catalog
  readonly tools: SnapshotTools
  load(): Promise<Table>
  commit<P>(action: TransactionAction<P>, through?: Catalog): Promise<Table>
  append(files: readonly DataFile[], options?: SnapshotOptions, through?: Catalog): Promise<Table>
  head(branch?: string): Promise<Snapshot>
  manifests(branch?: string): Promise<readonly ManifestFile[]>
  /** Entries of the branch's head, deleted ones too. */
  entries(branch?: string): Promise<readonly ManifestEntry[]>
  /** Paths of the active data files, sorted. */
  active(branch?: string): Promise<readonly string[]>
  /** By data file: the names of the delete files that a scan applies. */
  deletes(branch?: string): Promise<Readonly<Record<string, readonly string[]>>>
  /** Every object below the table's folder, sorted. */
  objects(): Promise<readonly string[]>
}

export async function openCatalogLake(
  properties: Readonly<Record<string, string>> = {},
): Promise<CatalogLake> {
  const clock = new InstantClock()
  const random = seededRandom(42)
  const io = new MemoryFileIO({ clock })
  const cache = new ManifestCache()
  const tools = { io, clock, random, cache }
  const catalog = new ObjectStoreCatalog({ io, warehouse: 'memory://w/lake', clock, random })
  await catalog.createNamespace(['db'])
  await catalog.createTable({
    identifier: lakeTable,
    schema: lakeSchema,
    partitionSpec: parsePartitionBy(['country'], lakeSchema),
    properties,
  })
  const lake: CatalogLake = {
    io,
    clock,
    random,
    catalog,
    tools,
    load: () => catalog.loadTable(lakeTable),
    commit: (action, through = catalog) => commitAction(through, lakeTable, action, tools),
    append: (files, options = {}, through = catalog) =>
      lake.commit(new FastAppend(tools, { files, ...options }), through),
    head: async (branch = 'main') => snapshotByRef((await lake.load()).metadata, branch),
    manifests: async (branch) => readSnapshotManifests(tools, await lake.head(branch)),
    entries: async (branch) => {
      const { metadata } = await lake.load()
      const manifests = await lake.manifests(branch)
      const read = manifests.map((one) => readManifestEntries(tools, metadata, one))
      return (await Promise.all(read)).flat()
    },
    active: async (branch) => {
      const entries = await lake.entries(branch)
      return entries
        .filter((entry) => entry.status !== 'deleted' && entry.dataFile.content === 'data')
        .map((entry) => entry.dataFile.filePath)
        .sort()
    },
    deletes: async (branch) => {
      const { snapshotId } = await lake.head(branch)
      const plan = await planScan(io, await lake.load(), { snapshotId })
      return Object.fromEntries(
        plan.tasks
          .filter((task) => task.deletes.length > 0)
          .map((task) => [task.file.filePath, task.deletes.map((file) => file.filePath)]),
      )
    },
    objects: async () => {
      const found: string[] = []
      for await (const { location } of io.list('memory://w/lake/db/t/')) found.push(location)
      return found.sort()
    },
  }
  return lake
}

let fileNumber = 0

/** A data file of ten rows in partition `at`. */
export function lakeFile(over: Partial<DataFile> = {}): DataFile {
  return {
    content: 'data',
    filePath: `memory://w/lake/db/t/data/${String(fileNumber++).padStart(6, '0')}.parquet`,
    fileFormat: 'PARQUET',
    specId: 0,
    partition: ['at'],
    recordCount: 10n,
    fileSizeInBytes: 100n,
    ...over,
  }
}

/** A catalog whose commits meet `commitTable` first: the place to plant a rival or a fault. */
export function withCommit(
  catalog: Catalog,
  commitTable: (commit: TableCommit, attempt: number) => Promise<Table>,
): Catalog {
  let attempt = 0
  return decorateCatalog(catalog, { commitTable: (commit) => commitTable(commit, ++attempt) })
}

/** Runs `rival` between the first attempt's reading of the table and its commit. */
export function withRival(catalog: Catalog, rival: () => Promise<unknown>): Catalog {
  return withCommit(catalog, async (commit, attempt) => {
    if (attempt === 1) await rival()
    return catalog.commitTable(commit)
  })
}
