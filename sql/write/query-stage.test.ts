import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import {
  assignFreshIds,
  decodeValue,
  formatType,
  parsePartitionBy,
} from '../../catalog/format/index.ts'
import { FileCache } from '../scan/file-cache.ts'
import { openQueryStage, type QueryStage } from './query-stage.ts'

let lake: SqlLake
let stage: QueryStage
let directory: string

beforeAll(async () => {
  lake = await openSqlLake()
  directory = await mkdtemp(join(tmpdir(), 'tide-stage-'))
  const cache = new FileCache({
    io: lake.io,
    directory: join(directory, 'cache'),
    bytesMax: 2 ** 30,
  })
  stage = await openQueryStage({ ...lake, cache })
  await lake.create('web.events', ['id long', 'ts timestamp'])
  await lake.append(
    'web.events',
    "SELECT i AS id, TIMESTAMP '2026-01-01' + INTERVAL (i) HOUR AS ts FROM range(48) t(i)",
  )
})

afterAll(async () => {
  stage.close()
  await lake.close()
  await rm(directory, { recursive: true, force: true })
})

describe('openQueryStage()', () => {
  it('keeps the rows of a query over the catalog and says what was read', async () => {
    const loaded = await stage.load('r', 'SELECT * FROM web.events WHERE id < 10')
    expect(loaded.rowCount).toBe(10)
    expect(loaded.tables).toMatchObject([{ name: 'web.events', filesRead: 1 }])
    expect(await stage.rows('SELECT sum(id) FROM r')).toEqual([[45n]])
  })

  it('points at the fault in the text that was given', async () => {
    await expect(stage.load('r', 'SELECT id,\n  nope FROM web.events')).rejects.toThrow(
      /"nope".*\nline 2: {3}nope FROM web.events\n {10}\^/s,
    )
    // The connection is usable afterwards.
    expect(await stage.load('r', 'SELECT 1 AS a')).toMatchObject({ rowCount: 1, tables: [] })
  })

  it('reads only the files that are wanted', async () => {
    const none = await stage.load('r', 'SELECT * FROM web.events', { keepFile: () => false })
    expect(none.rowCount).toBe(0)
  })

  it('refuses a statement that gives no rows, and files by name', async () => {
    await expect(stage.load('r', 'DROP TABLE web.events')).rejects.toThrow()
    await expect(stage.load('r', 'SHOW TABLES')).rejects.toThrow(/expected a query/)
    await expect(stage.load('r', "SELECT * FROM read_text('/etc/passwd')")).rejects.toThrow()
  })

  it('names the type of each column, and the way out for one that Iceberg lacks', async () => {
    await stage.load(
      'r',
      `SELECT 1::TINYINT AS a, sum(id) AS b, 1.5::DECIMAL(9,2) AS c, now() AS d, [1] AS e, {x: 'y'} AS f,
       MAP {'k': 1.5::DOUBLE} AS g, 'x'::ENUM('x', 'y') AS h FROM web.events`,
    )
    const types = (await stage.columns('r')).map(({ name, type }) => `${name} ${formatType(type)}`)
    expect(types).toEqual([
      'a int',
      'b long',
      'c decimal(9, 2)',
      'd timestamptz',
      'e list<int>',
      'f struct<x: string>',
      'g map<string, double>',
      'h string',
    ])
    await stage.load('r', 'SELECT INTERVAL 1 DAY AS wait')
    await expect(stage.columns('r')).rejects.toThrow(/column wait cannot be stored.*epoch/)
  })

  it('writes a file for each partition tuple with field ids and bounds; columns go by name', async () => {
    await stage.load('r', 'SELECT * FROM web.events')
    const { schema } = assignFreshIds({
      schemaId: 0,
      identifierFieldIds: [],
      fields: [
        ...(await stage.columns('r')),
        { id: 9, name: 'note', required: false, type: { type: 'string' } },
      ],
    })
    const files = await stage.write({
      select: 'SELECT ts, id FROM r',
      schema,
      spec: parsePartitionBy(['day(ts)'], schema),
      directory,
      properties: {},
    })
    expect(files.map(({ partition, recordCount }) => [partition, recordCount])).toEqual([
      [[20_454], 24n],
      [[20_455], 24n],
    ])
    const [first] = files
    expect(decodeValue({ type: 'long' }, first?.upperBounds.get(1) ?? new Uint8Array())).toBe(23n)
    expect(first?.nullValueCounts.get(3)).toBe(24n)
    const read = await stage.rows(
      `SELECT id, note, ts FROM read_parquet('${first?.localPath ?? ''}', schema = MAP {
        1: {name: 'id', type: 'BIGINT', default_value: NULL}, 3: {name: 'note', type: 'VARCHAR', default_value: NULL},
        2: {name: 'ts', type: 'TIMESTAMP', default_value: NULL}}) ORDER BY id LIMIT 1`,
    )
    expect(read).toMatchObject([[0n, null, { text: '2026-01-01 00:00:00' }]])
  })

  it('ends the query under way when it is aborted', async () => {
    const stop = new AbortController()
    const own = await openQueryStage(lake, stop.signal)
    const endless = own.load(
      'r',
      'SELECT sum(a.range * b.range) AS s FROM range(10000000) a, range(10000000) b',
    )
    const ended = expect(endless).rejects.toThrow(/cancelled|interrupt|aborted/i)
    setTimeout(() => stop.abort(), 150)
    await ended
    await expect(own.load('r', 'SELECT 1 AS a')).rejects.toThrow()
    own.close()
  })

  it('fails the write of a value that the column cannot hold, and writes nothing for no rows', async () => {
    const { schema } = assignFreshIds({
      schemaId: 0,
      identifierFieldIds: [],
      fields: [{ id: 1, name: 'n', required: false, type: { type: 'long' } }],
    })
    const request = { schema, spec: { specId: 0, fields: [] }, directory, properties: {} }
    await stage.load('r', 'SELECT 9223372036854775808 AS n')
    await expect(stage.write({ ...request, select: 'FROM r' })).rejects.toThrow(/out of range/i)
    expect(await stage.write({ ...request, select: 'FROM r LIMIT 0' })).toEqual([])
  })

  it('begins a new file where one has reached the target size', async () => {
    await stage.load('r', 'SELECT range AS n, md5(range::VARCHAR) AS h FROM range(500000)')
    const { schema } = assignFreshIds({
      schemaId: 0,
      identifierFieldIds: [],
      fields: await stage.columns('r'),
    })
    const files = await stage.write({
      select: 'FROM r',
      schema,
      spec: { specId: 0, fields: [] },
      directory,
      properties: { 'write.target-file-size-bytes': '2000000' },
    })
    expect(files.length).toBeGreaterThan(1)
    expect(files.reduce((sum, file) => sum + file.recordCount, 0n)).toBe(500_000n)
  })
})
