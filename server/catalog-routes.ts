/**
 * The Iceberg REST catalog over any `Catalog`, stateless (Iceberg REST OpenAPI).
 *
 * Every route exists with and without a path prefix, because clients send one or none depending on
 * what they read from `/v1/config`.
 */
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TableMetadata, Namespace, TableIdentifier } from '../catalog/format/index.ts'
import {
  type Catalog,
  createTableFromJson,
  identifierFromJson,
  identifierToJson,
  loadTableResultToJson,
  namespaceFromJson,
  tableCommitFromJson,
} from '../catalog/index.ts'
import {
  type Clock,
  CommitFailedError,
  CommitStateUnknownError,
  type Json,
  type JsonObject,
  UnsupportedError,
  ValidationError,
  isJsonObject,
} from '../common/index.ts'
import { httpError } from './http-error.ts'
import { asRequest } from './json-body.ts'
import { pageOf } from './page.ts'
import type { ServerMetrics } from './server-metrics.ts'

export interface CatalogRoutesOptions {
  readonly catalog: Catalog
  readonly clock: Clock
  readonly metrics: ServerMetrics
  /** Handed to clients with each table: endpoint, region, path style, keys if the settings allow it. */
  readonly tableConfig?: Readonly<Record<string, string>>
}

type Params = Readonly<Record<string, string>>
type Query = Readonly<Record<string, string | undefined>>
type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
type Method = 'GET' | 'HEAD' | 'POST' | 'DELETE'

/** The unit separator stands between the levels of a namespace in a path. */
const levelSeparator = '\u001f'

export function registerCatalogRoutes(app: FastifyInstance, options: CatalogRoutesOptions): void {
  const handlers = { ...namespaceRoutes(options), ...tableRoutes(options), ...writeRoutes(options) }
  const routes = Object.entries(handlers).map(([endpoint, handler]) => {
    const [method = '', path = ''] = endpoint.split(' ')
    return { method, path, handler }
  })
  const endpoints = routes.map(({ method, path }) => `${method} /v1/{prefix}${inBraces(path)}`)
  app.get('/v1/config', async () => ({ defaults: {}, overrides: {}, endpoints }))
  for (const { method, path, handler } of routes) {
    for (const base of ['/v1', '/v1/:prefix']) {
      app.route({ method, url: `${base}${path}`, handler })
    }
  }
}

/** By method and path. */
type Routes = Readonly<Record<`${Method} ${string}`, Handler>>

function namespaceRoutes({ catalog }: CatalogRoutesOptions): Routes {
  const one = '/namespaces/:namespace'
  return {
    'GET /namespaces': async (request) => {
      const query = queryOf(request)
      const parent = query['parent']
      const namespaces = await catalog.listNamespaces(
        parent === undefined || parent === '' ? undefined : parent.split(levelSeparator),
      )
      const page = pageOf(namespaces, (namespace) => namespace.join(levelSeparator), query)
      return withPageToken({ namespaces: page.items }, page.nextPageToken)
    },
    'POST /namespaces': async (request) => {
      const body = bodyOf(request)
      const namespace = asRequest(() => namespaceFromJson(body, 'create-namespace'))
      const properties = textMap(body['properties'], 'properties')
      await catalog.createNamespace(namespace, properties)
      return { namespace, properties }
    },
    [`GET ${one}`]: async (request) => {
      const namespace = namespaceOf(request)
      return { namespace, properties: await catalog.loadNamespace(namespace) }
    },
    [`HEAD ${one}`]: async (request, reply) => {
      await catalog.loadNamespace(namespaceOf(request))
      return noContent(reply)
    },
    [`DELETE ${one}`]: async (request, reply) => {
      const namespace = namespaceOf(request)
      await catalog.loadNamespace(namespace)
      try {
        await catalog.dropNamespace(namespace)
      } catch (error) {
        // The table could be loaded by this name, so the fault is in its metadata.
        if (!(error instanceof ValidationError)) throw error
        const { status, body } = httpError(409, 'NamespaceNotEmptyException', error.message)
        return reply.status(status).send(body)
      }
      return noContent(reply)
    },
    [`POST ${one}/properties`]: (request) => updateNamespace(catalog, request),
  }
}

async function updateNamespace(catalog: Catalog, request: FastifyRequest): Promise<JsonObject> {
  const namespace = namespaceOf(request)
  const body = bodyOf(request)
  const updates = textMap(body['updates'], 'updates')
  const removals = textList(body['removals'], 'removals')
  const both = removals.find((key) => Object.hasOwn(updates, key))
  if (both !== undefined) {
    throw Object.assign(new Error(`property is both set and removed: ${both}`), { statusCode: 422 })
  }
  const before = await catalog.loadNamespace(namespace)
  await catalog.updateNamespaceProperties(namespace, { updates, removals })
  return {
    updated: Object.keys(updates),
    removed: removals.filter((key) => Object.hasOwn(before, key)),
    missing: removals.filter((key) => !Object.hasOwn(before, key)),
  }
}

