/** SQL over a real MinIO: with httpfs and without, the same answers. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openS3FileIO } from '../../io/index.ts'
import { openDatabase, type Database } from '../../sql/index.ts'
import {
  type MinioService,
  duckdbExtensions,
  isPartAtHand,
  requirePart,
  startMinio,
} from '../support/services/index.ts'
import { openAnswers, type Answers } from '../support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

const bucket = 'sql-lake'

describe.skipIf(!requirePart('minio'))('[Q8] SQL over MinIO', () => {
  let minio: MinioService
  let lake: SqlLake
  let cached: Answers
  let direct: Answers | undefined
  let database: Database | undefined

  beforeAll(async () => {
    minio = await startMinio({ buckets: [bucket] })
    const { endpoint, accessKeyId, secretAccessKey, region } = minio
    const io = await openS3FileIO({ endpoint, accessKeyId, secretAccessKey })
    lake = await openSqlLake({ io, warehouse: `s3://${bucket}/ware house+%/x` })
    await lake.create('d.events', ['id long', 'ts timestamptz', 'kind string'], ['day(ts)', 'kind'])
    for (const day of [1, 2, 3, 4]) {
      await lake.append(
        'd.events',
        `SELECT ${day} * 1000::BIGINT + i AS id, TIMESTAMPTZ '2026-01-0${day} 00:00:00+00' + INTERVAL (i) MINUTE AS ts,
          ['a*b', 'c d/e?', 'f%20g'][1 + i % 3] AS kind FROM range(300) t(i)`,
      )
    }
    cached = await openAnswers(lake)
    if (!isPartAtHand('python')) return
    const { httpfs } = await duckdbExtensions()
    database = await openDatabase({ threads: 2, allowUnsignedExtensions: true })
    direct = await openAnswers(
      { ...lake, database },
      { extension: httpfs, endpoint, region, accessKeyId, secretAccessKey },
    )
  })
  afterAll(async () => {
    database?.close()
    await lake?.io.close()
    await lake?.close()
    await minio?.stop()
  })

  const queries: readonly (readonly [string, readonly string[], number])[] = [
    ['SELECT count(*), sum(id) FROM d.events', ['1200|3179400'], 12],
    ["SELECT count(*) FROM d.events WHERE ts < '2026-01-02'", ['300'], 3],
    ["SELECT count(*) FROM d.events WHERE kind = 'c d/e?' AND id >= 3000", ['200'], 2],
    ['SELECT kind, count(*) FROM d.events WHERE id = 2005 GROUP BY 1', ['f%20g|1'], 3],
  ]

  it.each(queries)('through the cache: %s', async (sql, rows, files) => {
    const answer = await cached.ask(sql)
    expect(answer.rows).toEqual(rows)
    expect(answer.summary.tables[0]).toMatchObject({ filesRead: files, filesTotal: 12 })
    expect((await cached.ask(sql)).summary.bytesFetched).toBe(0)
    expect(await readdir(join(lake.directory, 'cache', 'leases'))).toEqual([])
  })

  it.skipIf(!requirePart('python')).each(queries)(
    'through httpfs: %s',
    async (sql, rows, files) => {
      if (direct === undefined) throw new Error('httpfs is not loaded')
      const answer = await direct.ask(sql)
      expect(answer.rows).toEqual(rows)
      expect(answer.summary.tables[0]).toMatchObject({ filesRead: files, filesTotal: 12 })
      expect(answer.summary.bytesFetched).toBe(0)
    },
  )

  it('"$path" is the location of the manifest either way', async () => {
    const sql = 'SELECT DISTINCT "$path" FROM d.events WHERE id = 1001 OR id = 4002 ORDER BY 1'
    const { rows } = await cached.ask(sql)
    expect(rows.length).toBeGreaterThan(0)
    expect(rows[0]).toMatch(/^s3:\/\/sql-lake\/ware house\+%\/x\/d\/events\/data\//)
    if (direct !== undefined) expect((await direct.ask(sql)).rows).toEqual(rows)
  })

  it('an object that is gone is an error that names it', async () => {
    await lake.create('d.gone', ['a int'])
    await lake.append('d.gone', 'SELECT 1 AS a')
    const [path = ''] = (await cached.ask('SELECT "$path" FROM d.gone')).rows
    await lake.append('d.gone', 'SELECT 2 AS a')
    const paths = (await cached.ask('SELECT file_path FROM d."gone$files"')).rows
    await lake.io.delete(paths.filter((other) => other !== path))
    await expect(cached.ask('SELECT * FROM d.gone')).rejects.toThrow(/\.parquet/)
    if (direct !== undefined) {
      await expect(direct.ask('SELECT * FROM d.gone')).rejects.toThrow(/\.parquet/)
    }
  })
})
