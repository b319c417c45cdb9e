/** Queries over HTTP: the sandboxed engine over a lake, within the limits of its settings. */
import { errorMessage, UnavailableError } from '../common/index.ts'
import type { QueryService } from '../server/index.ts'
import type { Lake } from './lake.ts'
import type { ServerLayers } from './open-live.ts'

export interface LakeQueryService extends QueryService {
  close(): Promise<void>
}

/**
 * Undefined, with an error in the log, when no process for queries comes up: the catalog is served
 * even so. Throws UnsupportedError when a wall is missing that the settings require.
 */
export async function openQueryService(
  lake: Lake,
  layers: ServerLayers = {},
): Promise<LakeQueryService | undefined> {
  const { FileCache, openSandboxedEngine } = await import('../sql/index.ts')
  const { query, sql } = lake.settings
  const { clock, logger } = lake
  const cache = new FileCache({
    io: lake.io,
    directory: sql.cacheDirectory,
    bytesMax: sql.cacheBytesMax,
    scope: lake.settings.catalog.s3.endpoint ?? '',
    clock,
    random: lake.random,
    logger,
  })
  try {
    const engine = await openSandboxedEngine({
      catalog: lake.catalog,
      io: lake.io,
      cache,
      limits: query,
      mode: query.sandbox,
      concurrency: query.concurrency,
      queuedMax: query.queuedMax,
      timeoutMs: query.timeoutMs,
      ...layers,
      clock,
      logger,
    })
    const { isNetworkless, networkReason } = engine
    if (isNetworkless) logger.info('query.sandbox', { network: 'none, by the kernel' })
    else logger.warn('query.sandbox', { network: 'not walled off', reason: networkReason })
    return {
      engine,
      isNetworkless,
      networkReason,
      acceptsNetwork: query.sandbox === 'process',
      close: () => engine.close(),
    }
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    logger.error('query.unavailable', { reason: errorMessage(error) })
    return undefined
  }
}
