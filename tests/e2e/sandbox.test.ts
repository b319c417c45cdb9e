import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { FileCache } from '../file-cache.ts'
import { allRows } from '../query/query-result.ts'
import { plainText } from '../query/values.ts'
import { openSandboxedEngine, type SandboxedEngine } from './sandboxed-engine.ts'

let lake: SqlLake
let engine: SandboxedEngine
beforeAll(async () => {
  lake = await openSqlLake()
  await lake.create('demo.t', ['id long', 'name string'])
  await lake.append('demo.t', "SELECT i::BIGINT AS id, 'n' || i AS name FROM range(10) r(i)")
  engine = await openSandboxedEngine({
    catalog: lake.catalog,
    io: lake.io,
    cache: new FileCache({ io: lake.io, directory: join(lake.directory, 'cache'), bytesMax: 1e9 }),
    limits: {
      memoryBytesMax: 3e8,
      threads: 2,
      tempBytesMax: 1e9,
      rowsMax: 1000,
      resultBytesMax: 1e6,
    },
    mode: 'required',
    concurrency: 2,
    queuedMax: 4,
    timeoutMs: 20000,
  })
})
afterAll(async () => {
  await engine.close()
  await lake.close()
})
describe('x', () => {
  it('runs', async () => {
    for (let i = 0; i < 5; i++) {
      const t = performance.now()
      const r = await engine.query('SELECT sum(id), max(name) FROM demo.t WHERE id < 9')
      const rows = (await allRows(r)).map((row) => row.map(plainText).join('|'))
      console.log(rows, performance.now() - t)
      expect(rows).toEqual(['36|n8'])
    }
  })
})
