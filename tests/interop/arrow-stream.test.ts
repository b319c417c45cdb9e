/** Arrow streams of `POST /query`, out of the locked-down process and over HTTP, read by pyarrow. */
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer, type Server } from '../../server/index.ts'
import { FileCache, openSandboxedEngine, type SandboxedEngine } from '../../sql/index.ts'
import { pythonEnvironment, requirePart } from '../support/services/index.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

const script = fileURLToPath(new URL('./read_arrow.py', import.meta.url))

interface Seen {
  readonly schema: readonly (readonly [string, string])[]
  readonly batches: number
  readonly rows: readonly (readonly unknown[])[]
}

describe.skipIf(!requirePart('python'))('Arrow streams', () => {
  let lake: SqlLake
  let engine: SandboxedEngine
  let server: Server
  let uri = ''

  beforeAll(async () => {
    lake = await openSqlLake()
    await lake.create('web.events', [
      'id long',
      'price decimal(20,4)',
      'at timestamptz',
      'day date',
      'code uuid',
      'body binary',
      'place {"type":"struct","fields":[{"id":20,"name":"lat","required":false,"type":"double"}]}',
      'tags {"type":"list","element-id":21,"element":"string","element-required":false}',
    ])
    await lake.append(
      'web.events',
      `SELECT 9223372036854775000 + i AS id, (i * 1000000000000.0001)::DECIMAL(20,4) AS price,
        TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' + INTERVAL (i) DAY AS at, DATE '2026-01-01' + i::INTEGER AS day,
        ('00112233-4455-6677-8899-aabbccddee' || lpad(i::VARCHAR, 2, '0'))::UUID AS code,
        CASE WHEN i % 2 = 0 THEN '\\x00\\xFF'::BLOB END AS body,
        {'lat': i / 2.0} AS place, CASE i WHEN 0 THEN [] WHEN 1 THEN ['ä', NULL] END AS tags
       FROM range(3) t(i)`,
    )
    const directory = join(lake.directory, 'cache')
    engine = await openSandboxedEngine({
      catalog: lake.catalog,
      io: lake.io,
      cache: new FileCache({ io: lake.io, directory, bytesMax: 1e9 }),
      limits: {
        memoryBytesMax: 300e6,
        threads: 1,
        tempBytesMax: 50e6,
        rowsMax: 100_000,
        resultBytesMax: 10e6,
      },
      mode: 'auto',
      concurrency: 1,
      queuedMax: 4,
      timeoutMs: 240_000,
    })
    const { isNetworkless, networkReason } = engine
    const queries = { engine, isNetworkless, networkReason, acceptsNetwork: true }
    server = createServer({ catalog: lake.catalog, port: 0, queries })
    uri = `${await server.start()}/query`
  })

  afterAll(async () => {
    await server?.stop()
    await engine?.close()
    await lake?.close()
  })

  async function read(sql: string): Promise<Seen> {
    const python = await pythonEnvironment()
    return JSON.parse(await python.run(script, [uri], sql)) as Seen
  }

  it('[Q6] gives the rows of a table with their exact types and values', async () => {
    const seen = await read('SELECT * FROM web.events ORDER BY id')
    expect(seen.schema).toEqual([
      ['id', 'int64'],
      ['price', 'decimal128(20, 4)'],
      ['at', 'timestamp[us, tz=UTC]'],
      ['day', 'date32[day]'],
      ['code', 'extension<arrow.uuid>'],
      ['body', 'binary'],
      ['place', 'struct<lat: double>'],
      ['tags', 'list<item: string>'],
    ])
    expect(seen.rows).toEqual([
      [
        '9223372036854775000',
        '0.0000',
        '1969-12-31 23:59:59.999999+00:00',
        '2026-01-01',
        '00112233-4455-6677-8899-aabbccddee00',
        '00ff',
        { lat: '0.0' },
        [],
      ],
      [
        '9223372036854775001',
        '1000000000000.0001',
        '1970-01-01 23:59:59.999999+00:00',
        '2026-01-02',
        '00112233-4455-6677-8899-aabbccddee01',
        null,
        { lat: '0.5' },
        ['ä', null],
      ],
      [
        '9223372036854775002',
        '2000000000000.0002',
        '1970-01-02 23:59:59.999999+00:00',
        '2026-01-03',
        '00112233-4455-6677-8899-aabbccddee02',
        '00ff',
        { lat: '1.0' },
        null,
      ],
    ])
  })

  it('[Q6] passes every other type that pyarrow can check', async () => {
    const seen = await read(`SELECT unnest([NULL, -128])::TINYINT a, 65535::USMALLINT b,
      18446744073709551615::UBIGINT c, 9223372036854775807::HUGEINT * 2 d, true e, 1.5::FLOAT f,
      TIME '23:59:59.000001' g, TIMESTAMP '2026-01-31 12:00:00.000001' h, MAP {'k': [1, NULL]} i,
      [1, 2]::INTEGER[2] j, '1 day'::INTERVAL k, NULL l, '2020-01-01 00:00:00.123456'::TIMESTAMP_NS m`)
    expect(seen.schema.map(([, type]) => type)).toEqual([
      'int8',
      'uint16',
      'uint64',
      'decimal128(38, 0)',
      'bool',
      'float',
      'time64[us]',
      'timestamp[us]',
      'map<string, list<item: int32>>',
      'fixed_size_list<item: int32>[2]',
      'string',
      'int32',
      'timestamp[ns]',
    ])
    expect(seen.rows[1]).toEqual([
      '-128',
      '65535',
      '18446744073709551615',
      '18446744073709551614',
      true,
      '1.5',
      '23:59:59.000001',
      '2026-01-31 12:00:00.000001',
      [['k', ['1', null]]],
      ['1', '2'],
      '1 day',
      null,
      '2020-01-01 00:00:00.123456',
    ])
    expect(seen.rows[0]?.[0]).toBeNull()
  })

  it('[Q6] comes in many batches, none lost, and keeps to the bounds of queries', async () => {
    const seen = await read('SELECT i, NULL::VARCHAR FROM range(50000) t(i)')
    expect(seen.batches).toBeGreaterThan(10)
    expect(seen.rows.map(([id]) => Number(id))).toEqual(
      Array.from({ length: 50_000 }, (_, id) => id),
    )
    expect((await read('SELECT 1 AS one WHERE false')).rows).toEqual([])
    await expect(read('SELECT i FROM range(200000) t(i)')).rejects.toThrow()
    await expect(read('SELECT nope')).rejects.toThrow('HTTP Error 400')
  })
})
