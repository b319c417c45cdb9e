/**
 * The query engine for users who are not trusted: planned here, run in a locked-down child
 * (docs/spec/sql.md, "Queries of untrusted users").
 *
 * Parsing, constants, views and rows are the child's; names, pruning and fetching are ours, because
 * they need the catalog and the store. The child gets SQL, file names and limits, nothing else.
 */
import { ManifestCache, type Catalog } from '../../catalog/index.ts'
import type { StreamingLayer } from '../../catalog/scan/index.ts'
import { silentLogger, systemClock, type Clock, type Logger } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { FileCache } from '../scan/file-cache.ts'
import { fileAccess } from '../scan/file-access.ts'
import { nextCatalogName, queryEngineOver, type QueryEngine } from '../engine/query-engine.ts'
import type { ViewSource } from '../scan/view-source.ts'
import type { QueryLimits } from './messages.ts'
import { SandboxPool, type SandboxMode } from './sandbox-pool.ts'

export interface SandboxedEngineOptions {
  readonly catalog: Catalog
  readonly io: FileIO
  /** Files that are not local come through it; the child reaches no store. */
  readonly cache: FileCache
  readonly limits: QueryLimits
  readonly mode: SandboxMode
  readonly concurrency: number
  readonly queuedMax: number
  readonly timeoutMs: number
  readonly live?: StreamingLayer
  readonly views?: ViewSource
  readonly clock?: Clock
  readonly logger?: Logger
}

export interface SandboxedEngine extends QueryEngine {
  /** True: the kernel keeps the network from what runs the queries. */
  readonly isNetworkless: boolean
  /** Why the kernel does not keep it away. */
  readonly networkReason: string | undefined
  close(): Promise<void>
}

export async function openSandboxedEngine(
  options: SandboxedEngineOptions,
): Promise<SandboxedEngine> {
  const { clock = systemClock, logger = silentLogger, live, views, ...rest } = options
  const pool = await SandboxPool.start({ ...rest, clock, logger })
  const engine = queryEngineOver({
    catalog: options.catalog,
    io: options.io,
    openSession: (signal) => pool.openSession(signal),
    ...(live === undefined ? {} : { live }),
    ...(views === undefined ? {} : { views }),
    clock,
    files: fileAccess(options.cache, false),
    manifests: new ManifestCache(),
    nextCatalogName,
  })
  return {
    ...engine,
    isNetworkless: pool.confinement.isNetworkless,
    networkReason: pool.confinement.reason,
    close: () => pool.stop(),
  }
}
