/** Maintenance of a lake: an engine of its own within limits, and the loop that runs by itself. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { currentSchema, type TableIdentifier } from '../catalog/format/index.ts'
import type { Expression } from '../catalog/scan/index.ts'
import { openOwnDirectory } from '../common/index.ts'
import type {
  CompactorTools,
  MaintenanceLoop,
  RewriteReport,
  RewriteRequest,
} from '../compactor/index.ts'
import type { Lake } from './lake.ts'
import { requireSafeStore } from './safe-store.ts'

export interface LakeCompactor {
  /** Throws as `rewriteTable` does. */
  rewrite(table: TableIdentifier, request: RewriteRequest): Promise<RewriteReport>
  /** A condition in SQL as the filter of a rewrite. Throws ValidationError where it cannot be one. */
  filterOf(table: TableIdentifier, where: string): Promise<Expression>
  /** The loop over every table, or over those given. Not started; `stop` it before `close`. */
  maintenanceLoop(tables?: readonly TableIdentifier[]): MaintenanceLoop
  close(): Promise<void>
}

export interface CompactorOptions {
  /** Inputs and results of a rewrite go below; default: the system's temporary directory. */
  readonly workDirectory?: string
  /** Of the engine; default: one per core. */
  readonly threads?: number
  readonly signal?: AbortSignal
}

/** A snapshot must not expire while a reader still reads it. */
const snapshotAgeMsMin = 600_000
const intervalMsMin = 1_000

/** Throws for a store that would lose commits. */
export async function openCompactor(
  lake: Lake,
  options: CompactorOptions = {},
): Promise<LakeCompactor> {
  await requireSafeStore(lake)
  const { createDataFileRewriter, openDatabase, tableFilter } = await import('../sql/index.ts')
  const { MaintenanceLoop, rewriteTable } = await import('../compactor/index.ts')
  const directory = await openOwnDirectory('tidewater-compactor', options.workDirectory)
  const database = await openDatabase({
    memoryLimitBytes: lake.settings.memoryBytesMax,
    tempDirectory: join(directory, 'spill'),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  })
  const { catalog, clock, io, logger, random } = lake
  const tools: CompactorTools = {
    catalog,
    clock,
    io,
    logger,
    random,
    rewriter: createDataFileRewriter(database),
    workDirectory: join(directory, 'rewrites'),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
  return {
    rewrite: (table, request) => rewriteTable(tools, table, request),
    filterOf: async (table, where) => {
      const { metadata } = await catalog.loadTable(table)
      return tableFilter(database, currentSchema(metadata), where)
    },
    maintenanceLoop: (tables) => {
      const { intervalMs, snapshotsMax } = lake.settings.maintenance
      const policy = { intervalMs: Math.max(intervalMs, intervalMsMin), snapshotsMax }
      return new MaintenanceLoop(tools, { ...policy, snapshotAgeMsMin }, tables)
    },
    close: async () => {
      database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
