import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  SettingsError,
  UnavailableError,
  parseJson,
  systemClock,
  type JsonObject,
} from '../common/index.ts'
import {
  FileCache,
  allRows,
  createQueryEngine,
  openRemoteEngine,
  plainText,
  type QueryEngine,
} from '../sql/index.ts'
import { openSqlLake, type SqlLake } from '../tests/support/sql-lake.ts'
import { type Server, type ServerOptions, createServer } from './create-server.ts'
import type { QueryService } from './query-routes.ts'

let lake: SqlLake
let engine: QueryEngine
const started: Server[] = []

beforeAll(async () => {
  lake = await openSqlLake()
  const cache = new FileCache({
    io: lake.io,
    directory: join(lake.directory, 'cache'),
    bytesMax: 1e9,
  })
  engine = await createQueryEngine({ ...lake, cache })
  await lake.create('demo.t', ['id long', 'name string'])
  await lake.append('demo.t', "SELECT i::BIGINT AS id, 'n' || i AS name FROM range(3) r(i)")
})
afterAll(() => lake.close())
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop()
})

function service(options: Partial<QueryService> = {}): QueryService {
  return {
    engine,
    isNetworkless: true,
    networkReason: undefined,
    acceptsNetwork: false,
    ...options,
  }
}

interface Watched {
  readonly engine: QueryEngine
  /** When the engine has been asked, and when that question was given up. */
  readonly asked: Promise<void>
  readonly aborted: Promise<void>
}

function watched(): Watched {
  let [onAsked, onAborted] = [(): void => undefined, (): void => undefined]
  const asked = new Promise<void>((resolve) => (onAsked = resolve))
  const aborted = new Promise<void>((resolve) => (onAborted = resolve))
  const watching: QueryEngine = {
    ...engine,
    query: (sql, options = {}) => {
      onAsked()
      options.signal?.addEventListener('abort', () => onAborted())
      return engine.query(sql, options)
    },
  }
  return { engine: watching, asked, aborted }
}

/** Rows enough for the answer to have begun, and then a failure. */
const halfWay: QueryEngine = {
  get catalog() {
    return engine.catalog
  },
  procedures: [],
  query: async () => ({
    ...literal,
    columns: [{ name: 's', type: 'VARCHAR' }],
    batches: (async function* () {
      yield Array.from({ length: 100 }, () => ['x'.repeat(1000)])
      await systemClock.sleep(20)
      throw new UnavailableError('it broke half-way')
    })(),
  }),
}
const literal = {
  summary: () => ({ tables: [], rowCount: 0, bytesFetched: 0, planningMs: 0, totalMs: 0 }),
  close: () => Promise.resolve(),
}

async function serve(options: Partial<ServerOptions> = {}): Promise<string> {
  const server = createServer({ catalog: lake.catalog, port: 0, queries: service(), ...options })
  started.push(server)
  return server.start()
}

