/**
 * `kill -9` of the sink, again and again, over real Kafka and MinIO: at random moments and at each
 * named step of a commit. Whatever moment it was, the table and its dead letters hold the topic's
 * records exactly once: after each kill the multiset of (partition, offset) in the files is the topic's
 * up to the table's offsets, and again and again, drained, PyIceberg and DuckDB judge against librdkafka.
 *
 * The moments come from a seed, printed when a run fails:
 *   TIDEWATER_TEST_SEED=12345 npx vitest run --project integration tests/integration/kill-sink.test.ts
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  environment,
  failpointNames,
  type FailpointName,
  seededRandom,
  systemClock,
} from '../../common/index.ts'
import { within } from '../support/eventually.ts'
import { type FilePlaces, openFilePlaces } from '../support/file-places.ts'
import type { TestRecord } from '../support/kafka-tools.ts'
import { offsetsDigest, type PartitionOffset } from '../support/offsets-digest.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const seed = Number(environment('TIDEWATER_TEST_SEED') ?? Math.floor(Math.random() * 2 ** 31))
/** Other ones in each run; `npm run soak` takes many more. */
const moments = Number(environment('TIDEWATER_TEST_MOMENTS') ?? 12)
const random = seededRandom(seed)
const below = (limit: number): number => Math.floor(random.fraction() * limit)

const partitions = 3
/** One log batch: the least that a fetch brings. */
const batchRecords = 60
const lagRecordsMin = 4_000
const judgeEvery = 6

