/** Queries of strangers over tables in a real MinIO: the server fetches, the child has neither keys nor network. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openS3FileIO } from '../../io/index.ts'
import {
  FileCache,
  allRows,
  openSandboxedEngine,
  plainText,
  type SandboxedEngine,
} from '../../sql/index.ts'
import { type MinioService, requirePart, startMinio } from '../support/services/index.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

const bucket = 'query-lake'

describe.skipIf(!requirePart('minio'))('queries in the child over MinIO', () => {
  let minio: MinioService
  let lake: SqlLake
  let engine: SandboxedEngine

  beforeAll(async () => {
    minio = await startMinio({ buckets: [bucket] })
    const { accessKeyId, endpoint, secretAccessKey } = minio
    const io = await openS3FileIO({ endpoint, accessKeyId, secretAccessKey })
    lake = await openSqlLake({ io, warehouse: `s3://${bucket}/warehouse` })
    await lake.create('d.events', ['id long', 'ts timestamp'], ['day(ts)'])
    for (const day of [1, 2, 3]) {
      await lake.append(
        'd.events',
        `SELECT ${day} * 1000::BIGINT + i AS id, TIMESTAMP '2026-01-0${day}' + INTERVAL (i) MINUTE AS ts
         FROM range(100) r(i)`,
      )
    }
    const directory = join(lake.directory, 'cache')
    engine = await openSandboxedEngine({
      ...lake,
      cache: new FileCache({ io, directory, bytesMax: 1e9 }),
      limits: {
        memoryBytesMax: 300e6,
        threads: 2,
        tempBytesMax: 100e6,
        rowsMax: 1000,
        resultBytesMax: 1e6,
      },
      mode: 'auto',
      concurrency: 2,
      queuedMax: 4,
      timeoutMs: 240_000,
    })
  })
  afterAll(async () => {
    await engine?.close()
    await lake?.io.close()
    await lake?.close()
    await minio?.stop()
  })

  it('[S2] reads what the plan fetched, and nothing of the bucket by itself', async () => {
    const result = await engine.query(
      "SELECT count(*), sum(id) FROM d.events WHERE ts >= '2026-01-03'",
    )
    expect((await allRows(result)).map((row) => row.map(plainText))).toEqual([['100', '304950']])
    const { bytesFetched, tables } = result.summary()
    expect(tables).toMatchObject([{ filesRead: 1, filesTotal: 3 }])
    expect(bytesFetched).toBeGreaterThan(0)
    const objects: string[] = []
    for await (const { location } of lake.io.list(`s3://${bucket}/`)) objects.push(location)
    const parquet = objects.find((location) => location.endsWith('.parquet')) ?? ''
    expect(parquet).toContain('.parquet')
    const key = parquet.slice('s3://'.length)
    for (const name of [parquet, `${minio.endpoint}/${key}`]) {
      await expect(engine.query(`SELECT * FROM '${name}'`)).rejects.toThrow('there is no table')
      await expect(engine.query(`SELECT * FROM read_parquet('${name}')`)).rejects.toThrow(
        'not available',
      )
    }
  })
})
