/**
 * `POST /query` (and GET: every query only reads), `DELETE /query/{id}`.
 *
 * The text runs in a locked-down process (`sql/sandbox`); where this machine cannot keep the network
 * from that process, only clients on this machine are answered, unless `query.sandbox` is `process`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  AlreadyExistsError,
  type Clock,
  type Logger,
  NotFoundError,
  type Random,
  UnavailableError,
  errorMessage,
  randomUuid,
  stringifyJson,
} from '../common/index.ts'
import { type QueryEngine, type QueryResult, layersJson } from '../sql/index.ts'
import { httpError } from './http-error.ts'
import { queryFormats } from './query-formats.ts'
import { type QueryRequest, queryRequest } from './query-request.ts'
import { QueryResponse } from './query-response.ts'
import type { ServerMetrics } from './server-metrics.ts'

export interface QueryService {
  readonly engine: QueryEngine
  /** True: the kernel keeps the network from what runs the queries. */
  readonly isNetworkless: boolean
  /** Why the kernel does not keep it away. */
  readonly networkReason: string | undefined
  /** Other machines are answered even without that wall. */
  readonly acceptsNetwork: boolean
}

export interface QueryRoutesOptions {
  readonly queries: QueryService
  readonly isLoopback: boolean
  readonly clock: Clock
  readonly metrics: ServerMetrics
  readonly random: Random
  readonly logger: Logger
}

const bodyBytesMax = 1024 * 1024

/** Why queries are not answered at all; undefined when they are. */
export function queriesRefusal(queries: QueryService, isLoopback: boolean): string | undefined {
  if (isLoopback || queries.isNetworkless || queries.acceptsNetwork) return undefined
  return (
    'queries are answered on loopback only, because nothing keeps the network from the process that ' +
    `runs them (${queries.networkReason ?? 'unknown'}); query.sandbox=process accepts that`
  )
}

export function registerQueryRoutes(app: FastifyInstance, options: QueryRoutesOptions): void {
  const running = new Map<string, AbortController>()
  const refusal = queriesRefusal(options.queries, options.isLoopback)
  if (refusal !== undefined) options.logger.warn('query.refused', { reason: refusal })
  // A scope of its own: here the body is SQL, whatever content type the client gives.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser<string>(
      '*',
      { parseAs: 'string', bodyLimit: bodyBytesMax },
      async (_: FastifyRequest, body: string) => body,
    )
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      if (refusal !== undefined) throw new UnavailableError(refusal)
      return answer(options, running, request, reply)
    }
    scope.post('/query', handler)
    scope.get('/query', handler)
    scope.route({
      method: ['PUT', 'PATCH', 'DELETE'],
      url: '/query',
      handler: async ({ method }, reply) => {
        const message = `send queries by POST or GET and cancel them by DELETE /query/{id}: method=${method}`
        const { status, body } = httpError(405, 'MethodNotAllowedException', message)
        return reply.status(status).header('allow', 'GET, POST').send(body)
      },
    })
    scope.delete<{ Params: { id: string } }>('/query/:id', async ({ params: { id } }) => {
      const query = running.get(id)
      if (query === undefined) {
        throw new NotFoundError('no query with this id is running', { facts: { query_id: id } })
      }
      query.abort(new UnavailableError('the query was cancelled', { facts: { query_id: id } }))
      return { query_id: id, status: 'cancelled' }
    })
  })
}

async function answer(
  options: QueryRoutesOptions,
  running: Map<string, AbortController>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const query = queryRequest({
    parameters: request.query as Readonly<Record<string, unknown>>,
    body: request.body as string | undefined,
    accept: request.headers.accept,
  })
  const queryId = query.queryId ?? randomUuid(options.random)
  reply.header('x-query-id', queryId)
  if (running.has(queryId)) {
    throw new AlreadyExistsError('a query with this id is running', {
      facts: { query_id: queryId },
    })
  }
  const controller = new AbortController()
  running.set(queryId, controller)
  const abandon = (): void => {
    if (!reply.raw.writableFinished) controller.abort(new UnavailableError('the client went away'))
  }
  reply.raw.once('close', abandon)
  const startedMs = options.clock.monotonic()
  try {
    await send(options, { query, queryId, signal: controller.signal }, reply)
    options.metrics.query('answered', (options.clock.monotonic() - startedMs) / 1000)
  } catch (error) {
    const outcome = controller.signal.aborted ? 'cancelled' : 'failed'
    options.metrics.query(outcome, (options.clock.monotonic() - startedMs) / 1000)
    throw error
  } finally {
    running.delete(queryId)
    reply.raw.off('close', abandon)
  }
  return reply
}

interface RunningQuery {
  readonly query: QueryRequest
  readonly queryId: string
  readonly signal: AbortSignal
}

async function send(
  { logger, queries }: QueryRoutesOptions,
  { query, queryId, signal }: RunningQuery,
  reply: FastifyReply,
): Promise<void> {
  const { defaultNamespace, parameters, quote64, sql } = query
  const format = queryFormats[query.format]
  if (format === undefined) throw new NotFoundError(`there is no format ${query.format}`)
  const result = await queries.engine.query(sql, {
    signal,
    parameters,
    ...(defaultNamespace === undefined ? {} : { defaultNamespace }),
  })
  const response = new QueryResponse(reply, () => ({
    'content-type': format.contentType,
    'x-query-id': queryId,
    'x-summary': summaryHeader(result),
  }))
  try {
    await format.write(response.write, result, { queryId, quote64 })
    await response.end()
  } catch (error) {
    if (!response.hasBegun) throw error
    logger.warn('query.broken-off', { query_id: queryId, reason: errorMessage(error) })
    response.breakOff(format.failure?.(errorMessage(error)))
  } finally {
    await result.close()
  }
}

/** Headers hold ASCII only, so other characters become escapes that JSON reads back. */
function summaryHeader(result: QueryResult): string {
  const { rowCount, tables, totalMs } = result.summary()
  const json = stringifyJson({
    rows_so_far: rowCount,
    elapsed_ms: Math.round(totalMs),
    layers: layersJson(tables),
  })
  return json.replaceAll(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
