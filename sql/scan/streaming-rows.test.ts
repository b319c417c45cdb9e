import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decorateCatalog, type Table } from '../../catalog/index.ts'
import {
  streamingCoordinateColumns,
  type StreamingRange,
  type StreamingScan,
  type StreamingLayer,
} from '../../catalog/scan/index.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { footer } from '../shell/session.ts'
import { FileCache } from './file-cache.ts'
import { createQueryEngine, type QueryEngine } from '../engine/query-engine.ts'
import { allRows } from '../session/query-result.ts'
import { plainText } from '../session/values.ts'

let lake: SqlLake
let path: string
let order: string[] = []
beforeAll(async () => {
  lake = await openSqlLake()
  await lake.create('demo.t', ['id long', 'name string'])
  await lake.append('demo.t', "SELECT i::BIGINT AS id, 'n' || i AS name FROM range(3) r(i)")
  await lake.create('demo.u', ['id long'])
  // A segment has the rows that the snapshot has too, and offsets that the table has not.
  path = join(lake.directory, 'segment[1].parquet')
  const { partition, offset } = streamingCoordinateColumns
  await lake.database.withConnection((connection) =>
    connection.run(
      `COPY (SELECT i::BIGINT AS id, 'n' || i AS name, i::INTEGER % 2 AS p, 100 + i::BIGINT AS o FROM range(6) r(i))
       TO '${path}' (FORMAT parquet, FIELD_IDS {id: 1, name: 2, p: ${partition.id}, o: ${offset.id}})`,
    ),
  )
})
afterAll(() => lake.close())

const bounds = {
  nullValueCounts: new Map<number, bigint>(),
  lowerBounds: new Map<number, Uint8Array>(),
  upperBounds: new Map<number, Uint8Array>(),
}
const rowsOf = (ranges?: readonly StreamingRange[]): StreamingScan => ({
  files: [{ path, recordCount: 6n, ...bounds, ...(ranges === undefined ? {} : { ranges }) }],
  state: { offsets: { 'orders/0': 106n }, newestRowAgeMs: 340, gaps: ['orders/1'] },
})
const from = (offset: bigint): readonly StreamingRange[] =>
  [0, 1].map((partition) => ({ topic: undefined, partition, from: offset, to: 106n }))

const cacheOf = (): FileCache =>
  new FileCache({ io: lake.io, directory: join(lake.directory, 'cache'), bytesMax: 1e9 })

async function engineWith(rows: StreamingScan): Promise<QueryEngine> {
  const live: StreamingLayer = {
    pin: () => {
      order.push('pin')
      return {
        rowsAfter: async (table: Table) => {
          order.push(`rows after ${table.identifier.name}`)
          return table.identifier.name === 't' ? rows : undefined
        },
        release: async () => {
          order.push('release')
        },
      }
    },
  }
  const catalog = decorateCatalog(lake.catalog, {
    loadTable: async (identifier) => {
      order.push(`load ${identifier.name}`)
      return lake.catalog.loadTable(identifier)
    },
  })
  return createQueryEngine({
    ...lake,
    catalog,
    cache: cacheOf(),
    live,
  })
}

beforeEach(() => {
  order = []
})

describe('live rows', () => {
  it('[L2] follow those of the snapshot, from the cut on; the pin comes first', async () => {
    const engine = await engineWith(rowsOf(from(103n)))
    const result = await engine.query('SELECT id, name FROM demo.t ORDER BY id')
    const rows = (await allRows(result)).map((row) => row.map(plainText).join(' '))
    expect(rows).toEqual(['0 n0', '1 n1', '2 n2', '3 n3', '4 n4', '5 n5'])
    const { tables } = result.summary()
    expect(tables).toMatchObject([{ live: { offsets: { 'orders/0': 106n }, newestRowAgeMs: 340 } }])
    expect(footer(result.summary())).toContain(
      ' and live to orders/0@106, 0.3 s old, gap after it in orders/1 · ',
    )
    expect(order).toEqual(['pin', 'load t', 'rows after t', 'release'])
  })

  it('[L2] are asked for once, however often the table is named', async () => {
    const engine = await engineWith(rowsOf(from(103n)))
    const result = await engine.query('SELECT count(*) FROM demo.t a JOIN demo.t b USING (id)')
    expect(await allRows(result)).toEqual([[6n]])
    expect(order.filter((step) => step.startsWith('rows'))).toHaveLength(1)
  })

  it('are filtered with the query, show no path, and are cut in each partition', async () => {
    const one = { topic: undefined, partition: 0, from: 103n, to: 106n }
    const engine = await engineWith(rowsOf([one]))
    const result = await engine.query(
      'SELECT id, "$path" IS NULL AS live FROM demo.t WHERE id IN (1, 3, 4, 5) ORDER BY id',
    )
    expect(await allRows(result)).toEqual([
      [1n, false],
      [4n, true],
    ])
  })

  it('[L5] are a layer of their own: "t$batch", "t$live" and t', async () => {
    const engine = await engineWith(rowsOf(from(103n)))
    const ids = async (name: string): Promise<string> => {
      const result = await engine.query(`SELECT id FROM demo."${name}" ORDER BY id`)
      return (await allRows(result)).map((row) => row.map(plainText).join('')).join('')
    }
    expect([await ids('t$batch'), await ids('t$live'), await ids('t')]).toEqual([
      '012',
      '345',
      '012345',
    ])
    const both = await engine.query('SELECT count(*) FROM demo."t$batch", demo."t$LIVE"')
    expect(await allRows(both)).toEqual([[9n]])
    await expect(engine.query('SELECT * FROM demo."t$nope"')).rejects.toThrow('$batch, $live')
  })

  it('[L5] have no part in time travel, nor in tables without a stream', async () => {
    const engine = await engineWith(rowsOf(from(103n)))
    const count = async (sql: string): Promise<unknown> =>
      (await allRows(await engine.query(sql)))[0]?.[0]
    expect(await count("SELECT count(*) FROM demo.t AT (VERSION => 'main')")).toBe(3n)
    expect(await count('SELECT count(*) FROM demo.u')).toBe(0n)
    expect(await count('SELECT count(*) FROM demo."u$live"')).toBe(0n)
    expect(await count('SELECT count(*) FROM demo.t')).toBe(6n)
    await expect(count('SELECT * FROM demo."t$live" AT (VERSION => \'main\')')).rejects.toThrow(
      'time travel has no live rows',
    )
  })

  it('[L5] are refused by name where no stream runs', async () => {
    const engine = await createQueryEngine({ ...lake, cache: cacheOf() })
    await expect(engine.query('SELECT * FROM demo."t$live"')).rejects.toThrow(
      'ask the server that runs them',
    )
    const result = await engine.query('SELECT count(*) FROM demo."t$batch"')
    expect(await allRows(result)).toEqual([[3n]])
  })

  it('are let go when the query fails', async () => {
    const engine = await engineWith(rowsOf(from(103n)))
    await expect(engine.query('SELECT nope FROM demo.t')).rejects.toThrow('nope')
    expect(order.filter((step) => step === 'release')).toHaveLength(1)
  })
})
