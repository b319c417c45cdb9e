/** The command on real Kafka and MinIO: the README's settings, and each kind of bad input. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKafkaProducer } from '../../ingest/index.ts'
import {
  type KafkaService,
  type MinioService,
  requirePart,
  startKafka,
  startMinio,
} from '../support/services/index.ts'
import { tide as runTide, tideRows } from '../support/tide.ts'

describe.skipIf(!requirePart('kafka') || !requirePart('minio'))('tide on Kafka and MinIO', () => {
  let kafka: KafkaService
  let minio: MinioService
  let directory = ''
  let topic = ''
  let round = 0

  beforeAll(async () => {
    kafka = await startKafka()
    minio = await startMinio({ buckets: ['lake'] })
  })
  afterAll(async () => {
    await kafka?.stop()
    await minio?.stop()
  })
  beforeEach(async () => {
    topic = `events-${++round}`
    directory = await mkdtemp(join(tmpdir(), 'tide-cli-'))
    await mkdir(join(directory, 'streams'))
    await writeFile(join(directory, 'tidewater.yaml'), lakeYaml())
    await writeFile(join(directory, 'streams/events.yaml'), streamYaml())
  })
  afterEach(() => rm(directory, { recursive: true }))

  const lakeYaml = (): string =>
    `catalog: { warehouse: "s3://lake/w${round}", s3.endpoint: "${minio.endpoint}", s3.access-key-id: ${minio.accessKeyId}, s3.secret-access-key: ${minio.secretAccessKey} }\n`
  const streamYaml = (): string => `name: events
input: { kafka: { seed_brokers: ["${kafka.bootstrap}"], topics: [${topic}], consumer_group: tide-${topic}, start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: web.events, partition_by: ["day(ts)"], commit: { interval: 10s, max_records: 1000000 } } }
`
  const tide = (line: string, input?: string, environment: Record<string, string> = {}) =>
    runTide(line, { directory, environment, ...(input === undefined ? {} : { input }) })
  const rows = (line: string) => tideRows(line, { directory })

  const record = (id: number): string =>
    `{"id": ${id}, "ts": "2026-01-0${(id % 3) + 1}T00:00:00Z"}\n`

  it('[R11] samples a compressed topic over several polls without mixing them up', async () => {
    const count = 6_000
    const lines = Array.from({ length: count }, (_, id) =>
      JSON.stringify({ id, [id < count / 2 ? 'early' : 'late']: `${id};`.repeat(400) }),
    )
    const yaml = streamYaml().replace('json_infer', `json_infer, sample_records: ${count}`)
    await writeFile(join(directory, 'streams/events.yaml'), yaml)
    const connection = { seedBrokers: [kafka.bootstrap] }
    const producer = await createKafkaProducer({ connection, codec: 'lz4', idempotent: true })
    await tide(`topic create ${topic} --partitions 1`)
    await producer.produce(
      topic,
      lines.map((value) => ({ value })),
    )
    await producer.close()
    expect(await rows('stream dry-run streams/events.yaml')).toMatchObject({
      records_sampled: count,
      records_readable: count,
      columns: 'id: long\nearly: string\nlate: string',
    })
  })

  it('drains the topic of the README and answers from the table', async () => {
    const produced = await tide(
      `topic produce ${topic} --create --partitions 4`,
      Array.from({ length: 1_000 }, (_, id) => record(id)).join(''),
    )
    expect(produced.stderr).toBe(`produced 1000 records to ${topic}\n`)
    expect((await tide('doctor')).stdout).toContain(
      `ok    stream events: topic ${topic}: 4 partitions`,
    )
    const first = await rows('stream run streams/events.yaml --until latest')
    expect(first).toMatchObject([{ records: 1000, rows: 1000, dead_letters: 0 }])
    expect(await rows('stream run streams/events.yaml --until latest')).toMatchObject([
      { records: 0 },
    ])
    expect(await rows('stream status')).toMatchObject([{ commit_lag: 0, total_records: 1000 }])
    const files = await rows('table files web.events')
    expect(files.map((file) => file['partition']).sort()).toEqual([
      'ts_day=2026-01-01',
      'ts_day=2026-01-02',
      'ts_day=2026-01-03',
    ])
    const sql = ['sql', '-csv', '-c', 'SELECT count(*) AS n, sum(id) AS s FROM web.events']
    for (const httpfs of ['off', 'auto']) {
      const answer = await runTide(['--set', `sql.httpfs=${httpfs}`, ...sql], {
        directory,
        environment: { TIDEWATER_SQL__CACHE__DIRECTORY: join(directory, 'cache') },
      })
      expect(answer.stdout).toBe('n,s\n1000,499500\n')
    }
  })

  it('says that the plain kafkajs client was removed, and takes the one that is left', async () => {
    await tide(`topic produce ${topic} --create --partitions 2`, record(1) + record(2))
    const run = 'stream run --until latest --set input.kafka.client='
    const removed = await tide(`${run}kafkajs`)
    expect(removed.code).toBe(2)
    expect(removed.stderr).toContain('input.kafka.client: the choice of a client was removed')
    expect(await rows(`${run}sliced`)).toMatchObject([{ records: 2, rows: 2 }])
  })

  it('names a topic that is missing', async () => {
    const run = await tide('stream run --until latest')
    expect(run.code).toBe(1)
    expect(run.stderr).toContain(`topic=${topic}`)
    const doctor = await tide('doctor')
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toMatch(/fail {2}stream events: .*\n {6}fix: create the topic/)
  })

  it('names a broker that does not answer', async () => {
    const brokers = '--set input.kafka.seed_brokers=127.0.0.1:1'
    const run = await tide(`stream run --until latest ${brokers}`)
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('127.0.0.1:1')
    expect(run.stderr).not.toContain('    at ')
  })

  it('names a bucket that is missing, and creates it when asked', async () => {
    const other = `--warehouse s3://absent-${round}/w`
    await tide(`topic create ${topic}`)
    for (const command of ['stream run --until latest', 'table list', 'serve --port 0']) {
      const outcome = await tide(`${other} ${command}`)
      expect(outcome.code).toBe(1)
      expect(outcome.stderr).toContain(`bucket=absent-${round}`)
    }
    expect((await tide(`${other} doctor`)).stdout).toContain('fix: tide doctor --create-bucket')
    const made = await tide(`${other} doctor --create-bucket --policies out`)
    expect(made.stdout).toContain(`ok    bucket: created absent-${round}`)
    expect(made.stdout).toContain('wrote out/tidewater-ingest.json')
    expect(made.code).toBe(0)
  })

  it('names wrong keys without showing them', async () => {
    await tide(`topic create ${topic}`)
    const environment = { TIDEWATER_CATALOG__S3_SECRET_ACCESS_KEY: 'wrong-secret' }
    for (const command of ['stream run --until latest', 'table list', 'doctor']) {
      const outcome = await tide(command, undefined, environment)
      expect(outcome.code).toBe(1)
      expect(outcome.stdout + outcome.stderr).toMatch(/access|secret access key is wrong/)
      expect(outcome.stdout + outcome.stderr).not.toContain('wrong-secret')
    }
  })

  it('says that the store does not answer', async () => {
    const environment = { TIDEWATER_CATALOG__S3_ENDPOINT: 'http://127.0.0.1:1' }
    const outcome = await tide('table list', undefined, environment)
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('127.0.0.1:1')
  })
})
