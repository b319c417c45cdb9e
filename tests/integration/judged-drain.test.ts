/**
 * A real Kafka topic of high-entropy records, drained to MinIO by `tide stream run --until latest`, and
 * then judged: librdkafka says what the topic holds; PyIceberg and DuckDB's iceberg extension, through
 * `tide serve` and straight from the metadata file, and `tide sql` must all say the same of the table.
 *
 * TIDEWATER_DRAIN_RECORDS=4000000 runs it on as many records as the bench.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRecords } from '../../bench/generate.ts'
import { environment } from '../../common/index.ts'
import { type TopicSummary, topicSummary } from '../support/kafka-judge.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import {
  duckdbExtensions,
  pythonEnvironment,
  repositoryRoot,
  requirePart,
} from '../support/services/index.ts'
import type { SinkProcess } from '../support/sink-process.ts'
import {
  type TablePlace,
  type TableReader,
  type TableSummary,
  tableReaders,
  tableSummary,
} from '../support/table-judge.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const records = Number(environment('TIDEWATER_DRAIN_RECORDS') ?? 200_000)
const partitions = 4
const table = 'web.events'
const slice = '2024-01-02'
/** A sum of doubles depends on the order in its last digits. */
const relativeTolerance = 1e-12

interface SqlAnswer {
  readonly cells: readonly string[]
  readonly filesRead: number
  readonly filesTotal: number
}

