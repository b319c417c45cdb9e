/**
 * A replay on real Kafka and MinIO beside the sink that goes on: killed with SIGKILL in the middle,
 * started again, published; judged by librdkafka and PyIceberg.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type JudgedRecord } from '../support/kafka-judge.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import { type TideOptions, tide } from '../support/tide.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const partitions = 3
const stream = 'replayed'
const table = `web.${stream}`

describe.skipIf(!hasParts)('a replay beside a live sink', () => {
  let lake: RealLake
  let produced = 0

  beforeAll(async () => {
    lake = await startRealLake()
  })
  afterAll(() => lake?.stop())

  /** Every tenth has a value that the strict rule refuses. */
  async function produce(total: number): Promise<void> {
    const records = Array.from({ length: total }, () => {
      const id = produced++
      return { partition: id % partitions, value: `{"id":${id},"v":${id % 10 === 0 ? '1.6' : id}}` }
    })
    await lake.tools.produce(stream, records)
  }

  const writeStream = (coercion: string): Promise<void> =>
    lake.project.writeStream(
      stream,
      `name: ${stream}
input:
  kafka:
    seed_brokers: ["${lake.kafka.bootstrap}"]
    topics: [${stream}]
    consumer_group: ${stream}
    properties: { max.partition.fetch.bytes: 4000, fetch.max.bytes: 12000 }
schema: { mode: declared, coercion: ${coercion}, fields: [{name: id, type: long}, {name: v, type: long}] }
output: { iceberg: { table: ${table}, commit: { interval: 300ms, max_records: 200 } } }
`,
    )

  async function reach(count: number): Promise<void> {
    let sum = 0
    await eventually(
      async () => {
        const next = await lake.nextOffsets(table, stream, stream)
        sum = [...next.values()].reduce((total, offset) => total + Number(offset), 0)
        return sum >= count
      },
      () => `at ${sum} of ${count}`,
    )
  }

  const isRefused = ({ value }: JudgedRecord): boolean => value?.includes('1.6') === true
  const inRange = ({ partition, offset }: JudgedRecord): boolean =>
    partition < 2 && Number(offset) >= 100 && Number(offset) < 900

  it('[P4, P7, P9] gives the range the mended rule, once, and leaves the sink and its group alone', async () => {
    await lake.tools.createTopic(stream, { partitions })
    for (let sent = 0; sent < 3_000; sent += 300) await produce(300)
    await writeStream('strict')
    const sink = lake.project.start(stream)
    await reach(3_000)
    // The sink has read its settings: these are the replay's.
    await writeStream('lenient')
    const places = (flag: string, offset: number): string[] =>
      [0, 1].flatMap((partition) => [flag, `${stream}:${partition}=${offset}`])
    const args = ['stream', 'replay', stream, ...places('--to-offset', 100)]
    const all = [...args, ...places('--until', 900), '--into', 'fix', '--execute']
    const { directory } = lake.project
    const env = { TIDEWATER_FAILPOINTS: 'ingest.uploaded=kill:5' }
    const killed = await lake.build.tide(directory, all, env).ended
    expect(killed.signal, killed.stderr).toBe('SIGKILL')
    await produce(300)
    const done = await lake.build.tide(directory, all).ended
    expect(done, done.stderr).toMatchObject({ code: 0 })

    const options: TideOptions = { directory }
    const diff = await tide(`table diff ${table} --branch fix -o json`, options)
    expect(JSON.parse(diff.stdout)).toMatchObject({ only_base: 0, differing: 0, only_branch: 160 })
    const publishing = lake.build.tide(directory, ['table', 'publish', table, '--branch', 'fix'])
    await produce(600)
    const published = await publishing.ended
    expect(published, published.stderr).toMatchObject({ code: 0 })
    await produce(300)
    await reach(produced)
    const end = await sink.terminate()
    expect(end, end.stderr).toMatchObject({ code: 0 })

    const isLetter = (record: JudgedRecord): boolean => isRefused(record) && !inRange(record)
    const verdict = await lake.judge({ topic: stream, table, isLetter })
    expect(verdict.letters.count).toBe(produced / 10 - 160)
    const reported = await lake.tools.groupOffsets(stream, stream)
    expect([...reported.values()].reduce((sum, next) => sum + next, 0n)).toBe(BigInt(produced))
  })
})
