/**
 * One HTTP port: the Iceberg REST catalog, queries, health and metrics.
 */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Catalog } from '../catalog/index.ts'
import type { TableFreshness } from '../catalog/scan/index.ts'
import {
  type Clock,
  type Json,
  LakeError,
  type Logger,
  type Random,
  UnavailableError,
  errorMessage,
  silentLogger,
  stringifyJson,
  systemClock,
  systemRandom,
} from '../common/index.ts'
import { registerCatalogRoutes } from './catalog-routes.ts'
import { type GuardOptions, checkGuard, isLoopback, refusalOf } from './guard.ts'
import { httpError, toHttpError } from './http-error.ts'
import { parseBody } from './json-body.ts'
import { type QueryService, registerQueryRoutes } from './query-routes.ts'
import { type ServerMetrics, createServerMetrics } from './server-metrics.ts'

export interface ServerOptions {
  readonly catalog: Catalog
  /** Default 127.0.0.1; any other address needs a token. */
  readonly host?: string
  /** Default 8181; 0 takes a free one. */
  readonly port?: number
  /** Static bearer token that every request must carry. */
  readonly token?: string
  /** Further host names under which requests without a token are accepted. */
  readonly allowedHosts?: readonly string[]
  /**
   * Passed to clients with each table, for example `s3.endpoint`, `s3.region`,
   * `s3.path-style-access`; keys (`s3.secret-access-key`) on loopback only.
   */
  readonly tableConfig?: Readonly<Record<string, string>>
  /** Answers `POST /query`; without it there is no such route. */
  readonly queries?: QueryService
  /** Tables that streams of this process fill, for the metrics. */
  readonly freshness?: () => readonly TableFreshness[]
  readonly version?: string
  readonly logger?: Logger
  readonly clock?: Clock
  readonly random?: Random
}

export interface Server {
  /** Listens; returns the address, for example `http://127.0.0.1:8181`. */
  start(): Promise<string>
  /** Finishes the requests under way and closes the port. */
  stop(): Promise<void>
}

const hostDefault = '127.0.0.1'
const portDefault = 8181
const bodyBytesMax = 32 * 1024 * 1024
const requestTimeoutMs = 120_000
/** A name of 200 escaped bytes at each of several levels, percent-encoded. */
const pathParameterLengthMax = 4096

/** Throws SettingsError for a server that other machines could use without a token. */
export function createServer(options: ServerOptions): Server {
  const { host = hostDefault, port = portDefault } = options
  const guard: GuardOptions = {
    host,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.allowedHosts === undefined ? {} : { allowedHosts: options.allowedHosts }),
  }
  checkGuard(guard, options.tableConfig)
  const app = createApp(options, guard)
  return {
    start: async () => {
      try {
        return await app.listen({ host, port })
      } catch (error) {
        throw new UnavailableError(`cannot listen: ${errorMessage(error)}`, {
          facts: { host, port },
          cause: error,
        })
      }
    },
    stop: () => app.close(),
  }
}

function createApp(options: ServerOptions, guard: GuardOptions): FastifyInstance {
  const { catalog, tableConfig, clock = systemClock } = options
  const metrics = createServerMetrics(options.freshness)
  const app = Fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: pathParameterLengthMax },
  })
  useExactJson(app)
  useErrors(app, options.logger ?? silentLogger)
  app.addHook('onRequest', async (request, reply) => {
    // Probes carry no token, and an answer to them gives nothing away.
    if (request.url === '/healthz' || request.url === '/ping') return undefined
    const { host, origin, authorization } = request.headers
    const fetchSite = request.headers['sec-fetch-site']
    const refused = refusalOf(
      {
        host,
        origin,
        authorization,
        fetchSite: fetchSite === undefined ? undefined : String(fetchSite),
      },
      guard,
    )
    return refused === undefined ? undefined : reply.status(refused.status).send(refused.body)
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    metrics.request(request.method, route, reply.statusCode, reply.elapsedTime / 1000)
  })
  registerHealthRoutes(app, catalog, metrics, options.version ?? 'unknown')
  if (options.queries !== undefined) {
    registerQueryRoutes(app, {
      queries: options.queries,
      isLoopback: isLoopback(guard.host),
      clock,
      metrics,
      random: options.random ?? systemRandom,
      logger: options.logger ?? silentLogger,
    })
  }
  registerCatalogRoutes(app, {
    catalog,
    clock,
    metrics,
    ...(tableConfig === undefined ? {} : { tableConfig }),
  })
  return app
}

function useExactJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  const parseAs = { parseAs: 'string' } as const
  app.addContentTypeParser<string>(
    'application/json',
    parseAs,
    async (_: FastifyRequest, body: string) => parseBody(body),
  )
  // Clients send a content type even with an empty body.
  app.addContentTypeParser<string>('*', parseAs, async (_: FastifyRequest, body: string) => {
    if (body === '') return undefined
    throw Object.assign(new Error('the body must be application/json'), { statusCode: 415 })
  })
  app.setReplySerializer((payload) => stringifyJson(payload as Json))
}

function useErrors(app: FastifyInstance, logger: Logger): void {
  app.setErrorHandler(async (error, request, reply) => {
    const { status, body } = toHttpError(error)
    if (status >= 500 && !(error instanceof LakeError)) {
      logger.error('server.unexpected-error', { url: request.url, error })
    } else if (status >= 500) {
      logger.warn('server.request-failed', { url: request.url, status, reason: body.error.message })
    }
    return reply.status(status).send(body)
  })
  app.setNotFoundHandler(async (request, reply) => {
    const { status, body } = httpError(404, 'NoSuchEndpointException', 'no such endpoint')
    logger.debug('server.no-such-endpoint', { method: request.method, url: request.url })
    return reply.status(status).send(body)
  })
}

function registerHealthRoutes(
  app: FastifyInstance,
  catalog: Catalog,
  metrics: ServerMetrics,
  version: string,
): void {
  app.get('/ping', async (_request, reply) => reply.type('text/plain').send('Ok.'))
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    try {
      await catalog.listNamespaces()
      return { status: 'ready' }
    } catch (error) {
      return reply.status(503).send({ status: 'not ready', reason: errorMessage(error) })
    }
  })
  app.get('/version', async () => ({ version, node: process.version }))
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  )
}