describe.skipIf(!hasParts)(`a sink that is killed (TIDEWATER_TEST_SEED=${seed})`, () => {
  let lake: RealLake
  let places: FilePlaces

  beforeAll(async () => {
    lake = await startRealLake()
    places = await openFilePlaces(lake.catalog, lake.io)
  })
  afterAll(async () => {
    await places?.close()
    await lake?.stop()
  })

  /** A topic whose records are known by place, with poison among them. */
  class Topic {
    readonly name: string
    readonly #poison = new Set<string>()
    readonly #ends = Array.from({ length: partitions }, () => 0)
    #count = 0

    constructor(name: string) {
      this.name = name
    }

    async create(): Promise<void> {
      await lake.tools.createTopic(this.name, { partitions })
    }

    async produce(count: number): Promise<void> {
      for (let produced = 0; produced < count; produced += batchRecords * partitions) {
        const records: TestRecord[] = []
        for (let index = 0; index < batchRecords * partitions; index++) {
          records.push(this.#next(index % partitions))
        }
        await lake.tools.produce(this.name, records)
      }
    }

    get count(): number {
      return this.#count
    }

    /** Where the rows and letters come from of a table that has come to these offsets. */
    upTo(next: ReadonlyMap<number, bigint>): {
      rows: readonly PartitionOffset[]
      letters: readonly PartitionOffset[]
    } {
      const rows: PartitionOffset[] = []
      const letters: PartitionOffset[] = []
      for (const [partition, end] of next) {
        for (let offset = 0; offset < Number(end); offset++) {
          const isPoison = this.#poison.has(`${partition}:${offset}`)
          ;(isPoison ? letters : rows).push({ partition, offset })
        }
      }
      return { rows, letters }
    }

    #next(partition: number): TestRecord {
      const offset = this.#ends[partition] ?? 0
      this.#ends[partition] = offset + 1
      const id = this.#count++
      const day = `2024-01-0${1 + (id % 3)}T00:00:00Z`
      const key = `key-${id}`
      // Later batches than the first: a sample of poison alone has no schema.
      const isPoison = id > batchRecords && (id * 7919) % 61 === 0
      if (isPoison) this.#poison.add(`${partition}:${offset}`)
      const value = isPoison ? `poison ${id}` : JSON.stringify({ id, ts: day, name: `n${id}` })
      return { partition, key, value }
    }
  }

  const writeStream = (name: string, topic: string, group?: string): Promise<void> =>
    lake.project.writeStream(
      name,
      `name: ${name}
input:
  kafka:
    seed_brokers: ["${lake.kafka.bootstrap}"]
    topics: [${topic}]
    ${group === undefined ? '' : `consumer_group: ${group}`}
    properties: { session.timeout.ms: 1000, max.partition.fetch.bytes: 4000, fetch.max.bytes: 8000 }
schema: { mode: json_infer }
output: { iceberg: { table: web.${name}, partition_by: ["day(ts)"], commit: { interval: 300ms, max_records: 200 } } }
`,
    )

  /**
   * The tables hold the topic's records below the offsets that stand in them, each once: the same
   * multiset of (partition, offset), by plain DuckDB over the files.
   */
  const checkPlaces = async (stream: string, topic: Topic, history: string): Promise<void> => {
    const next = await lake.nextOffsets(`web.${stream}`, stream, topic.name)
    const dlqNext = await lake.nextOffsets(`web.${stream}__dlq`, stream, topic.name)
    const [rows, letters] = [
      next.size === 0 ? [] : await places.of(`web.${stream}`, '_kafka.'),
      dlqNext.size === 0 ? [] : await places.of(`web.${stream}__dlq`, ''),
    ]
    const expected = { rows: topic.upTo(next).rows, letters: topic.upTo(dlqNext).letters }
    expect([rows.length, letters.length], history).toEqual([
      expected.rows.length,
      expected.letters.length,
    ])
    expect(offsetsDigest(rows), history).toBe(offsetsDigest(expected.rows))
    expect(offsetsDigest(letters), history).toBe(offsetsDigest(expected.letters))
    // Letters go first: the table never gets ahead of them.
    expect(topic.upTo(next).letters.length, history).toBeLessThanOrEqual(letters.length)
  }

  it(`[E1, E8] at ${moments} random moments leaves each record once in the table or its dead letters`, async () => {
    const topic = new Topic('moments')
    await topic.create()
    // The same stream and table, alone and as a member of a group.
    const variants = [undefined, 'moments'] as const
    const history: string[] = []
    let phases = { starting: 0, reading: 0 }
    for (let kill = 1; kill <= moments; kill++) {
      const next = await lake.nextOffsets('web.moments', 'moments', topic.name)
      const done = [...next.values()].reduce((sum, offset) => sum + Number(offset), 0)
      if (topic.count - done < lagRecordsMin) await topic.produce(lagRecordsMin)
      const group = variants[below(4) === 0 ? 1 : 0]
      await writeStream('moments', topic.name, group)
      const sink = lake.project.start('moments')
      const isStarting = below(5) === 0
      const waitMs = isStarting ? below(1500) : below(900)
      if (!isStarting) await sink.logged(/stream\.assigned/)
      await systemClock.sleep(waitMs)
      const end = await sink.kill()
      expect(end.signal, `it ended by itself: ${end.stderr}`).toBe('SIGKILL')
      phases = isStarting
        ? { ...phases, starting: phases.starting + 1 }
        : { ...phases, reading: phases.reading + 1 }
      history.push(`kill ${kill}: ${isStarting ? 'starting' : 'reading'}+${waitMs}ms of ${done}`)
      await checkPlaces('moments', topic, history.join('\n'))
      if (kill % judgeEvery === 0) await judgeDrained('moments', topic)
    }
    expect(phases.starting + phases.reading).toBe(moments)
    const verdict = await judgeDrained('moments', topic, 'duckdb')
    expect(verdict.rows.count + verdict.letters.count).toBe(topic.count)
    expect(verdict.letters.count).toBeGreaterThan(moments)
  })

  const judgeDrained = async (
    stream: string,
    topic: Topic,
    reader: 'pyiceberg' | 'duckdb' = 'pyiceberg',
  ): ReturnType<RealLake['judge']> => {
    await writeStream(stream, topic.name)
    await lake.project.drain(stream, {
      args: ['--set', 'output.iceberg.commit.max_records=100000'],
    })
    await checkPlaces(stream, topic, 'after the drain')
    return lake.judge({ topic: topic.name, table: `web.${stream}`, reader })
  }

  /** The fresh table's first commits are another path than those of a running stream. */
  it.each(failpointNames.filter((step) => !step.startsWith('compaction.')))(
    '[E1, E5] at the step %s, first and later, keeps each record once',
    async (step) => {
      const stream = step.replace(/\W/g, '_')
      const topic = new Topic(stream)
      await topic.create()
      await topic.produce(1_000)
      await writeStream(stream, topic.name, stream)
      await killAt(stream, step, 1)
      await checkPlaces(stream, topic, `${step} first`)
      await killAt(stream, step, 2 + below(3))
      await checkPlaces(stream, topic, `${step} later`)
      await topic.produce(500)
      const verdict = await judgeDrained(stream, topic)
      expect(verdict.rows.count + verdict.letters.count).toBe(topic.count)
      expect(verdict.letters.count).toBeGreaterThan(5)
    },
  )

  const killAt = async (stream: string, step: FailpointName, passage: number): Promise<void> => {
    const env = { TIDEWATER_FAILPOINTS: `${step}=kill:${passage}` }
    const sink = lake.project.start(stream, { env })
    const end = await within(sink.ended, () => `${step} is not passed: ${sink.log}`)
    expect(end.signal, `${step} was not passed ${passage} times: ${sink.log}`).toBe('SIGKILL')
  }
})
