import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import type { Catalog } from '../../catalog/index.ts'
import type { TableIdentifier } from '../../catalog/format/index.ts'
import { systemClock } from '../../common/index.ts'
import { FileCache } from '../scan/file-cache.ts'
import { createQueryEngine, type QueryEngine, queryEngineOver, queryTools } from './query-engine.ts'
import { allRows, type QuerySummary } from '../session/query-result.ts'
import type { QueryOptions } from '../scan/query-tools.ts'
import { plainText } from '../session/values.ts'

let lake: SqlLake
let engine: QueryEngine

beforeAll(async () => {
  lake = await openSqlLake()
  engine = await createQueryEngine({ ...lake, cache: cacheOf(lake) })
  await lake.create(
    'demo.flights',
    ['id long', 'carrier string', 'ts timestamp', 'delay int'],
    ['day(ts)'],
  )
  for (const day of [1, 2, 3]) {
    await lake.append(
      'demo.flights',
      `SELECT ${day * 100}::BIGINT + i AS id, ['AA', 'UA', 'WN'][1 + i % 3] AS carrier,
        TIMESTAMP '2026-01-0${day} 00:00:00' + INTERVAL (i) HOUR AS ts, i::INTEGER AS delay
       FROM range(6) t(i)`,
    )
  }
  await lake.create('demo.carriers', ['carrier string', 'name string'])
  await lake.append(
    'demo.carriers',
    "SELECT * FROM (VALUES ('AA', 'American'), ('UA', 'United')) t(carrier, name)",
  )
  await lake.create('demo.empty', ['a int', 'b decimal(9,2)', 'c timestamptz'])
})
afterAll(() => lake.close())

function cacheOf({ io, directory }: SqlLake): FileCache {
  return new FileCache({ io, directory: join(directory, 'cache'), bytesMax: 2 ** 30 })
}

interface Answer {
  readonly rows: readonly string[]
  readonly summary: QuerySummary
}

async function ask(sql: string, options?: QueryOptions): Promise<Answer> {
  const result = await engine.query(sql, options)
  const rows = (await allRows(result)).map((row) => row.map(plainText).join('|'))
  return { rows, summary: result.summary() }
}

