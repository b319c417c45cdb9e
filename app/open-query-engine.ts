/** SQL over a lake: a DuckDB instance within limits, and a way to the data files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ValidationError, errorMessage } from '../common/index.ts'
import type { HttpfsSettings, QueryEngine, QueryEngineOptions } from '../sql/index.ts'
import type { Lake } from './lake.ts'

export interface LakeQueryEngine {
  readonly engine: QueryEngine
  /** How S3 files are read. */
  readonly reads: 'httpfs' | 'cache'
  close(): Promise<void>
}

/** The parts of an engine, for callers that pin its catalog before each use. */
export interface LakeQueryParts {
  readonly options: QueryEngineOptions
  readonly reads: LakeQueryEngine['reads']
  close(): Promise<void>
}

export interface QueryEngineChoices {
  /** CALL is refused, so that nothing changes a table. */
  readonly readonly?: boolean
}

export async function openQueryEngine(
  lake: Lake,
  choices: QueryEngineChoices = {},
): Promise<LakeQueryEngine> {
  const { createQueryEngine } = await import('../sql/index.ts')
  const { lakeProcedures } = await import('./procedures.ts')
  const { options, reads, close } = await openQueryParts(lake)
  const procedures = choices.readonly === true ? [] : lakeProcedures(lake)
  return { engine: await createQueryEngine({ ...options, procedures }), reads, close }
}

export async function openQueryParts(lake: Lake): Promise<LakeQueryParts> {
  const { FileCache, openDatabase } = await import('../sql/index.ts')
  const tempDirectory = await mkdtemp(join(tmpdir(), 'tidewater-sql-'))
  const { memoryBytesMax, sql } = lake.settings
  const database = await openDatabase({
    memoryLimitBytes: memoryBytesMax,
    tempDirectory,
    // An extension named by its file is the user's own choice, signed or not.
    allowUnsignedExtensions: sql.httpfs !== 'auto' && sql.httpfs !== 'off',
  })
  const { endpoint } = lake.settings.catalog.s3
  const cache = new FileCache({
    io: lake.io,
    directory: sql.cacheDirectory,
    bytesMax: sql.cacheBytesMax,
    scope: endpoint ?? '',
    clock: lake.clock,
    random: lake.random,
    logger: lake.logger,
  })
  const common = { catalog: lake.catalog, io: lake.io, database, cache, clock: lake.clock }
  const close = async (): Promise<void> => {
    database.close()
    await rm(tempDirectory, { recursive: true, force: true })
  }
  try {
    const httpfs = httpfsSettings(lake)
    if (httpfs !== undefined && (await canLoadHttpfs(lake, common, httpfs))) {
      return { options: { ...common, httpfs }, reads: 'httpfs', close }
    }
    return { options: common, reads: 'cache', close }
  } catch (error) {
    await close()
    throw error
  }
}

/** False when `auto` finds no extension: the cache serves as well, with whole files. */
async function canLoadHttpfs(
  lake: Lake,
  common: QueryEngineOptions,
  httpfs: HttpfsSettings,
): Promise<boolean> {
  const { createQueryEngine } = await import('../sql/index.ts')
  try {
    await createQueryEngine({ ...common, httpfs })
    return true
  } catch (error) {
    if (lake.settings.sql.httpfs !== 'auto' || !(error instanceof ValidationError)) throw error
    lake.logger.debug('sql.httpfs-unavailable', { reason: errorMessage(error) })
    return false
  }
}

/** httpfs knows static keys only; with keys from a profile or a role the cache reads instead. */
function httpfsSettings(lake: Lake): HttpfsSettings | undefined {
  const { catalog, sql } = lake.settings
  const { accessKeyId, endpoint, pathStyleAccess, region, secretAccessKey, sessionToken } =
    catalog.s3
  const isOnS3 = lake.warehouse?.startsWith('s3://') === true || catalog.uri !== undefined
  if (sql.httpfs === 'off' || !isOnS3) return undefined
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return {
    extension: sql.httpfs === 'auto' ? 'httpfs' : sql.httpfs,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    pathStyle: pathStyleAccess,
  }
}
