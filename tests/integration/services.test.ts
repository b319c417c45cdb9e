/** The test services themselves: what every other integration test takes for granted. */
import {
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { produceWithCodec, topicRecords, topicSummary } from '../support/kafka-judge.ts'
import { connectKafkaTools, type KafkaTools } from '../support/kafka-tools.ts'
import { offsetsDigest } from '../support/offsets-digest.ts'
import {
  duckdbExtensions,
  type KafkaService,
  type MinioService,
  requirePart,
  startKafka,
  startMinio,
} from '../support/services/index.ts'

describe.skipIf(!requirePart('kafka') || !requirePart('python'))('the Kafka of tests', () => {
  let kafka: KafkaService
  let tools: KafkaTools

  beforeAll(async () => {
    kafka = await startKafka()
    tools = await connectKafkaTools(kafka.bootstrap)
  })
  afterAll(async () => {
    await tools?.close()
    await kafka?.stop()
  })

  it('topicRecords() shows what was produced, byte for byte', async () => {
    await tools.createTopic('plain', { partitions: 2 })
    await tools.produce('plain', [
      { key: 'a', value: 'one', partition: 0, timestamp: 1_000, headers: { h: 'v' } },
      { key: null, value: Buffer.from([0, 255]), partition: 1, timestamp: 2_000 },
      { key: 'b', value: null, partition: 1, timestamp: 3_000 },
    ])
    const records = await topicRecords(kafka.bootstrap, 'plain')
    expect(records).toEqual([
      {
        partition: 0,
        offset: 0,
        timestamp: 1_000,
        key: Buffer.from('a'),
        value: Buffer.from('one'),
        headers: [['h', Buffer.from('v')]],
      },
      {
        partition: 1,
        offset: 0,
        timestamp: 2_000,
        key: null,
        value: Buffer.from([0, 255]),
        headers: [],
      },
      {
        partition: 1,
        offset: 1,
        timestamp: 3_000,
        key: Buffer.from('b'),
        value: null,
        headers: [],
      },
    ])
    const summary = await topicSummary({ bootstrap: kafka.bootstrap, topic: 'plain' })
    expect(summary).toMatchObject({ count: 3, nulls: 1, perPartition: { 0: 1, 1: 2 } })
    expect(summary.offsetsDigest).toBe(offsetsDigest(records))
  })

  it('topicRecords() leaves out aborted transactions and stops at an open one', async () => {
    await tools.createTopic('transactions')
    await tools.produceTransaction('transactions', [{ value: 'kept' }], 'commit')
    await tools.produceTransaction('transactions', [{ value: 'aborted' }], 'abort')
    const open = await tools.openTransaction('left-open')
    await open.send('transactions', [{ value: 'pending' }])
    await tools.produce('transactions', [{ value: 'behind' }])

    const values = async (): Promise<string[]> =>
      (await topicRecords(kafka.bootstrap, 'transactions')).map((each) => String(each.value))
    expect(await values()).toEqual(['kept'])
    // Two markers and the aborted record take offsets too.
    expect(await tools.offsets('transactions')).toEqual([{ partition: 0, low: 0n, stableEnd: 4n }])
    await open.commit()
    expect(await tools.offsets('transactions')).toEqual([{ partition: 0, low: 0n, stableEnd: 7n }])
    expect(await values()).toEqual(['kept', 'pending', 'behind'])
    const all = await topicRecords(kafka.bootstrap, 'transactions', 'read_uncommitted')
    expect(all.map((each) => String(each.value))).toContain('aborted')
  })

  it('topicSummary() adds up exactly over every codec', async () => {
    await tools.createTopic('codecs')
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
    for (const codec of codecs) {
      const value = `{"n":9007199254740993,"d":0.1,"at":"2001-01-0${codecs.indexOf(codec) + 1}T10:00:00Z"}`
      await produceWithCodec(kafka.bootstrap, 'codecs', [{ value }], codec)
    }
    const summary = await topicSummary({
      bootstrap: kafka.bootstrap,
      topic: 'codecs',
      sums: ['n', 'd'],
      day: 'at',
    })
    expect(summary.sums).toEqual({ n: String(9007199254740993n * 5n), d: '0.5' })
    expect(Object.values(summary.days)).toEqual([1, 1, 1, 1, 1])
  })

  it('deleteRecords() moves the low watermark', async () => {
    await tools.createTopic('retention')
    await tools.produce('retention', [{ value: 'old' }, { value: 'new' }])
    await tools.deleteRecords('retention', 0, 1n)
    expect(await tools.offsets('retention')).toEqual([{ partition: 0, low: 1n, stableEnd: 2n }])
    const records = await topicRecords(kafka.bootstrap, 'retention')
    expect(records.map((each) => String(each.value))).toEqual(['new'])
  })

  it('restart() after kill() finds the records again', async () => {
    await tools.createTopic('survivors')
    await tools.produce('survivors', [{ value: 'kept' }])
    await kafka.kill()
    await kafka.restart()
    const records = await topicRecords(kafka.bootstrap, 'survivors')
    expect(records.map((each) => String(each.value))).toEqual(['kept'])
  })
})

describe.skipIf(!requirePart('minio'))('the MinIO of tests', () => {
  it('startMinio() serves its buckets with the keys asked for, also after a crash', async () => {
    const minio = await startMinio({
      accessKeyId: 'tests-key',
      secretAccessKey: 'tests-secret',
      buckets: ['lake'],
    })
    try {
      await minio.kill()
      await minio.restart()
      const client = s3Client(minio, minio.endpoint)
      const answer = await client.send(new ListBucketsCommand({}))
      expect(answer.Buckets?.map((bucket) => bucket.Name)).toEqual(['lake'])
      client.destroy()
    } finally {
      await minio.stop()
    }
  })

  it('answers signed requests through the fault proxy, which can lose the reply to a PUT', async () => {
    const minio = await startMinio({ buckets: ['lake'] })
    const proxy = await startFaultProxy(minio.endpoint)
    try {
      const client = s3Client(minio, proxy.endpoint)
      const rule = proxy.add({ method: 'PUT', fault: { kind: 'drop-response' }, times: 1 })
      const put = new PutObjectCommand({
        Bucket: 'lake',
        Key: 'pointer',
        Body: 'first',
        IfNoneMatch: '*',
      })
      await expect(client.send(put)).rejects.toThrow()
      expect(rule.hits).toBe(1)
      // The store had applied it: the same create now meets its own object.
      await expect(client.send(put)).rejects.toMatchObject({
        $metadata: { httpStatusCode: 412 },
      })
      const stored = await client.send(new GetObjectCommand({ Bucket: 'lake', Key: 'pointer' }))
      expect(await stored.Body?.transformToString()).toBe('first')
      client.destroy()
    } finally {
      await proxy.stop()
      await minio.stop()
    }
  })
})

function s3Client(minio: MinioService, endpoint: string): S3Client {
  const { accessKeyId, secretAccessKey, region } = minio
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  })
}

describe.skipIf(!requirePart('python'))('the DuckDB extensions of tests', () => {
  it('duckdbExtensions() load into the DuckDB of this package', async () => {
    const paths = await duckdbExtensions()
    const database = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' })
    const connection = await database.connect()
    for (const path of [paths.avro, paths.httpfs, paths.iceberg]) {
      await connection.run(`LOAD '${path}'`)
    }
    const loaded = await connection.runAndReadAll(
      "SELECT extension_name FROM duckdb_extensions() WHERE loaded AND extension_name IN ('httpfs', 'iceberg', 'avro') ORDER BY 1",
    )
    expect(loaded.getRows()).toEqual([['avro'], ['httpfs'], ['iceberg']])
    connection.closeSync()
  })
})