describe('createQueryEngine()', () => {
  it('answers over a table of several files', async () => {
    const { rows, summary } = await ask(
      'SELECT carrier, count(*), sum(delay) FROM demo.flights GROUP BY 1 ORDER BY 1',
    )
    expect(rows).toEqual(['AA|6|9', 'UA|6|15', 'WN|6|21'])
    expect(summary.tables).toMatchObject([{ name: 'demo.flights', filesRead: 3, filesTotal: 3 }])
    expect(summary.rowCount).toBe(3)
  })

  it.each([
    ["ts >= TIMESTAMP '2026-01-02 12:00:00'", 1],
    ["ts BETWEEN TIMESTAMP '2026-01-02' AND TIMESTAMP '2026-01-02 23:00:00'", 1],
    ["ts::DATE = DATE '2026-01-02'", 1],
    ["ts >= DATE '2026-01-02' AND carrier = 'AA'", 2],
    ['id < 200', 1],
    ['200 > id', 1],
    ['id IN (100, 305)', 2],
    ['id = 101 OR id = 301', 2],
    ['NOT (id >= 200)', 1],
    ['NOT (id < 200 OR id > 299)', 1],
    ['id > 199.5 AND id < 3e2', 1],
    ["ts > TIMESTAMP '2026-01-03' - INTERVAL 1 HOUR", 1],
    ["carrier LIKE 'Z%'", 0],
    ["starts_with(carrier, 'Z')", 0],
    ['carrier IS NULL', 0],
    ['id = 101 AND upper(carrier) = carrier', 1],
    ['demo.flights.id < 200', 1],
    ['flights.id < 200', 1],
    ['id + 0 < 200', 3],
    ['id < delay', 3],
    ['id = 101 OR delay + 0 = 5', 3],
    ['ts < now()', 3],
    ['ts > now() + INTERVAL 100 YEARS', 0],
  ])('prunes by %s to %i files, with the same rows', async (condition, files) => {
    const sql = `SELECT id FROM demo.flights WHERE ${condition} ORDER BY id`
    const pruned = await ask(sql)
    expect(pruned.summary.tables[0]).toMatchObject({ filesRead: files, filesTotal: 3 })
    expect(pruned.rows).toEqual((await ask(sql, { prune: false })).rows)
  })

  it('prunes by literals even when another constant cannot be evaluated', async () => {
    const { rows, summary } = await ask(
      "SELECT id FROM demo.flights WHERE ts > CAST('x' AS TIMESTAMP) AND id = 1",
    )
    expect(rows).toEqual([])
    expect(summary.tables[0]).toMatchObject({ filesRead: 0, filesTotal: 3 })
  })

  it('joins tables, each pruned by its own conditions', async () => {
    const { rows, summary } = await ask(`
      SELECT c.name, count(*) FROM demo.flights f JOIN demo.carriers AS c USING (carrier)
      WHERE f.id < 200 AND c.name > 'A' GROUP BY ALL ORDER BY ALL`)
    expect(rows).toEqual(['American|2', 'United|2'])
    expect(summary.tables.map((table) => table.filesRead)).toEqual([1, 1])
  })

  it('[Q3] pushes no condition below an outer join that its padding could satisfy', async () => {
    const sql = `SELECT c.carrier, f.id FROM demo.carriers c
      LEFT JOIN demo.flights f ON c.carrier = f.carrier AND f.id = 100
      WHERE f.id IS NULL ORDER BY 1`
    expect((await ask(sql)).rows).toEqual(['UA|NULL'])
    const padded = await ask(`SELECT count(*) FROM demo.carriers c
      LEFT JOIN demo.flights f USING (carrier) WHERE f.id < 200`)
    expect(padded.rows).toEqual(['4'])
    expect(padded.summary.tables[1]).toMatchObject({ filesRead: 1 })
  })

  it('[Q3] prunes nothing that sampling, ASOF or positional joins look at', async () => {
    const asof = await ask(`SELECT a.id, b.id FROM demo.flights a ASOF JOIN demo.flights b
      ON a.ts >= b.ts WHERE a.id = 300 AND b.id < 200`)
    expect(asof.rows).toEqual([])
    expect(asof.summary.tables.map((table) => table.filesRead)).toEqual([1, 3])
    const sampled = await ask(
      'SELECT count(*) FROM demo.flights TABLESAMPLE 18 ROWS WHERE id < 200',
    )
    expect(sampled.rows).toEqual(['6'])
    expect(sampled.summary.tables[0]).toMatchObject({ filesRead: 3 })
  })

  it('keeps table expressions apart from tables of the same name', async () => {
    const sql = `WITH flights AS (SELECT * FROM demo.flights WHERE id < 200)
      SELECT (SELECT count(*) FROM flights), (SELECT count(*) FROM demo.flights)`
    expect((await ask(sql)).rows).toEqual(['6|18'])
    const self =
      'WITH flights AS (SELECT * FROM flights WHERE id < 200) SELECT count(*) FROM flights'
    expect((await ask(self, { defaultNamespace: ['demo'] })).rows).toEqual(['6'])
  })

  it.each([
    ['SELECT max(id) FROM (FROM demo.flights) x'],
    ['FROM demo.flights SELECT max(id)'],
    ['SELECT id FROM demo.flights UNION ALL SELECT 0 ORDER BY 1 DESC LIMIT 1'],
    [
      'SELECT max(i.id) FROM demo.carriers c, LATERAL (SELECT * FROM demo.flights f WHERE f.carrier = c.carrier OR true) i',
    ],
    ['SELECT DISTINCT (SELECT max(id) FROM demo.flights) FROM demo.carriers'],
    [
      'WITH RECURSIVE r(n) AS (SELECT max(id) FROM demo.flights UNION ALL SELECT n FROM r WHERE false) FROM r',
    ],
    ['SELECT max(demo.flights.id) FROM demo.flights JOIN demo.carriers ON true'],
    ['SELECT max("flights"."id") FROM "demo"."flights"'],
    ['select MAX(ID) from demo.flights -- comment; with semicolon'],
    ["SELECT max(id) /* 'quoted */ FROM demo.flights WHERE 'ü€😀' <> ''"],
  ])('runs %s', async (sql) => {
    expect((await ask(sql)).rows).toEqual(['305'])
  })

  it('gives no rows of the right types for a table without files', async () => {
    const result = await engine.query('SELECT * FROM demo.empty')
    expect(result.columns).toEqual([
      { name: 'a', type: 'INTEGER' },
      { name: 'b', type: 'DECIMAL(9,2)' },
      { name: 'c', type: 'TIMESTAMP WITH TIME ZONE' },
    ])
    expect(await allRows(result)).toEqual([])
    expect((await ask('SELECT count(*) FROM demo.flights WHERE id > 999')).rows).toEqual(['0'])
  })

  it('explains, describes and summarizes', async () => {
    expect((await ask('DESCRIBE demo.empty')).rows.map((row) => row.slice(0, 9))).toEqual([
      'a|INTEGER',
      'b|DECIMAL',
      'c|TIMESTA',
    ])
    expect((await ask('EXPLAIN SELECT id FROM demo.flights WHERE id < 200')).rows[0]).toContain(
      'READ_PARQUET',
    )
    expect((await ask('EXPLAIN ANALYZE FROM demo.flights')).rows.join('')).toContain('Total Time')
    expect((await ask('SUMMARIZE demo.flights')).rows).toHaveLength(4)
  })

  it('lists tables and namespaces', async () => {
    expect((await ask('SHOW TABLES')).rows).toEqual(['demo.carriers', 'demo.empty', 'demo.flights'])
    expect((await ask('SHOW TABLES FROM demo')).rows).toEqual(['carriers', 'empty', 'flights'])
    expect((await ask('show tables', { defaultNamespace: ['demo'] })).rows).toHaveLength(3)
    expect((await ask('SHOW NAMESPACES')).rows).toEqual(['demo'])
    expect((await ask('SHOW ALL TABLES')).rows[1]).toBe(
      "demo|empty|[a, b, c]|[INTEGER, 'DECIMAL(9,2)', TIMESTAMP WITH TIME ZONE]",
    )
  })

  it('USE names the namespace of later statements', async () => {
    const result = await engine.query('USE demo')
    expect(result.usedNamespace).toEqual(['demo'])
    expect((await ask('SELECT count(*) FROM empty', { defaultNamespace: ['demo'] })).rows).toEqual([
      '0',
    ])
    await expect(engine.query('USE demmo')).rejects.toThrow(/no namespace demmo; did you mean demo/)
  })

  it('shows the file of a row as "$path"', async () => {
    const { rows } = await ask('SELECT DISTINCT "$path" FROM demo.flights ORDER BY 1')
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatch(/^memory:\/\/lake\/warehouse\/demo\/flights\/data\/ts_day=2026-01-01\//)
    expect((await ask('SELECT * FROM demo.carriers LIMIT 1')).rows).toEqual(['AA|American'])
  })

  it('[Q1] reads one state of a table however often it is named', async () => {
    await lake.create('demo.busy', ['a int'])
    await lake.append('demo.busy', 'SELECT 1 AS a')
    let loads = 0
    const moving: Catalog = new Proxy(lake.catalog, {
      get: (target, key) => {
        if (key !== 'loadTable') return Reflect.get(target, key).bind(target)
        return async (identifier: TableIdentifier) => {
          const table = await target.loadTable(identifier)
          loads++
          // Somebody commits right after each load.
          await lake.append('demo.busy', 'SELECT 1 AS a')
          return table
        }
      },
    })
    const other = await createQueryEngine({ ...lake, catalog: moving, cache: cacheOf(lake) })
    const sql = 'SELECT (SELECT count(*) FROM demo.busy), count(*) FROM demo.busy'
    const rows = await allRows(await other.query(sql))
    expect(rows).toEqual([[1n, 1n]])
    expect(loads).toBe(1)
  })

  it('runs queries at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        ask(`SELECT count(*) FROM demo.flights WHERE id < ${(index % 3) * 100 + 200}`),
      ),
    )
    expect(answers.map(({ rows }) => rows[0])).toEqual(
      Array.from({ length: 12 }, (_, index) => String(((index % 3) + 1) * 6)),
    )
  })

  it('[Q10] frees what a query held, read to the end or not', async () => {
    const result = await engine.query('SELECT * FROM demo.flights, range(100000)')
    for await (const batch of result.batches) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
    await result.close()
    await expect(engine.query('SELECT nope FROM demo.flights')).rejects.toThrow('nope')
    expect(await readdir(join(lake.directory, 'cache', 'leases'))).toEqual([])
    const databases = await lake.database.withConnection(async (connection) => {
      const reader = await connection.runAndReadAll('SELECT database_name FROM duckdb_databases()')
      return reader
        .getRows()
        .flat()
        .filter((name) => String(name).startsWith('__tide'))
    })
    expect(databases).toEqual([])
  })

  it('an error in a file names its location, not our copy of it', async () => {
    await lake.create('demo.broken', ['a int'])
    await lake.append('demo.broken', 'SELECT 1 AS a')
    const [found] = (await ask('SELECT file_path, file_size_in_bytes FROM demo."broken$files"'))
      .rows
    const [location = '', size] = found?.split('|') ?? []
    await lake.io.write(location, new Uint8Array(Number(size)).fill(7))
    await expect(ask('SELECT * FROM demo.broken')).rejects.toThrow(location)
  })

  it('stops when the signal says so', async () => {
    const abort = new AbortController()
    const long = 'SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3'
    const running = engine.query(long, { signal: abort.signal }).then(allRows)
    await systemClock.sleep(50)
    abort.abort()
    await expect(running).rejects.toThrow('the query was cancelled')
  })

  it('stops when the signal came while its session was opened', async () => {
    const abort = new AbortController()
    const tools = await queryTools({ ...lake, cache: cacheOf(lake) })
    const slowToOpen = queryEngineOver({
      ...tools,
      openSession: async (signal) => {
        const session = await tools.openSession(signal)
        abort.abort()
        return session
      },
    })
    const answer = slowToOpen.query('SELECT 1', { signal: abort.signal }).then(allRows)
    await expect(answer).rejects.toThrow('the query was cancelled')
  })
})

