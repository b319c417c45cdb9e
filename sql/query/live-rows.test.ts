import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { footer } from '../shell/session.ts'
import { FileCache } from '../file-cache.ts'
import type { LiveRows, LiveSource } from './live-rows.ts'
import { createQueryEngine, type QueryEngine } from './query-engine.ts'
import { allRows } from './query-result.ts'
import { plainText } from './values.ts'

let lake: SqlLake
let path: string
let released = 0
beforeAll(async () => {
  lake = await openSqlLake()
  await lake.create('demo.t', ['id long', 'name string'])
  await lake.append('demo.t', "SELECT i::BIGINT AS id, 'n' || i AS name FROM range(3) r(i)")
  await lake.create('demo.u', ['id long'])
  // A segment has the rows that the snapshot has too, and offsets that the table has not.
  path = join(lake.directory, 'segment[1].parquet')
  await lake.database.withConnection((connection) =>
    connection.run(
      `COPY (SELECT i::BIGINT AS id, 'n' || i AS name, 100 + i::BIGINT AS "offset" FROM range(6) r(i))
       TO '${path}' (FORMAT parquet, FIELD_IDS {id: 1, name: 2, "offset": 2147480000})`,
    ),
  )
})
afterAll(() => lake.close())

async function engineWith(live: LiveSource): Promise<QueryEngine> {
  const directory = join(lake.directory, 'cache')
  const cache = new FileCache({ io: lake.io, directory, bytesMax: 1e9 })
  return createQueryEngine({ ...lake, cache, live })
}

const cutAt = (offset: number): LiveRows => ({
  files: [
    {
      path,
      where: `r."offset" >= ${offset}`,
      extraColumns: [{ fieldId: 2_147_480_000, name: 'offset', type: 'BIGINT' }],
    },
  ],
  state: { offsets: { 'orders/0': 106n }, newestRowAgeMs: 340 },
  release: async () => {
    released++
  },
})
const liveOf =
  (rows: LiveRows): LiveSource =>
  async (table) =>
    table.identifier.name === 't' ? rows : undefined

describe('live rows', () => {
  it('follow those of the snapshot, from the cut on', async () => {
    const engine = await engineWith(liveOf(cutAt(103)))
    const result = await engine.query('SELECT id, name FROM demo.t ORDER BY id')
    const rows = (await allRows(result)).map((row) => row.map(plainText).join(' '))
    expect(rows).toEqual(['0 n0', '1 n1', '2 n2', '3 n3', '4 n4', '5 n5'])
    const { tables } = result.summary()
    expect(tables).toMatchObject([{ live: { offsets: { 'orders/0': 106n }, newestRowAgeMs: 340 } }])
    expect(footer(result.summary())).toContain(' and live to orders/0@106, 0.3 s old · ')
    expect(released).toBe(1)
  })

  it('are filtered with the query, show no path, and are cut by row number where that is known', async () => {
    const byNumber = { ...cutAt(0), files: [{ path, where: 'r.file_row_number >= 4' }] }
    const engine = await engineWith(liveOf(byNumber))
    const result = await engine.query(
      'SELECT id, "$path" IS NULL AS live FROM demo.t WHERE id IN (1, 4) ORDER BY id',
    )
    expect(await allRows(result)).toEqual([
      [1n, false],
      [4n, true],
    ])
  })

  it('have no part in time travel, nor in tables without a stream', async () => {
    const engine = await engineWith(liveOf(cutAt(103)))
    const count = async (sql: string): Promise<unknown> =>
      (await allRows(await engine.query(sql)))[0]?.[0]
    expect(await count("SELECT count(*) FROM demo.t AT (VERSION => 'main')")).toBe(3n)
    expect(await count('SELECT count(*) FROM demo.u')).toBe(0n)
    expect(await count('SELECT count(*) FROM demo.t')).toBe(6n)
  })

  it('are let go when the query fails', async () => {
    released = 0
    const engine = await engineWith(liveOf(cutAt(103)))
    await expect(engine.query('SELECT nope FROM demo.t')).rejects.toThrow('nope')
    expect(released).toBe(1)
  })
})
