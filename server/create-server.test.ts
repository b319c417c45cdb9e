import { afterEach, describe, expect, test } from 'vitest'
import type { Schema } from '../catalog/format/index.ts'
import { type Catalog, ObjectStoreCatalog, RestCatalog } from '../catalog/index.ts'
import {
  CommitStateUnknownError,
  CorruptDataError,
  SettingsError,
  UnavailableError,
  isJsonObject,
  parseJson,
} from '../common/index.ts'
import { MemoryFileIO } from '../io/index.ts'
import { type Server, type ServerOptions, createServer } from './create-server.ts'

const warehouse = 'memory://lake/warehouse'
const schemaJson = {
  type: 'struct',
  'schema-id': 0,
  fields: [{ id: 1, name: 'id', type: 'long', required: true }],
}
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}

const started: Server[] = []
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop()
})

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly text: string
  readonly headers: Headers
}
type Call = (method: string, path: string, body?: unknown, headers?: object) => Promise<Answer>

async function serve(
  options: Partial<ServerOptions> = {},
): Promise<{ readonly call: Call; readonly uri: string; readonly catalog: Catalog }> {
  const catalog = new ObjectStoreCatalog({ io: new MemoryFileIO(), warehouse })
  const server = createServer({ catalog, port: 0, ...options })
  started.push(server)
  const uri = await server.start()
  const call: Call = async (method, path, body, headers = {}) => {
    const response = await fetch(`${uri}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') ?? false
    return {
      status: response.status,
      body: isJson && text !== '' ? parseJson(text) : undefined,
      text,
      headers: response.headers,
    }
  }
  return { call, uri, catalog }
}

async function serveTable(options: Partial<ServerOptions> = {}) {
  const served = await serve(options)
  await served.call('POST', '/v1/namespaces', { namespace: ['shop'] })
  await served.call('POST', '/v1/namespaces/shop/tables', { name: 'orders', schema: schemaJson })
  return served
}

const errorBody = (status: number, type: string) => ({
  error: { message: expect.any(String) as string, type, code: status },
})

describe('config and paths', () => {
  test('/v1/config lists every endpoint, HEAD included', async () => {
    const { call } = await serve()
    const { body } = await call('GET', '/v1/config?warehouse=any')
    expect(body).toMatchObject({ defaults: {}, overrides: {} })
    const { endpoints } = body as { endpoints: string[] }
    expect(endpoints).toContain('GET /v1/{prefix}/namespaces')
    expect(endpoints).toContain('HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}')
    expect(endpoints).toContain('POST /v1/{prefix}/tables/rename')
    expect(endpoints).not.toContain('POST /v1/{prefix}/transactions/commit')
    expect(new Set(endpoints).size).toBe(endpoints.length)
  })

  test('every route works with a prefix and without', async () => {
    const { call } = await serveTable()
    for (const path of ['/v1', '/v1/some-prefix']) {
      const { status, body } = await call('GET', `${path}/namespaces/shop/tables/orders`)
      expect(status).toBe(200)
      expect(body).toMatchObject({ metadata: { 'format-version': 2 } })
    }
  })

  test('%1F separates the levels of a namespace', async () => {
    const { call } = await serve()
    await call('POST', '/v1/namespaces', { namespace: ['a', 'b.c'], properties: { k: 'v' } })
    expect((await call('GET', '/v1/namespaces/a%1Fb.c')).body).toEqual({
      namespace: ['a', 'b.c'],
      properties: { k: 'v' },
    })
    expect((await call('GET', '/v1/namespaces?parent=a')).body).toEqual({
      namespaces: [['a', 'b.c']],
    })
  })

  test('HEAD answers 204 and 404 without a body', async () => {
    const { call } = await serveTable()
    expect(await call('HEAD', '/v1/namespaces/shop')).toMatchObject({ status: 204, text: '' })
    expect(await call('HEAD', '/v1/namespaces/none')).toMatchObject({ status: 404, text: '' })
    expect((await call('HEAD', '/v1/namespaces/shop/tables/orders')).status).toBe(204)
    expect((await call('HEAD', '/v1/namespaces/shop/tables/none')).status).toBe(404)
  })

  test('unknown endpoints and wrong methods are 404 in the protocol form', async () => {
    const { call } = await serve()
    const { status, body } = await call('POST', '/v1/transactions/commit', {})
    expect(status).toBe(404)
    expect(body).toEqual(errorBody(404, 'NoSuchEndpointException'))
  })
})

describe('listings', () => {
  test('pages hold each name once, in order', async () => {
    const { call } = await serve()
    await call('POST', '/v1/namespaces', { namespace: ['shop'] })
    const names = Array.from({ length: 7 }, (_, index) => `t${index}`)
    for (const name of names) {
      await call('POST', '/v1/namespaces/shop/tables', { name, schema: schemaJson })
    }
    const seen: string[] = []
    let token = ''
    for (let page = 0; page < 10; page++) {
      const { body } = await call(
        'GET',
        `/v1/namespaces/shop/tables?pageSize=3&pageToken=${encodeURIComponent(token)}`,
      )
      if (!isJsonObject(body as never)) throw new Error('no body')
      const { identifiers, 'next-page-token': next } = body as {
        identifiers: { name: string }[]
        'next-page-token'?: string
      }
      expect(identifiers.length).toBeLessThanOrEqual(3)
      seen.push(...identifiers.map((identifier) => identifier.name))
      if (next === undefined) break
      token = next
    }
    expect(seen).toEqual(names)
    const all = await call('GET', '/v1/namespaces/shop/tables')
    expect((all.body as { identifiers: unknown[] }).identifiers).toHaveLength(7)
    expect((await call('GET', '/v1/namespaces/shop/tables?pageSize=0')).status).toBe(400)
  })
})

describe('tables', () => {
  test('a staged table is answered, not made', async () => {
    const { call } = await serve()
    await call('POST', '/v1/namespaces', { namespace: ['shop'] })
    const { status, body } = await call('POST', '/v1/namespaces/shop/tables', {
      name: 'staged',
      schema: schemaJson,
      'stage-create': true,
    })
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('metadata-location')
    expect(body).toHaveProperty('metadata.table-uuid')
    expect((await call('HEAD', '/v1/namespaces/shop/tables/staged')).status).toBe(404)
  })

  test('snapshots=refs shows only what branches and tags name, under an ETag of its own', async () => {
    const { call, uri } = await serveTable()
    const rest = new RestCatalog({ uri })
    const identifier = { namespace: ['shop'], name: 'orders' }
    let table = await rest.loadTable(identifier)
    for (const id of [1n, 2n ** 53n + 1n]) {
      table = await rest.commitTable({
        identifier,
        requirements: [],
        updates: [
          {
            action: 'add-snapshot',
            snapshot: {
              snapshotId: id,
              sequenceNumber: table.metadata.lastSequenceNumber + 1n,
              timestampMs: table.metadata.lastUpdatedMs,
              manifestList: `${table.metadata.location}/metadata/${id}.avro`,
              summary: { operation: 'append' },
            },
          },
          { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId: id, type: 'branch' } },
        ],
      })
    }
    const path = '/v1/namespaces/shop/tables/orders'
    const all = await call('GET', path)
    const refs = await call('GET', `${path}?snapshots=refs`)
    expect(all.text.match(/"sequence-number"/g)).toHaveLength(2)
    expect(refs.text.match(/"sequence-number"/g)).toHaveLength(1)
    expect(refs.text).toContain('"snapshot-id":9007199254740993')
    const tag = all.headers.get('etag') ?? ''
    expect(tag).not.toBe(refs.headers.get('etag'))
    expect((await call('GET', path, undefined, { 'if-none-match': tag })).status).toBe(304)
    expect(
      (await call('GET', `${path}?snapshots=refs`, undefined, { 'if-none-match': tag })).status,
    ).toBe(200)
    expect((await call('GET', `${path}?snapshots=some`)).status).toBe(400)
  })

  test('table config reaches clients with create and load', async () => {
    const { call } = await serveTable({ tableConfig: { 's3.endpoint': 'http://127.0.0.1:9000' } })
    const { body } = await call('GET', '/v1/namespaces/shop/tables/orders')
    expect(body).toMatchObject({ config: { 's3.endpoint': 'http://127.0.0.1:9000' } })
  })

  test('metrics reports are taken', async () => {
    const { call } = await serveTable()
    const path = '/v1/namespaces/shop/tables/orders/metrics'
    expect((await call('POST', path, { 'report-type': 'scan-report' })).status).toBe(204)
  })
})

describe('errors', () => {
  test('unknown requirements and updates and damaged bodies are 400', async () => {
    const { call } = await serveTable()
    const path = '/v1/namespaces/shop/tables/orders'
    const bad: readonly unknown[] = [
      { requirements: [{ type: 'assert-moon-phase' }], updates: [] },
      { requirements: [], updates: [{ action: 'explode' }] },
      { requirements: [{ type: 'toString' }], updates: [] },
      { requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 'x' }] },
      { updates: [] },
      { requirements: [], updates: [{ action: 'set-current-schema', 'schema-id': 1.5 }] },
      [],
      '{"requirements": [',
      '"text"',
      `${'['.repeat(200)}${']'.repeat(200)}`,
      undefined,
    ]
    for (const body of bad) {
      const answer = await call('POST', path, body)
      expect(answer.body).toEqual(errorBody(400, 'BadRequestException'))
      expect(answer.status).toBe(400)
    }
  })

  test('a schema whose fields share an id is 400, nested ones too', async () => {
    const { call } = await serveTable()
    const field = (id: number, name: string, type: unknown = 'long') => ({
      id,
      name,
      type,
      required: false,
    })
    const inner = { type: 'list', 'element-id': 1, element: 'long', 'element-required': false }
    for (const second of [field(1, 'b'), field(2, 'b', inner)]) {
      const answer = await call('POST', '/v1/namespaces/shop/tables', {
        name: 'twins',
        schema: { type: 'struct', fields: [field(1, 'a'), second] },
      })
      expect(answer.body).toEqual(errorBody(400, 'BadRequestException'))
      expect(JSON.stringify(answer.body)).toContain('have the same id: id=1')
    }
  })

  test('a failed requirement is 409 CommitFailedException with what was found', async () => {
    const { call } = await serveTable()
    const { status, body } = await call('POST', '/v1/namespaces/shop/tables/orders', {
      requirements: [{ type: 'assert-current-schema-id', 'current-schema-id': 3 }],
      updates: [],
    })
    expect(status).toBe(409)
    expect(body).toEqual(errorBody(409, 'CommitFailedException'))
    expect(JSON.stringify(body)).toContain('expected=3 actual=0')
  })

  test('missing and existing things have the types that clients look for', async () => {
    const { call } = await serveTable()
    const expectError = async (answer: Promise<Answer>, status: number, type: string) =>
      expect((await answer).body).toEqual(errorBody(status, type))
    const tables = '/v1/namespaces/shop/tables'
    await expectError(call('GET', '/v1/namespaces/none'), 404, 'NoSuchNamespaceException')
    await expectError(call('GET', '/v1/namespaces/none/tables'), 404, 'NoSuchNamespaceException')
    await expectError(call('GET', `${tables}/none`), 404, 'NoSuchTableException')
    await expectError(call('DELETE', `${tables}/none`), 404, 'NoSuchTableException')
    await expectError(
      call('POST', '/v1/namespaces', { namespace: ['shop'] }),
      409,
      'AlreadyExistsException',
    )
    await expectError(
      call('POST', tables, { name: 'orders', schema: schemaJson }),
      409,
      'AlreadyExistsException',
    )
    await expectError(call('DELETE', '/v1/namespaces/shop'), 409, 'NamespaceNotEmptyException')
    const both = { updates: { a: 'b' }, removals: ['a'] }
    expect((await call('POST', '/v1/namespaces/shop/properties', both)).status).toBe(422)
    const xml = { 'content-type': 'text/xml' }
    expect((await call('POST', '/v1/namespaces', '<a/>', xml)).status).toBe(415)
  })

  test('[C21] what may be applied is 500, what surely is not is 503', async () => {
    const failures = [
      [new CommitStateUnknownError('who knows'), 500, 'CommitStateUnknownException'],
      [new UnavailableError('store is down'), 503, 'ServiceUnavailableException'],
      [new CorruptDataError('damaged'), 500, 'InternalServerError'],
      [new TypeError('secret of the inside'), 500, 'InternalServerError'],
    ] as const
    for (const [error, status, type] of failures) {
      const catalog = new ObjectStoreCatalog({ io: new MemoryFileIO(), warehouse })
      catalog.commitTable = () => Promise.reject(error)
      const { call } = await serve({ catalog })
      const answer = await call('POST', '/v1/namespaces/a/tables/b', {
        requirements: [],
        updates: [],
      })
      expect(answer.status).toBe(status)
      expect(answer.body).toEqual(errorBody(status, type))
      expect(answer.text).not.toContain('secret')
    }
  })

  test('a body beyond the limit is 413', async () => {
    const { call } = await serve()
    const answer = await call('POST', '/v1/namespaces', `"${'x'.repeat(33 * 1024 * 1024)}"`)
    expect(answer.status).toBe(413)
  })
})

describe('guard', () => {
  test('without a token only requests to this machine by name pass', async () => {
    const { call, uri } = await serve()
    const port = new URL(uri).port
    expect((await call('GET', '/v1/config')).status).toBe(200)
    for (const headers of [{ origin: 'http://evil.example' }, { origin: 'null' }]) {
      expect((await call('GET', '/v1/config', undefined, headers)).status).toBe(403)
    }
    const own = { origin: `http://localhost:${port}` }
    expect((await call('GET', '/v1/config', undefined, own)).status).toBe(200)
    expect(await rawStatus(uri, 'evil.example')).toBe(403)
    expect(await rawStatus(uri, `localhost:${port}`)).toBe(200)
  })

  test('with a token every request must carry it', async () => {
    const { call, uri } = await serve({ token: 'open sesame' })
    const denied = await call('GET', '/v1/config')
    expect(denied.status).toBe(401)
    expect(denied.body).toEqual(errorBody(401, 'NotAuthorizedException'))
    for (const [token, status] of [
      ['open sesam', 401],
      ['open sesame', 200],
    ] as const) {
      const headers = { authorization: `Bearer ${token}` }
      expect((await call('GET', '/v1/config', undefined, headers)).status).toBe(status)
    }
    expect((await call('GET', '/healthz')).status).toBe(200)
    expect((await call('GET', '/metrics')).status).toBe(401)
    await new RestCatalog({ uri, token: 'open sesame' }).createNamespace(['in'])
    await expect(new RestCatalog({ uri, token: 'wrong' }).listNamespaces()).rejects.toThrow(
      /bearer token/,
    )
  })

  test('createServer() refuses to be open to strangers or to hand them keys', () => {
    const catalog = new ObjectStoreCatalog({ io: new MemoryFileIO(), warehouse })
    expect(() => createServer({ catalog, host: '0.0.0.0' })).toThrow(SettingsError)
    const tableConfig = { 's3.secret-access-key': 'k' }
    expect(() => createServer({ catalog, host: '0.0.0.0', token: 't', tableConfig })).toThrow(
      /loopback only/,
    )
    createServer({ catalog, host: '0.0.0.0', token: 't' })
    createServer({ catalog, tableConfig })
  })
})

