import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { FileCache } from '../file-cache.ts'
import { createQueryEngine, type QueryEngine } from './query-engine.ts'
import { allRows, type QuerySummary } from './query-result.ts'
import type { QueryOptions } from './query-run.ts'
import { plainText } from './values.ts'

let lake: SqlLake
let engine: QueryEngine

beforeAll(async () => {
  lake = await openSqlLake()
  const cache = new FileCache({
    io: lake.io,
    directory: join(lake.directory, 'cache'),
    bytesMax: 2 ** 30,
  })
  engine = await createQueryEngine({ ...lake, cache })
  await lake.create(
    'demo.flights',
    ['id long', 'carrier string', 'at timestamp', 'delay int'],
    ['day(at)'],
  )
  for (const day of [1, 2, 3]) {
    await lake.append(
      'demo.flights',
      `SELECT ${day * 100}::BIGINT + i AS id, ['AA', 'UA', 'WN'][1 + i % 3] AS carrier,
        TIMESTAMP '2026-01-0${day} 00:00:00' + INTERVAL (i) HOUR AS at, i::INTEGER AS delay
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
})
