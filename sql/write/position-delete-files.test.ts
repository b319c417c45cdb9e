import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import type { DataFile } from '../../catalog/format/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { FileCache } from '../scan/file-cache.ts'
import { openQueryStage, type QueryStage } from './query-stage.ts'

let lake: SqlLake
let stage: QueryStage
let directory: string
let targets: readonly DataFile[]

beforeAll(async () => {
  lake = await openSqlLake()
  directory = await mkdtemp(join(tmpdir(), 'tide-deletes-'))
  const cache = new FileCache({
    io: lake.io,
    directory: join(directory, 'cache'),
    bytesMax: 2 ** 30,
  })
  stage = await openQueryStage({ ...lake, cache })
  const table = await lake.create('web.t', ['id long', 'kind string'], ['kind'])
  await lake.append(
    'web.t',
    "SELECT i::BIGINT AS id, CASE WHEN i % 2 = 0 THEN 'a''b' ELSE 'c' END AS kind FROM range(100) t(i)",
  )
  targets = (await planScan(lake.io, await lake.load('web.t'))).tasks.map(({ file }) => file)
  expect([table.metadata.defaultSpecId, targets.length]).toEqual([0, 2])
})

afterAll(async () => {
  stage.close()
  await lake.close()
  await rm(directory, { recursive: true, force: true })
})

const write = (rows: string) => stage.deletes.write({ rows, targets, directory, properties: {} })

describe('"$pos"', () => {
  it('is the place of a row in its file, and part of `*` only where it is named', async () => {
    await stage.load('placed', 'SELECT id, "$path", "$pos" FROM web.t')
    const wrong = await stage.rows(`SELECT count(*) FROM placed WHERE "$pos" <> id // 2`)
    expect(wrong).toEqual([[0n]])
    await stage.load('plain', 'SELECT * FROM web.t')
    expect((await stage.columns('plain')).map(({ name }) => name)).toEqual(['id', 'kind'])
    await stage.load('alone', 'SELECT max("$pos") AS last FROM web.t')
    expect(await stage.rows('SELECT last FROM alone')).toEqual([[49n]])
    await stage.load('none', 'SELECT "$pos" FROM web.t WHERE id < 0', { keepFile: () => false })
    expect(await stage.rows('SELECT count(*) FROM none')).toEqual([[0n]])
  })

  it('is refused where a column has the name that the engine gives to it', async () => {
    await lake.create('web.clash', ['file_row_number long'])
    await lake.append('web.clash', 'SELECT 1::BIGINT AS file_row_number')
    await expect(stage.load('clash', 'SELECT "$pos" FROM web.clash')).rejects.toThrow(/rename it/)
  })
})

describe('PositionDeleteWriter', () => {
  it('[W5] writes one sorted file for each data file, each position once', async () => {
    await stage.load(
      'gone',
      `SELECT "$path" AS file_path, "$pos" AS pos FROM web.t WHERE id IN (3, 8, 90, 6, 99) ORDER BY id DESC`,
    )
    const files = await write('SELECT * FROM gone UNION ALL SELECT * FROM gone')
    const [even, odd] = targets.map(({ filePath }) =>
      files.find(({ target }) => target.filePath === filePath),
    )
    expect(even?.target.partition).toEqual(["a'b"])
    expect([even, odd].map((file) => [file?.recordCount, file?.posMin, file?.posMax])).toEqual([
      [3n, 3n, 45n],
      [2n, 1n, 49n],
    ])
    const read = await stage.rows(`SELECT file_path, pos FROM '${even?.localPath}'`)
    const path = even?.target.filePath
    expect(read).toEqual([
      [path, 3n],
      [path, 4n],
      [path, 45n],
    ])
    const ids = await stage.rows(
      `SELECT name, field_id FROM parquet_schema('${odd?.localPath}') WHERE field_id IS NOT NULL`,
    )
    expect(ids.map((row) => row.map(String))).toEqual([
      ['file_path', '2147483546'],
      ['pos', '2147483545'],
    ])
  })

  it('writes nothing where nothing goes', async () => {
    expect(await write('SELECT * FROM gone WHERE false')).toEqual([])
  })

  it('[W5] refuses rows of other files, and places that a file has not', async () => {
    const path = quoteLiteral(targets[0]?.filePath ?? '')
    await expect(write("SELECT 'elsewhere' AS file_path, 1 AS pos")).rejects.toThrow(/elsewhere/)
    await expect(write(`SELECT ${path} AS file_path, 50 AS pos`)).rejects.toThrow(
      /outside.*highest=50/,
    )
    await expect(write(`SELECT ${path} AS file_path, -1 AS pos`)).rejects.toThrow(/outside/)
    await expect(write(`SELECT ${path} AS file_path, unnest([1, NULL]) AS pos`)).rejects.toThrow(
      /outside/,
    )
  })
})