function tableRoutes({ catalog, tableConfig }: CatalogRoutesOptions): Routes {
  const all = '/namespaces/:namespace/tables'
  const one = `${all}/:table`
  return {
    [`GET ${all}`]: async (request) => {
      const tables = await catalog.listTables(namespaceOf(request))
      const page = pageOf(tables, (identifier) => identifier.name, queryOf(request))
      const identifiers = page.items.map(identifierToJson)
      return withPageToken({ identifiers }, page.nextPageToken)
    },
    [`POST ${all}`]: async (request) => {
      const namespace = namespaceOf(request)
      const { request: creation, stage } = asRequest(() =>
        createTableFromJson(bodyOf(request), namespace),
      )
      if (!stage) {
        const { metadata, metadataLocation } = await catalog.createTable(creation)
        return loadTableResultToJson(metadata, metadataLocation, tableConfig ?? {})
      }
      if (catalog.stageTable === undefined) {
        throw new UnsupportedError('this catalog cannot stage a table')
      }
      const metadata = await catalog.stageTable(creation)
      return loadTableResultToJson(metadata, undefined, tableConfig ?? {})
    },
    [`GET ${one}`]: async (request, reply) => {
      const { metadata, metadataLocation } = await catalog.loadTable(identifierOf(request))
      const mode = snapshotsMode(queryOf(request))
      const tag = `"${createHash('sha256').update(`${mode} ${metadataLocation}`).digest('hex')}"`
      void reply.header('etag', tag)
      if (request.headers['if-none-match'] === tag) return reply.status(304).send()
      const shown = mode === 'refs' ? withReferencedSnapshots(metadata) : metadata
      return loadTableResultToJson(shown, metadataLocation, tableConfig ?? {})
    },
    [`HEAD ${one}`]: async (request, reply) => {
      await catalog.loadTable(identifierOf(request))
      return noContent(reply)
    },
    [`DELETE ${one}`]: async (request, reply) => {
      const purge = queryOf(request)['purgeRequested']?.toLowerCase() === 'true'
      await catalog.dropTable(identifierOf(request), { purge })
      return noContent(reply)
    },
  }
}

function writeRoutes(options: CatalogRoutesOptions): Routes {
  const { catalog, tableConfig } = options
  return {
    'POST /namespaces/:namespace/tables/:table': (request) => commit(options, request),
    'POST /namespaces/:namespace/register': async (request) => {
      const body = bodyOf(request)
      const name = text(body['name'], 'name')
      const { metadata, metadataLocation } = await catalog.registerTable(
        { namespace: namespaceOf(request), name },
        text(body['metadata-location'], 'metadata-location'),
      )
      return loadTableResultToJson(metadata, metadataLocation, tableConfig ?? {})
    },
    'POST /tables/rename': async (request, reply) => {
      const body = bodyOf(request)
      const [source, destination] = asRequest(() => [
        identifierFromJson(body['source'], 'source'),
        identifierFromJson(body['destination'], 'destination'),
      ])
      await catalog.renameTable(source, destination)
      return noContent(reply)
    },
    // Clients report metrics of their scans, which are not kept.
    'POST /namespaces/:namespace/tables/:table/metrics': async (_request, reply) =>
      noContent(reply),
  }
}

async function commit(
  { catalog, clock, metrics }: CatalogRoutesOptions,
  request: FastifyRequest,
): Promise<JsonObject> {
  const tableCommit = asRequest(() => tableCommitFromJson(bodyOf(request), identifierOf(request)))
  const startedMs = clock.monotonic()
  const seconds = (): number => (clock.monotonic() - startedMs) / 1000
  try {
    const { metadata, metadataLocation } = await catalog.commitTable(tableCommit)
    metrics.commit('committed', seconds())
    return loadTableResultToJson(metadata, metadataLocation, undefined)
  } catch (error) {
    if (error instanceof CommitFailedError) metrics.commit('conflict', seconds())
    else if (error instanceof CommitStateUnknownError) metrics.commit('unknown', seconds())
    else metrics.commit('refused', seconds())
    throw error
  }
}

/** Only the snapshots that a branch or tag names; the client requests the others when it needs them. */
function withReferencedSnapshots(metadata: TableMetadata): TableMetadata {
  const named = new Set(Object.values(metadata.refs).map((ref) => ref.snapshotId))
  return {
    ...metadata,
    snapshots: metadata.snapshots.filter((snapshot) => named.has(snapshot.snapshotId)),
  }
}

function snapshotsMode(query: Query): 'all' | 'refs' {
  const mode = query['snapshots'] ?? 'all'
  if (mode === 'all' || mode === 'refs') return mode
  throw new ValidationError('snapshots is all or refs', { facts: { snapshots: mode } })
}

// ---- Parts of a request -------------------------------------------------------------------------

function namespaceOf(request: FastifyRequest): Namespace {
  const { namespace = '' } = request.params as Params
  return namespace.split(levelSeparator)
}

function identifierOf(request: FastifyRequest): TableIdentifier {
  const { table = '' } = request.params as Params
  return { namespace: namespaceOf(request), name: table }
}

function queryOf(request: FastifyRequest): Query {
  const query = request.query as Readonly<Record<string, unknown>>
  for (const [key, value] of Object.entries(query)) {
    if (typeof value !== 'string') {
      throw new ValidationError('a query parameter is given twice', { facts: { key } })
    }
  }
  return query as Query
}

function bodyOf(request: FastifyRequest): JsonObject {
  const body = request.body as Json | undefined
  if (isJsonObject(body)) return body
  throw new ValidationError('the body must be a json object')
}

function text(value: Json | undefined, where: string): string {
  if (typeof value === 'string') return value
  throw new ValidationError('expected a string', { facts: { where } })
}

function textList(value: Json | undefined, where: string): readonly string[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value.map((item: Json) => text(item, where))
  throw new ValidationError('expected a list of strings', { facts: { where } })
}

function textMap(value: Json | undefined, where: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  if (!isJsonObject(value)) throw new ValidationError('expected an object', { facts: { where } })
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, text(item, `${where}.${key}`)]),
  )
}

function withPageToken(body: JsonObject, token: string | undefined): JsonObject {
  return token === undefined ? body : { ...body, 'next-page-token': token }
}

function noContent(reply: FastifyReply): FastifyReply {
  return reply.status(204).send()
}

/** `:table` in our router is `{table}` in the specification. */
function inBraces(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}')
}