async function post(
  uri: string,
  sql: string,
  parameters = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }> {
  const response = await fetch(`${uri}/query${parameters}`, { method: 'POST', body: sql, headers })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

function json(text: string): JsonObject {
  return parseJson(text) as JsonObject
}

describe('POST /query', () => {
  test('answers in JSON with the state of each table that it read', async () => {
    const uri = await serve()
    const { headers, status, text } = await post(uri, 'SELECT id, name FROM demo.t ORDER BY id')
    expect(status).toBe(200)
    const answer = json(text)
    expect(answer['meta']).toEqual([
      { name: 'id', type: 'BIGINT' },
      { name: 'name', type: 'VARCHAR' },
    ])
    expect(answer['data']).toEqual([0, 1, 2].map((id) => ({ id, name: `n${id}` })))
    expect(answer['rows']).toBe(3)
    const { metadata } = await lake.load('demo.t')
    const layer = {
      table: 'demo.t',
      snapshotId: String(metadata.refs['main']?.snapshotId),
      filesRead: 1,
      filesTotal: 1,
    }
    expect(answer['layers']).toMatchObject([layer])
    expect(json(headers.get('x-summary') ?? '')['layers']).toMatchObject([layer])
    expect(headers.get('x-query-id')).toBe(answer['query_id'])
    expect(headers.get('content-type')).toContain('application/json')
  })

  test('keeps 64-bit integers and decimals digit by digit, or quotes them', async () => {
    const uri = await serve()
    const sql = "SELECT 9007199254740993 AS big, 1.10 AS d, {'x': [9007199254740993]} AS s"
    const { text } = await post(uri, sql)
    expect(text).toContain('{"big":9007199254740993,"d":1.10,"s":{"x":[9007199254740993]}}')
    const quoted = await post(uri, sql, '?output_format_json_quote_64bit_integers=1')
    expect(quoted.text).toContain(
      '{"big":"9007199254740993","d":1.10,"s":{"x":["9007199254740993"]}}',
    )
  })

  test.each([
    ['?default_format=JSONEachRow', {}, '{"id":0,"name":"n0"}\n'],
    ['?default_format=CSVWithNames', {}, 'id,name\n0,n0\n'],
    ['?default_format=Markdown', {}, '| id | name |\n|----|------|\n| 0  | n0   |\n'],
    ['', { accept: 'text/html, text/csv;q=0.5' }, 'id,name\n0,n0\n'],
    ['', { accept: 'application/x-ndjson' }, '{"id":0,"name":"n0"}\n'],
    ['?default_format=TSV', {}, '0\tn0\n'],
    ['?default_format=TabSeparatedWithNames', {}, 'id\tname\n0\tn0\n'],
    ['', { accept: 'text/tab-separated-values' }, 'id\tname\n0\tn0\n'],
  ])('writes other formats: %s %o', async (parameters, headers, expected) => {
    const uri = await serve()
    const { text } = await post(uri, 'SELECT * FROM demo.t WHERE id = 0', parameters, headers)
    expect(text).toBe(expected)
  })

  test('binds parameters as values: no text of one is ever SQL', async () => {
    const uri = await serve()
    const evil = "n1' OR 1=1 --"
    const ask = async (sql: string, values: Record<string, string>): Promise<unknown> => {
      const search = new URLSearchParams()
      for (const [name, text] of Object.entries(values)) search.set(`param_${name}`, text)
      return json((await post(uri, sql, `?${search}`)).text)['data']
    }
    const byName = 'SELECT id FROM demo.t WHERE name = {name:String}'
    expect(await ask(byName, { name: 'n1' })).toEqual([{ id: 1 }])
    expect(await ask(byName, { name: evil })).toEqual([])
    expect(await ask('SELECT {a:String} AS a, {a: String} AS b', { a: evil })).toEqual([
      { a: evil, b: evil },
    ])
    const many = `SELECT {big:Int64} + 0 AS big, {d:Decimal(9,2)} AS d, {t:DateTime64(6)} AS t,
      {n:Nullable(UInt8)} AS n, {u:UUID} AS u, {'x': 1, 'y': {b:Bool}} AS s`
    const uuid = '00112233-4455-6677-8899-aabbccddeeff'
    const { text } = await post(
      uri,
      many,
      `?${new URLSearchParams({
        param_big: '9007199254740993',
        param_d: '1.10',
        param_t: '2026-01-31 12:00:00.000001',
        param_n: '\\N',
        param_u: uuid,
        param_b: 'true',
      })}`,
    )
    expect(text).toContain(
      `{"big":9007199254740993,"d":1.10,"t":"2026-01-31T12:00:00.000001","n":null,"u":"${uuid}","s":{"x":1,"y":true}}`,
    )
  })

  test('escapes what would break a line of tabs, as ClickHouse does', async () => {
    const uri = await serve()
    const sql = String.raw`SELECT 'a'||chr(9)||'b'||chr(10)||'c'||chr(13)||chr(8)||chr(12) AS "x'	y", '\''' AS q, NULL AS n, '' AS e, [1, NULL] AS l`
    const { text } = await post(uri, sql, '?default_format=TSVWithNames')
    expect(text).toBe(
      `${[String.raw`x\'\ty`, 'q', 'n', 'e', 'l'].join('\t')}\n` +
        `${[String.raw`a\tb\nc\r\b\f`, String.raw`\\\'`, '\\N', '', '[1, NULL]'].join('\t')}\n`,
    )
  })

  test.each([
    ['?default_format=ArrowStream', {}],
    ['', { accept: 'application/vnd.apache.arrow.stream' }],
  ])('answers as an Arrow stream: %s %o', async (parameters, headers) => {
    const uri = await serve()
    const sql = 'SELECT id, name FROM demo.t ORDER BY id DESC'
    const init = { method: 'POST', body: sql, headers }
    const response = await fetch(`${uri}/query${parameters}`, init)
    expect(response.headers.get('content-type')).toBe('application/vnd.apache.arrow.stream')
    const table = tableFromIPC(await response.arrayBuffer())
    expect(table.schema.fields.map(String)).toEqual(['id: Int64', 'name: Utf8'])
    expect(table.toArray().map((row) => row.toArray())).toEqual(
      [2, 1, 0].map((id) => [BigInt(id), `n${id}`]),
    )
  })

  test('takes the text from the parameter, the namespace from database, the id from the client', async () => {
    const uri = await serve()
    const url = `${uri}/query?query=SELECT+count(*)+n+FROM+t&database=demo&query_id=q-1.x`
    const response = await fetch(url)
    expect(json(await response.text())['data']).toEqual([{ n: 3 }])
    expect(response.headers.get('x-query-id')).toBe('q-1.x')
  })

  test.each([
    ['', '', 400, 'there is no query'],
    ['SELECT 1', '?default_format=Parquett', 400, 'there is no format Parquett'],
    ['SELECT 1', '?default_format=constructor', 400, 'there is no format'],
    ['SELECT 1', '?querry_id=1', 400, 'unknown parameter querry_id, did you mean query_id'],
    ['SELECT 1', '?param_x=1', 400, 'the query has no placeholder {x:Type}: parameter=param_x'],
    ["SELECT '{x:Int8}' -- {x:Int8}", '?param_x=1', 400, 'has no placeholder {x:Type}'],
    ['SELECT {x:Int64}', '?param_x=1.5', 400, 'param_x is no Int64: value=1.5'],
    ['SELECT {x:Int8}', '?param_x=300', 400, 'INT8'],
    ['SELECT {x:Int9}', '?param_x=1', 400, 'unknown type Int9, did you mean'],
    [
      'SELECT {x:Int64}, nope',
      '?param_x=1',
      400,
      `line 1: SELECT {x:Int64}, nope\n${' '.repeat(26)}^`,
    ],
    ['USE demo', '?param_x=1', 400, 'has no placeholder'],
    ['SELECT 1', '?param_x=1&param_x=2', 400, 'given twice: parameter=param_x'],
    ['SELECT 1', '?query_id=a%20b', 400, 'query_id is up to'],
    ['SELECT 1', '?query_id=a&query_id=b', 400, 'given twice: parameter=query_id'],
    ['SELEC 1', '', 400, 'syntax error at or near "SELEC"'],
    ['SELECT nope FROM demo.t', '', 400, 'line 1: SELECT nope FROM demo.t\n               ^'],
    ['SELECT * FROM demo.tt', '', 404, 'did you mean demo.t'],
    ["SELECT error('boom')", '', 400, 'boom'],
    [`SELECT ${'NOT '.repeat(50_000)}1`, '', 400, 'memory exhausted'],
    ['SELECT 1; SELECT 2', '', 400, 'one statement'],
  ])('says what is wrong with %.40s %s', async (sql, parameters, status, message) => {
    const uri = await serve()
    const answer = await post(uri, sql, parameters)
    expect([answer.status, answer.text]).toEqual([status, expect.any(String)])
    const { error } = json(answer.text) as { readonly error?: JsonObject }
    expect(error?.['message']).toContain(message)
    expect(error?.['code']).toBe(status)
  })

  test('streams large results whole', async () => {
    const uri = await serve()
    const sql = "SELECT i, repeat('x', 50) AS s FROM range(4000) r(i)"
    const { text } = await post(uri, sql, '?default_format=JSONEachRow')
    const lines = text.trimEnd().split('\n')
    expect(lines.length).toBe(4_000)
    expect(json(lines.at(-1) ?? '')).toEqual({ i: 3_999, s: 'x'.repeat(50) })
    expect(json((await post(uri, sql)).text)['rows']).toBe(4_000)
  })

  test('breaks off an answer that fails half-way, with a last line that says why', async () => {
    const uri = await serve({ queries: service({ engine: halfWay }) })
    const response = await fetch(`${uri}/query?default_format=JSONEachRow`, {
      method: 'POST',
      body: 'SELECT 1',
    })
    expect(response.status).toBe(200)
    let text = ''
    const reading = (async () => {
      for await (const part of response.body ?? []) text += Buffer.from(part).toString()
    })()
    await expect(reading).rejects.toThrow('terminated')
    expect(text.trimEnd().split('\n').at(-1)).toBe('{"exception":"it broke half-way"}')
    await expect(post(uri, 'SELECT 1')).rejects.toThrow('terminated')
    const arrow = post(uri, 'SELECT 1', '?default_format=ArrowStream')
    await expect(arrow).rejects.toThrow('terminated')
  })

  test('reads no more rows than the receiver of an Arrow stream takes', async () => {
    const state = { batches: 0 }
    const endless: QueryEngine = {
      catalog: engine.catalog,
      procedures: [],
      query: async () => ({
        ...literal,
        columns: [{ name: 's', type: 'VARCHAR' }],
        batches: (async function* () {
          for (; ; state.batches++) yield Array.from({ length: 100 }, () => ['x'.repeat(10_000)])
        })(),
      }),
    }
    const uri = await serve({ queries: service({ engine: endless }) })
    const stop = new AbortController()
    const url = `${uri}/query?default_format=ArrowStream&query=SELECT+1`
    const response = await fetch(url, { signal: stop.signal })
    let before = -1
    // The buffers of both sides fill up, and then nothing moves.
    while (before !== state.batches || before === 0) {
      before = state.batches
      await systemClock.sleep(80)
    }
    expect(state.batches).toBeLessThan(50)
    const reader = response.body?.getReader()
    while (state.batches === before) await reader?.read()
    stop.abort()
  })
})

describe('DELETE /query/{id}', () => {
  const slow = 'SELECT count(*) FROM range(100000000000) r(i) WHERE hash(i) = 1'

  test('cancels a running query; its id is free again', async () => {
    const { asked, engine: watching } = watched()
    const uri = await serve({ queries: service({ engine: watching }) })
    const query = post(uri, slow, '?query_id=long')
    await asked
    const again = await post(uri, 'SELECT 1', '?query_id=long')
    expect([again.status, again.text]).toEqual([409, expect.stringContaining('query_id=long')])
    const cancelled = await fetch(`${uri}/query/long`, { method: 'DELETE' })
    expect(cancelled.status).toBe(200)
    const { status, text } = await query
    expect([status, text]).toEqual([503, expect.stringContaining('the query was cancelled')])
    const gone = await fetch(`${uri}/query/long`, { method: 'DELETE' })
    expect([gone.status, await gone.text()]).toEqual([
      404,
      expect.stringContaining('"type":"NoSuchQueryException"'),
    ])
    expect((await post(uri, 'SELECT 1', '?query_id=long')).status).toBe(200)
  })

  test('names the methods that there are to whoever uses another one', async () => {
    const uri = await serve()
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const body = method === 'DELETE' ? {} : { body: 'SELECT 1' }
      const answer = await fetch(`${uri}/query`, { method, ...body })
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, POST'])
      expect(await answer.text()).toContain('"type":"MethodNotAllowedException"')
    }
  })

  test('is not needed when the client goes away', async () => {
    const { aborted, asked, engine: watching } = watched()
    const uri = await serve({ queries: service({ engine: watching }) })
    const stop = new AbortController()
    const query = fetch(`${uri}/query`, { method: 'POST', body: slow, signal: stop.signal })
    await asked
    stop.abort()
    await expect(query).rejects.toThrow('aborted')
    await aborted
  })
})

