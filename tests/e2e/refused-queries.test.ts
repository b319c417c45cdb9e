/**
 * Both walls of the query endpoint, tried case by case: over HTTP, where the parse refuses; and in the
 * child with that parse left out, where the locked-down engine does.
 */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger, systemClock } from '../../common/index.ts'
import { createServer, type Server } from '../../server/index.ts'
import { FileCache, openSandboxedEngine, type SandboxedEngine } from '../../sql/index.ts'
import type { QuerySession } from '../../sql/session/query-session.ts'
import { SandboxPool } from '../../sql/sandbox/sandbox-pool.ts'
import { type RefusedTargets, refusedQueries } from '../support/refused-queries.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

const marker = 'TOPSECRET-c0ffee'
const limits = {
  memoryBytesMax: 300e6,
  threads: 2,
  tempBytesMax: 100e6,
  rowsMax: 100_000,
  resultBytesMax: 10e6,
}
/** Names are all that a case needs before the lake exists; the rest is filled in by `targets`. */
const names = refusedQueries({
  secretFile: '@secret',
  secretLink: '@link',
  folder: '@folder',
  otherParquet: '@other',
  ownParquet: '@own/x',
  url: '@url',
  parentPid: 0,
})

let lake: SqlLake
let engine: SandboxedEngine
let server: Server
let pool: SandboxPool
let web: HttpServer
let uri: string
let targets: RefusedTargets
let visitors = 0

beforeAll(async () => {
  process.env['TIDE_TEST_MARKER'] = marker
  lake = await openSqlLake()
  await lake.create('demo.t', ['id long'])
  await lake.append('demo.t', 'SELECT i::BIGINT AS id FROM range(10) r(i)')
  const folder = join(lake.directory, 'folder')
  await mkdir(folder)
  const secretFile = join(lake.directory, 'secret.csv')
  const secretLink = join(lake.directory, 'link.csv')
  await writeFile(secretFile, `a,b\n1,${marker}\n`)
  await symlink(secretFile, secretLink)
  const ownParquet = join(lake.directory, 'own.parquet')
  const otherParquet = join(lake.directory, 'other.parquet')
  await lake.database.withConnection(async (connection) => {
    await connection.run(`COPY (SELECT 7 AS id) TO '${ownParquet}' (FORMAT parquet)`)
    await connection.run(`COPY (SELECT '${marker}' AS s) TO '${otherParquet}' (FORMAT parquet)`)
  })
  web = createHttpServer((_, response) => {
    visitors++
    response.end(marker)
  })
  web.on('connection', () => visitors++)
  await new Promise<void>((resolve) => {
    web.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
  targets = {
    secretFile,
    secretLink,
    folder,
    otherParquet,
    ownParquet,
    url,
    parentPid: process.pid,
  }
  const cache = new FileCache({
    io: lake.io,
    directory: join(lake.directory, 'cache'),
    bytesMax: 1e9,
  })
  const common = {
    limits,
    mode: 'auto',
    concurrency: 2,
    queuedMax: 10,
    timeoutMs: 240_000,
  } as const
  engine = await openSandboxedEngine({ ...lake, ...common, cache })
  server = createServer({
    catalog: lake.catalog,
    port: 0,
    queries: {
      engine,
      isNetworkless: engine.isNetworkless,
      networkReason: engine.networkReason,
      acceptsNetwork: false,
    },
  })
  uri = await server.start()
  pool = await SandboxPool.start({ ...common, clock: systemClock, logger: silentLogger })
})
afterAll(async () => {
  await server?.stop()
  await engine?.close()
  await pool?.stop()
  await new Promise((resolve) => {
    web.close(resolve)
  })
  await lake?.close()
  delete process.env['TIDE_TEST_MARKER']
})

function caseAt(index: number): string {
  return refusedQueries(targets)[index]?.sql ?? ''
}

async function post(sql: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${uri}/query`, { method: 'POST', body: sql })
  return { status: response.status, text: await response.text() }
}

/** A session as the planner leaves it: one view over the one file that the query may read. */
async function planned(): Promise<QuerySession> {
  const session = await pool.openSession()
  await session.begin()
  const view = `CREATE VIEW "__tide_1"."demo"."t" AS FROM read_parquet('${targets.ownParquet}')`
  await session.createRelations([
    { catalogName: '__tide_1', schemaName: 'demo', statements: [{ sql: view }] },
  ])
  return session
}

async function runBehind(sql: string): Promise<string> {
  const session = await planned()
  try {
    const rows = await session.stream(sql, [targets.ownParquet])
    const seen: unknown[] = []
    for (let batch = await rows.next(); batch !== undefined; batch = await rows.next()) {
      seen.push(...batch)
    }
    return `rows: ${JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`
  } catch (error) {
    return `error: ${String(error)}`
  } finally {
    await session.close()
  }
}

describe('SQL of a stranger', () => {
  it('has its cases, and the same ways work where they may', async () => {
    expect(names.length).toBeGreaterThan(80)
    const { status, text } = await post('SELECT count(*) AS n FROM demo.t')
    expect([status, text]).toEqual([200, expect.stringContaining('"n":10')])
    expect(await runBehind('SELECT id FROM "__tide_1"."demo"."t"')).toBe('rows: [[7]]')
    // Without the walls the very same functions do read.
    const read = await lake.database.withConnection((connection) =>
      connection.runAndReadAll(`SELECT content FROM read_text('${targets.secretFile}')`),
    )
    expect(String(read.getRows()[0])).toContain(marker)
  })

  it.each(names.map(({ name, sql }, index) => [name, sql, index] as const))(
    '[S4] over HTTP: %s: %s',
    async (_name, _sql, index) => {
      const { status, text } = await post(caseAt(index))
      expect(status, text).toBeGreaterThanOrEqual(400)
      expect(status, text).toBeLessThan(500)
      const body = JSON.parse(text) as { readonly error: { readonly message: string } }
      expect(body.error.message.length).toBeGreaterThan(10)
      expect(text).not.toContain(marker)
    },
  )

  it.each(names.map(({ behind, name, sql }, index) => [name, sql, index, behind] as const))(
    '[S4] in the child, with the parse left out: %s: %s',
    async (_name, _sql, index, behind) => {
      const seen = await runBehind(caseAt(index))
      expect(seen).not.toContain(marker)
      if (behind === 'refused') expect(seen).toMatch(/^error: /)
    },
  )

  it('[S4] has written nothing and called nobody', async () => {
    expect(await readdir(targets.folder)).toEqual([])
    expect(visitors).toBe(0)
    await fetch(targets.url)
    expect(visitors).toBeGreaterThan(0)
  })
})