describe('[Q7] errors', () => {
  it.each([
    ['SELEC 1', /syntax error at or near "SELEC".*\nline 1: SELEC 1\n {8}\^/s],
    [
      'SELECT carier FROM demo.flights',
      /"carier" not found.*"carrier".*\nline 1: SELECT carier FROM demo.flights\n {15}\^/s,
    ],
    ["SELECT 'é',\n  carier\nFROM demo.flights f", /\nline 2: {3}carier\n {10}\^/s],
    ['SELECT x.id FROM demo.flights f', /table "x" not found/i],
    ['SELECT 1e400', /a number in the query is beyond DOUBLE/],
    ["SELECT ':inf', -1e309 < 1 FROM demo.flights", /a number in the query is beyond DOUBLE/],
    ['SELECT 1 FROM demo.fligths', /no table demo.fligths; did you mean demo.flights\?/],
    ['SELECT 1 FROM demo.FLIGHTS', /no table demo.FLIGHTS; did you mean demo.flights\?/],
    ['SELECT 1 FROM flights', /needs USE first\); did you mean demo.flights\?/],
    [
      'SELECT 1 FROM "demo.flights$files"',
      /no table "demo\.flights\$files": the dot stands inside the quotes; write demo\."flights\$files"/,
    ],
    ['SELECT 1 FROM "demo.flights"', /the dot stands inside the quotes; write demo\.flights$/],
    ['SELECT 1 FROM "demo.fligths"', /needs USE first\); did you mean demo.flights\?/],
    ['SELECT 1 FROM nowhere.at_all', /no table nowhere.at_all; SHOW TABLES lists the \d there are/],
    ["SELECT 1 FROM 'secret.csv'", /there is no table secret.csv/],
    ["SELECT 1 FROM read_csv('/etc/passwd')", /table function is not available/],
    ["SELECT 1 FROM query('SELECT 1')", /table function is not available/],
    ["SELECT (SELECT 1 FROM glob('*'))", /table function is not available/],
    ["COPY demo.flights TO 'x'", /only queries are accepted/],
    ['INSERT INTO demo.flights VALUES (1)', /only queries are accepted/],
    ['CREATE TABLE x AS SELECT 1', /only queries are accepted/],
    ["SET memory_limit = '1GB'", /only queries are accepted/],
    ['PRAGMA version', /only queries are accepted/],
    ["ATTACH 'x'", /only queries are accepted/],
    ['EXPLAIN DELETE FROM demo.flights', /only queries are accepted/],
    ['SELECT 1; SELECT 2', /one statement at a time/],
    ['', /no statement/],
    ['-- nothing', /no statement/],
    ['SELECT CAST(carrier AS INT) FROM demo.flights', /Could not convert string 'AA'/],
    [
      "SELECT 1 FROM demo.flights WHERE ts > CAST('x' AS TIMESTAMP) AND id > 0",
      /invalid timestamp field format: "x"/,
    ],
    ['SELECT 1 FROM demo.flights AT (VERSION => 12345)', /no such snapshot.*snapshot=12345/],
    [
      "SELECT 1 FROM demo.flights AT (VERSION => 'mian')",
      /no branch or tag mian; did you mean main\?/,
    ],
    [
      "SELECT 1 FROM demo.flights FOR TIMESTAMP AS OF DATE '2001-01-01'",
      /no snapshot at that time; its history begins at 20/,
    ],
    ["SELECT 1 FROM demo.flights AT (TIMESTAMP => 'soon')", /TIMESTAMP is a date or a timestamp/],
    ['SELECT 1 FROM demo.flights AT (VERSION => (SELECT 1))', /time travel needs a constant/],
  ])('%s', async (sql, message) => {
    const error = await engine.query(sql).then(allRows, (thrown: unknown) => thrown)
    expect(String(error)).toMatch(message)
    expect(String(error)).not.toContain('__tide')
  })
})

describe('a query that fails after its first rows', () => {
  it.each([
    ["CASE WHEN i = 190000 THEN error('half-way') END", 'half-way'],
    ['9223372036854775807 - 190000::BIGINT + i', 'Overflow'],
  ])('[Q11] says so instead of ending early: %s', async (expression, message) => {
    const result = await engine.query(`SELECT i, ${expression} FROM range(300000) r(i)`)
    await expect(allRows(result)).rejects.toThrow(message)
    expect((await ask('SELECT count(*) FROM demo.flights')).rows).toEqual(['18'])
  })

  it('[Q11] says that it was cancelled', async () => {
    const stop = new AbortController()
    const sql = "SELECT i, repeat('x', 100) FROM range(100000000) r(i)"
    const result = await engine.query(sql, { signal: stop.signal })
    const reading = (async () => {
      let batches = 0
      for await (const _ of result.batches) if (++batches === 3) stop.abort(new Error('enough'))
    })()
    await expect(reading).rejects.toThrow('the query was cancelled')
  })
})