describe('health', () => {
  test('probes answer, and readiness says why not', async () => {
    const { call, catalog } = await serve({ version: '1.2.3' })
    expect((await call('GET', '/ping')).text).toBe('Ok.')
    expect((await call('GET', '/healthz')).body).toEqual({ status: 'ok' })
    expect((await call('GET', '/version')).body).toMatchObject({ version: '1.2.3' })
    expect((await call('GET', '/readyz')).body).toEqual({ status: 'ready' })
    catalog.listNamespaces = () => Promise.reject(new UnavailableError('bucket is gone'))
    const notReady = await call('GET', '/readyz')
    expect(notReady.status).toBe(503)
    expect(notReady.body).toEqual({ status: 'not ready', reason: 'bucket is gone' })
  })

  test('/metrics counts requests by route and commits by result', async () => {
    const { call, uri } = await serveTable()
    const rest = new RestCatalog({ uri })
    const identifier = { namespace: ['shop'], name: 'orders' }
    await rest.commitTable({
      identifier,
      requirements: [],
      updates: [{ action: 'add-schema', schema }],
    })
    const conflict = rest.commitTable({
      identifier,
      requirements: [{ type: 'assert-default-spec-id', defaultSpecId: 9 }],
      updates: [],
    })
    await expect(conflict).rejects.toThrow(/assert-default-spec-id/)
    const { text } = await call('GET', '/metrics')
    expect(text).toContain('tidewater_commits_total{result="committed"} 1')
    expect(text).toContain('tidewater_commits_total{result="conflict"} 1')
    expect(text).toMatch(
      /tidewater_http_requests_total\{method="POST",route="\/v1\/namespaces",status="200"\} 1/,
    )
  })
})

/** fetch sets Host by itself, so this request is written by hand. */
async function rawStatus(uri: string, host: string): Promise<number> {
  const { request } = await import('node:http')
  return new Promise((resolve, reject) => {
    const sent = request(`${uri}/v1/config`, { headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
  })
}
