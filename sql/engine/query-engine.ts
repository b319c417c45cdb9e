/**
 * SQL over the catalog: names are resolved, conditions pushed into the scans, files brought within
 * reach, and DuckDB runs the query over exactly those files (docs/spec/sql.md).
 */
import { ManifestCache, type Catalog } from '../../catalog/index.ts'
import type { StreamingLayer } from '../../catalog/scan/index.ts'
import { formatNamespace, type Namespace } from '../../catalog/format/index.ts'
import { NotFoundError, systemClock, type Clock } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Database } from '../session/database.ts'
import type { FileCache } from '../scan/file-cache.ts'
import { enableHttpfs, fileAccess, type HttpfsSettings } from '../scan/file-access.ts'
import { openLocalSession } from '../session/local-session.ts'
import { nearestNames } from '../bind/nearest-names.ts'
import { callProcedure, refuseCall } from '../procedures/call-procedure.ts'
import type { Procedure } from '../procedures/procedure.ts'
import { parseStatement } from '../text/parsed-statement.ts'
import { planningError } from '../text/query-error.ts'
import { literalResult, type QueryResult } from '../session/query-result.ts'
import { QueryRun } from './query-run.ts'
import type { QueryOptions, QueryTools } from '../scan/query-tools.ts'
import { catalogNames, withoutCatalogNames } from '../scan/query-views.ts'
import { showNamespaces } from './show.ts'
import type { ViewSource } from '../scan/view-source.ts'

export interface QueryEngineOptions {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly database: Database
  /** For files that DuckDB cannot open itself; not needed where all are local or httpfs is used. */
  readonly cache?: FileCache
  /** Read S3 directly. */
  readonly httpfs?: HttpfsSettings
  readonly live?: StreamingLayer
  readonly views?: ViewSource
  readonly clock?: Clock
  /** What CALL may run; without them CALL is refused. */
  readonly procedures?: readonly Procedure[]
}

export interface QueryEngine {
  /** Runs one statement. Throws ValidationError for what is wrong in the query, with its position. */
  query(sql: string, options?: QueryOptions): Promise<QueryResult>
  readonly catalog: Catalog
  /** What CALL runs here; empty for an engine that only reads. */
  readonly procedures: readonly Procedure[]
}

export async function createQueryEngine(options: QueryEngineOptions): Promise<QueryEngine> {
  return queryEngineOver(await queryTools(options), options.procedures)
}

/** The engine over given tools: wherever its sessions run. */
export function queryEngineOver(
  tools: QueryTools,
  procedures: readonly Procedure[] = [],
): QueryEngine {
  return {
    catalog: tools.catalog,
    procedures,
    query: (sql, queryOptions = {}) => runStatement(tools, procedures, sql, queryOptions),
  }
}

/** What queries of one engine share. */
export async function queryTools(options: QueryEngineOptions): Promise<QueryTools> {
  if (options.httpfs !== undefined) await enableHttpfs(options.database, options.httpfs)
  return {
    catalog: options.catalog,
    io: options.io,
    openSession: () => openLocalSession({ database: options.database }),
    database: options.database,
    ...(options.live === undefined ? {} : { live: options.live }),
    ...(options.views === undefined ? {} : { views: options.views }),
    clock: options.clock ?? systemClock,
    files: fileAccess(options.cache, options.httpfs !== undefined),
    manifests: new ManifestCache(),
    nextCatalogName,
  }
}

/** Of all engines together, because several may work on one DuckDB instance. */
export const nextCatalogName = catalogNames()

async function runStatement(
  engine: QueryTools,
  procedures: readonly Procedure[],
  sql: string,
  options: QueryOptions,
): Promise<QueryResult> {
  const startedMs = engine.clock.monotonic()
  const statement = parseStatement(sql, options.parameters)
  const { kind } = statement
  if (kind.kind === 'use') {
    await checkNamespace(engine.catalog, kind.namespace)
    return literalResult([], [], engine.clock.monotonic() - startedMs, {
      usedNamespace: kind.namespace,
    })
  }
  if (kind.kind === 'show-namespaces') {
    const { columns, rows } = await showNamespaces(engine.catalog)
    return literalResult(columns, rows, engine.clock.monotonic() - startedMs)
  }
  if (kind.kind === 'call') {
    const { original } = statement
    if (procedures.length === 0) throw refuseCall(original.tokens)
    const { columns, rows, notes } = await callProcedure(
      { catalog: engine.catalog, procedures },
      original,
      options,
    )
    return literalResult(columns, rows, engine.clock.monotonic() - startedMs, { notes })
  }
  const run = new QueryRun(engine, statement, options, startedMs)
  try {
    return await run.start(kind.prefix)
  } catch (error) {
    await run.free()
    throw planningError(error, withoutCatalogNames)
  }
}

async function checkNamespace(catalog: Catalog, namespace: Namespace): Promise<void> {
  try {
    await catalog.loadNamespace(namespace)
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    const names = (await catalog.listNamespaces()).map(formatNamespace)
    const near = nearestNames(formatNamespace(namespace), names)
    const hint = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ''
    throw new NotFoundError(`there is no namespace ${formatNamespace(namespace)}${hint}`)
  }
}