describe.skipIf(!hasParts)(`a topic of ${records} records, drained`, () => {
  let lake: RealLake
  let topic: TopicSummary
  let serve: SinkProcess
  const places = new Map<string, TablePlace>()

  beforeAll(async () => {
    lake = await startRealLake()
    await lake.tools.createTopic('events', { partitions })
    await produce()
    await lake.project.writeStream('events', streamYaml())
    const { stdout } = await lake.project.drain('events', { args: ['-o', 'json'] })
    const [summary] = JSON.parse(stdout) as readonly Record<string, unknown>[]
    expect(summary).toMatchObject({ records, rows: records, dead_letters: 0 })
    const { bootstrap } = lake.kafka
    const sums = ['id', 'amount', 'qty', 'n']
    topic = await topicSummary({ bootstrap, topic: 'events', sums, day: 'ts' })
    expect(topic.count).toBe(records)
    serve = lake.build.tide(lake.project.directory, ['serve', '--port', '0', '--share-keys'])
    await serve.logged(/server\.started/)
    const uri = /http:\/\/127\.0\.0\.1:\d+/.exec(serve.log)?.[0] ?? `not started: ${serve.log}`
    places.set('tide serve', { uri, table })
    const { metadataLocation } = await lake.table(table)
    places.set('the metadata file', { metadataLocation })
  })
  afterAll(async () => {
    const ended = await serve?.terminate()
    await lake?.stop()
    expect(ended?.code).toBe(0)
  })

  const streamYaml = (): string => `name: events
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [events], consumer_group: tide-events, start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: ${table}, partition_by: ["day(ts)"], commit: { interval: 10s, max_records: ${Math.ceil(records / 4)} } } }
`

  const produce = async (): Promise<void> => {
    const { python } = await pythonEnvironment()
    const child = spawn(python, [join(repositoryRoot, 'bench/produce.py')], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const { bootstrap } = lake.kafka
    const request = { bootstrap, topic: 'events', partitions, compression: 'lz4' }
    child.stdin.write(`${JSON.stringify(request)}\n`)
    const ended = once(child, 'exit')
    await generateRecords(child.stdin, records)
    child.stdin.end()
    expect(await ended).toEqual([0, null])
  }

  const summarize = (reader: TableReader, place: TablePlace, filter?: string) =>
    tableSummary(reader, place, {
      s3: lake.s3,
      sums: ['id', 'amount', 'qty', 'n'],
      day: 'ts',
      partitionColumn: '_kafka.partition',
      offsetColumn: '_kafka.offset',
      ...(filter === undefined ? {} : { filter }),
    })

  const judged = (reader: TableReader, at: string, filter?: string): Promise<TableSummary> => {
    const place = places.get(at)
    if (place === undefined) throw new Error(`no such place: ${at}`)
    return summarize(reader, place, filter)
  }

  it.each(
    tableReaders.flatMap((reader) =>
      ['tide serve', 'the metadata file'].map((at) => [reader, at] as const),
    ),
  )('is the same table to %s through %s', async (reader, at) => {
    const seen = await judged(reader, at)
    const { amount, ...sums } = seen.sums
    const { amount: produced, ...exact } = topic.sums
    expect(sums).toEqual(exact)
    expectClose(amount, produced)
    const { count, days, perPartition, offsetsDigest } = topic
    expect(seen).toMatchObject({ count, days, perPartition, offsetsDigest })
    expect(Object.keys(days)).toHaveLength(3)
  })

  const ask = async (sql: string, httpfs: string): Promise<SqlAnswer> => {
    const cache = { TIDEWATER_SQL__CACHE__DIRECTORY: join(lake.project.directory, 'cache') }
    const args = ['--set', `sql.httpfs=${httpfs}`, 'sql', '-c', sql]
    const end = await lake.build.tide(lake.project.directory, args, cache).ended
    expect(end.code, end.stderr).toBe(0)
    const row = end.stdout.split('\n').findLast((line) => line.startsWith('│')) ?? ''
    const files = / (\d+) of (\d+) files /.exec(end.stdout)
    return {
      cells: row
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
      filesRead: Number(files?.[1]),
      filesTotal: Number(files?.[2]),
    }
  }

  it.each(['httpfs', 'cache'])('answers tide sql through its %s as the judges do', async (way) => {
    const httpfs = way === 'httpfs' ? (await duckdbExtensions()).httpfs : 'off'
    const whole = await judged('pyiceberg', 'the metadata file')
    const filesTotal = whole.files ?? 0
    expect(filesTotal).toBeGreaterThanOrEqual(6)

    const count = await ask(`SELECT count(*) FROM ${table}`, httpfs)
    expect(count.cells).toEqual([String(topic.count)])
    expect(count.filesTotal).toBe(filesTotal)

    const filtered = await ask(
      `SELECT count(*), sum(id), sum(qty), sum(n), sum(amount) FROM ${table} WHERE n > 0`,
      httpfs,
    )
    const positive = await judged('duckdb', 'the metadata file', 'n > 0')
    expect(positive.count).toBeLessThan(records)
    const { id, qty, n, amount } = positive.sums
    expect(filtered.cells.slice(0, 4)).toEqual([String(positive.count), id, qty, n])
    expectClose(filtered.cells[4], amount)
    expect(filtered).toMatchObject({ filesRead: filesTotal, filesTotal })

    const day = await ask(
      `SELECT count(*), sum(id), min(ts)::DATE, max(ts)::DATE FROM ${table} WHERE ts >= '${slice}' AND ts < '2024-01-03'`,
      httpfs,
    )
    const bounds = [`${slice}T00:00:00+00:00`, '2024-01-03T00:00:00+00:00']
    const filter = `ts >= '${bounds[0]}' and ts < '${bounds[1]}'`
    const sliced = await judged('pyiceberg', 'the metadata file', filter)
    expect(sliced.days).toEqual({ [slice]: topic.days[slice] })
    expect(day.cells).toEqual([String(topic.days[slice]), sliced.sums['id'], slice, slice])
    expect(day).toMatchObject({ filesRead: sliced.files, filesTotal })
    expect(day.filesRead).toBeLessThan(filesTotal)
  })
})

function expectClose(found: string | undefined, wanted: string | undefined): void {
  const [left, right] = [Number(found), Number(wanted)]
  expect(Math.abs(left - right) / Math.abs(right), `${found} ${wanted}`).toBeLessThan(
    relativeTolerance,
  )
}