describe('who may ask', () => {
  test('[S7] only this machine, by its own name, and not for another web page', async () => {
    const uri = await serve()
    const { port } = new URL(uri)
    const ask = async (headers: Readonly<Record<string, string>>): Promise<number> =>
      (await post(uri, 'SELECT 1', '', headers)).status
    expect(await ask({})).toBe(200)
    expect(await ask({ origin: `http://localhost:${port}` })).toBe(200)
    expect(await ask({ origin: 'https://evil.example' })).toBe(403)
    expect(await ask({ 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await ask({ 'sec-fetch-site': 'same-origin' })).toBe(200)
  })

  test('[S7] whoever has the token, where there is one', async () => {
    const uri = await serve({ token: 'tide-test' })
    expect((await post(uri, 'SELECT 1')).status).toBe(401)
    expect((await post(uri, 'SELECT 1', '', { authorization: 'Bearer tide-tesT' })).status).toBe(
      401,
    )
    expect((await post(uri, 'SELECT 1', '', { authorization: 'Bearer tide-test' })).status).toBe(
      200,
    )
    expect((await fetch(`${uri}/query/x`, { method: 'DELETE' })).status).toBe(401)
  })

  test('[S7] no other machine without a token, nor without a network wall', async () => {
    expect(() => createServer({ catalog: lake.catalog, host: '0.0.0.0', port: 0 })).toThrow(
      SettingsError,
    )
    const open = { host: '0.0.0.0', token: 'tide-test' } as const
    const headers = { authorization: 'Bearer tide-test' }
    const askWith = async (queries: QueryService): Promise<readonly [number, string]> => {
      const uri = await serve({ ...open, queries })
      const { port } = new URL(uri)
      const { status, text } = await post(`http://127.0.0.1:${port}`, 'SELECT 1', '', headers)
      return [status, text]
    }
    const walless = { isNetworkless: false, networkReason: 'no namespaces here' }
    expect(await askWith(service())).toEqual([200, expect.any(String)])
    expect(await askWith(service(walless))).toEqual([
      503,
      expect.stringMatching(/loopback only.*no namespaces here.*query\.sandbox=process/),
    ])
    expect((await askWith(service({ ...walless, acceptsNetwork: true })))[0]).toBe(200)
    const loopback = await serve({ queries: service(walless) })
    expect((await post(loopback, 'SELECT 1')).status).toBe(200)
  })
})

describe('openRemoteEngine()', () => {
  const everything = `SELECT 1::TINYINT, 9007199254740993, 170141183460469231731687303715884105727,
    1.10::DECIMAL(9,2), 0.1::FLOAT, -0.0::DOUBLE, 'nan'::DOUBLE, '-inf'::DOUBLE, true, NULL, '', 'ü"\n',
    'a\\xFF'::BLOB, DATE '2026-01-31', TIME '12:00:01.5', TIMESTAMP '2026-01-31 12:00:00.000001',
    TIMESTAMPTZ '2026-01-31 12:00:00+02', INTERVAL 1 DAY, uuid(), [1, NULL], [[1.5]], {'a': {'b': 'i'}},
    MAP {1: 'x', 2: NULL}, MAP {{'k': 1}: [2]} , []`.replace('uuid()', "'a0b1'::VARCHAR")

  test('shows every value as the engine itself does', async () => {
    const remote = openRemoteEngine({ url: `${await serve()}/` })
    const [there, here] = await Promise.all(
      [remote, engine].map(async (each) => {
        const result = await each.query(everything)
        return { columns: result.columns, rows: await allRows(result) }
      }),
    )
    expect(there).toEqual(here)
  })

  test('brings the footer, the namespace of USE, and the catalog', async () => {
    const remote = openRemoteEngine({ url: await serve() })
    const result = await remote.query('SELECT * FROM t', { defaultNamespace: ['demo'] })
    expect((await allRows(result)).length).toBe(3)
    const { tables, rowCount } = result.summary()
    expect(tables).toMatchObject([{ name: 'demo.t', filesRead: 1, filesTotal: 1 }])
    expect(tables[0]?.snapshotId).toBeTypeOf('bigint')
    expect(rowCount).toBe(3)
    expect((await remote.query('USE demo')).usedNamespace).toEqual(['demo'])
    expect(await remote.catalog.listTables(['demo'])).toEqual([{ namespace: ['demo'], name: 't' }])
  })

  test('reads many rows in order, and stops the server when closed early', async () => {
    const remote = openRemoteEngine({ url: await serve() })
    const result = await remote.query('SELECT i FROM range(5000) r(i)')
    const rows = (await allRows(result)).map(([value]) => Number(value))
    expect(rows).toEqual(Array.from({ length: 5_000 }, (_, index) => index))
    const early = await remote.query("SELECT i, repeat('x', 100) FROM range(1000000) r(i)")
    for await (const batch of early.batches) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
    await early.close()
  })

  test('fails as the engine fails', async () => {
    const url = await serve({ token: 'tide-test' })
    const remote = openRemoteEngine({ url, token: 'tide-test' })
    await expect(remote.query('SELECT nope FROM demo.t')).rejects.toThrow('line 1: SELECT nope')
    await expect(remote.query('SELECT * FROM demo.tt')).rejects.toThrow('did you mean demo.t')
    await expect(openRemoteEngine({ url }).query('SELECT 1')).rejects.toThrow(
      'a valid bearer token is required',
    )
    const broken = openRemoteEngine({
      url: await serve({ queries: service({ engine: halfWay }) }),
    })
    await expect(allRows(await broken.query('SELECT 1'))).rejects.toThrow('it broke half-way')
    await expect(openRemoteEngine({ url: 'http://127.0.0.1:9' }).query('SELECT 1')).rejects.toThrow(
      UnavailableError,
    )
    const stop = new AbortController()
    const slow = remote.query('SELECT count(*) FROM range(100000000000) r(i) WHERE hash(i) = 1', {
      signal: stop.signal,
    })
    await systemClock.sleep(50)
    stop.abort(new Error('enough'))
    await expect(slow).rejects.toThrow('the query was cancelled')
  })

  test('says so when the server answers no queries', async () => {
    const server = createServer({ catalog: lake.catalog, port: 0 })
    started.push(server)
    const remote = openRemoteEngine({ url: await server.start() })
    await expect(remote.query('SELECT 1')).rejects.toThrow('this server answers no queries')
  })

  test('prints the same table', async () => {
    const remote = openRemoteEngine({ url: await serve() })
    const texts = await Promise.all(
      [remote, engine].map(async (each) =>
        (await allRows(await each.query('SELECT * FROM demo.t ORDER BY id'))).map((row) =>
          row.map(plainText),
        ),
      ),
    )
    expect(texts[0]).toEqual(texts[1])
  })
})
