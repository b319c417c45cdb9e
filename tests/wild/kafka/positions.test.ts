/** Positions and consumer groups on a real broker; the same on embedded parts: ../positions.test.ts. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKafkaSource, type StreamRunResult } from '../../../ingest/index.ts'
import { freshGroup, kafkaHarness } from '../../integration/kafka-harness.ts'
import { freshTopic } from '../../conformance/describe-record-source.ts'
import type { RecordSourceHarness } from '../../conformance/describe-record-source.ts'
import { eventually } from '../../support/eventually.ts'
import { connectKafkaTools } from '../../support/kafka-tools.ts'
import { type LakeFixture, openLakeFixture } from '../../support/lake-fixture.ts'
import { type KafkaService, requirePart, startKafka } from '../../support/services/index.ts'
import { tide } from '../../support/tide.ts'

const hasKafka = requirePart('kafka')

interface Member {
  readonly begun: Promise<void>
  readonly ended: Promise<StreamRunResult>
  stop(): Promise<StreamRunResult>
}

interface MemberOf {
  readonly stream?: string
  readonly topic: string
  readonly group?: string
  readonly start?: string
  readonly until?: 'latest' | 'stopped'
}

describe.skipIf(!hasKafka)('positions on a broker', () => {
  let kafka: KafkaService
  let harness: RecordSourceHarness
  let lake: LakeFixture
  let members: Member[]
  let produced = 0

  beforeAll(async () => {
    kafka = await startKafka({ config: { 'group.min.session.timeout.ms': 500 } })
    harness = await kafkaHarness(kafka.bootstrap, () => {
      throw new Error('not asked for')
    })
  })
  afterAll(async () => {
    await harness?.close()
    await kafka?.stop()
  })
  beforeEach(async () => {
    lake = await openLakeFixture()
    members = []
  })
  afterEach(async () => {
    await Promise.all(members.map((member) => member.stop().catch(() => undefined)))
    await lake.close()
  })

  const topicWith = async (partitions: number): Promise<string> => {
    const topic = freshTopic('positions')
    await harness.createTopic(topic, partitions)
    return topic
  }

  const produce = async (topic: string, partition: number, count: number): Promise<number[]> => {
    const ids = Array.from({ length: count }, () => produced++)
    await harness.produce(
      { topic, partition },
      ids.map((id) => ({ value: JSON.stringify({ id }) })),
    )
    return ids
  }

  /** By a producer that has not met the topic before: kafkajs drops records of partitions that it does not know. */
  const produceNew = async (topic: string, partition: number, count: number): Promise<number[]> => {
    const ids = Array.from({ length: count }, () => produced++)
    const tools = await connectKafkaTools(kafka.bootstrap)
    const records = ids.map((id) => ({ partition, value: JSON.stringify({ id }) }))
    await tools.produce(topic, records)
    await tools.close()
    return ids
  }

  const yaml = ({ stream = 's', topic, group, start = 'earliest' }: MemberOf): string => `
name: ${stream}
input: { kafka: { seed_brokers: ["${kafka.bootstrap}"], topics: [${topic}], start_offset: ${start}${
    group === undefined ? '' : `, consumer_group: ${group}`
  } } }
schema: { mode: declared, fields: [{ name: id, type: long }] }
output: { iceberg: { table: web.${stream}, commit: { interval: 100ms } } }
`

  function start(of: MemberOf): Member {
    const { stream = 's', topic, group, until = 'stopped' } = of
    const stopping = new AbortController()
    let begin = (): void => undefined
    const begins = new Promise<void>((resolve) => {
      begin = resolve
    })
    const source = createKafkaSource({
      connection: { seedBrokers: [kafka.bootstrap] },
      topics: [topic],
      metadataMs: 300,
      sessionTimeoutMs: 6_000,
      stream: { name: stream, table: `web.${stream}`, warehouse: '' },
      ...(group === undefined ? {} : { consumerGroup: group }),
    })
    const ended = lake.run(
      lake.settings(yaml(of)),
      {
        until,
        signal: stopping.signal,
        onProgress: ({ state }) => {
          if (state !== 'starting') begin()
        },
      },
      { source },
    )
    const begun = Promise.race([begins, ended.then(() => undefined)])
    for (const each of [begun, ended]) each.catch(() => undefined)
    const member = {
      begun,
      ended,
      stop: () => {
        stopping.abort()
        return ended
      },
    }
    members.push(member)
    return member
  }

  const ids = async (stream = 's'): Promise<readonly number[]> => {
    const rows = await lake.rows(`web.${stream}`, 'id').catch(() => [])
    return rows.map((row) => Number(row['id'])).sort((left, right) => left - right)
  }
  const holds = async (expected: readonly number[], stream = 's'): Promise<void> => {
    await eventually(async () => {
      const found = await ids(stream)
      return expected.every((id) => found.includes(id)) || undefined
    })
    expect(await ids(stream)).toEqual([...expected].sort((left, right) => left - right))
  }

  it('A1 [E11] a second worker goes on from the positions of the first', async () => {
    const [topic, group] = [await topicWith(2), freshGroup()]
    await produce(topic, 1, 5)
    const first = start({ topic, group, start: 'latest' })
    await first.begun
    const records = await produce(topic, 1, 50)
    await start({ topic, group, start: 'latest' }).begun
    records.push(...(await produce(topic, 0, 5)))
    await holds(records)
  })

  it.each([[true], [false]])(
    'A1 [E11] a partition that is added while it runs is read from its beginning (in a group: %s)',
    async (isInGroup) => {
      const topic = await topicWith(1)
      const group = isInGroup ? { group: freshGroup() } : {}
      await produce(topic, 0, 5)
      const sink = start({ topic, start: 'latest', ...group })
      await sink.begun
      await harness.addPartitions(topic, 3)
      await holds([...(await produceNew(topic, 2, 10)), ...(await produce(topic, 0, 1))])
    },
  )

  it('A3 [E12] two streams with topics of their own share a group, and both are whole', async () => {
    const [a, b, group] = [await topicWith(3), await topicWith(3), freshGroup()]
    const records = {
      x: (await Promise.all([0, 1, 2].map((each) => produce(a, each, 4)))).flat(),
      y: (await Promise.all([0, 1, 2].map((each) => produce(b, each, 4)))).flat(),
    }
    start({ stream: 'x', topic: a, group })
    const second = start({ stream: 'y', topic: b, group })
    await holds(records.x, 'x')
    await holds(records.y, 'y')
    // Whichever leads the group reads one of the topics only: the other one's partitions are noticed, too.
    await harness.addPartitions(a, 4)
    await harness.addPartitions(b, 4)
    await holds([...records.x, ...(await produceNew(a, 3, 4))], 'x')
    await holds([...records.y, ...(await produceNew(b, 3, 4))], 'y')
    expect(await second.stop()).toMatchObject({ recordsCommitted: 16 })
  })

  it('A3 [E12] of two streams that read one topic in one group the later one is refused', async () => {
    const [topic, group] = [await topicWith(2), freshGroup()]
    const first = start({ stream: 'x', topic, group })
    await first.begun
    const refused = await start({ stream: 'y', topic, group }).ended.catch(String)
    expect(refused).toMatch(/another stream reads this topic .*other=x otherTable=web\.x/)
    const records = [...(await produce(topic, 0, 4)), ...(await produce(topic, 1, 4))]
    await holds(records, 'x')
    expect(await ids('y')).toEqual([])
  })

  it('B11 [E12] a drain ends for each member, with a partition or without', async () => {
    const [topic, group] = [await topicWith(1), freshGroup()]
    const records = await produce(topic, 0, 20)
    const both = [0, 1].map(() => start({ topic, group, until: 'latest' }))
    const ends = await Promise.all(both.map(({ ended }) => ended))
    expect(ends.reduce((sum, end) => sum + end.recordsCommitted, 0)).toBe(20)
    await holds(records)
  })

  describe('the command of a stopped stream', () => {
    let directory: string
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'tide-kafka-positions-'))
      await mkdir(join(directory, 'streams'))
      await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: warehouse }\n')
    })
    afterEach(() => rm(directory, { recursive: true, force: true }))

    const drain = (): ReturnType<typeof tide> =>
      tide('stream run streams/s.yaml --until latest', { directory })
    const count = async (): Promise<string> =>
      (await tide(['sql', '-csv', '-c', 'SELECT count(*) AS n FROM web.s'], { directory })).stdout

    const cases: readonly {
      readonly line: string
      readonly situation: string
      readonly break: (topic: string) => Promise<void>
      readonly rows: number
    }[] = [
      {
        line: 'B8',
        situation: 'retention',
        break: (topic) => harness.deleteRecords({ topic, partition: 0 }, 8n),
        rows: 5 + 2,
      },
      {
        line: 'K14',
        situation: 'a topic that was made again',
        break: async (topic) => {
          await harness.deleteTopic(topic)
          await harness.createTopic(topic, 1)
          await produce(topic, 0, 3)
        },
        rows: 5 + 3,
      },
    ]
    for (const wild of cases)
      it(`${wild.line} [E14] works after ${wild.situation}`, async () => {
        const topic = await topicWith(1)
        await writeFile(join(directory, 'streams/s.yaml'), yaml({ topic }))
        await produce(topic, 0, 5)
        expect(await drain()).toMatchObject({ code: 0 })
        await produce(topic, 0, 5)
        await wild.break(topic)
        const stopped = await drain()
        expect(stopped.code).toBe(1)
        expect((await tide('stream status', { directory })).code).toBe(1)
        const command = /tide (stream offsets [^\n]*?--execute)/.exec(stopped.stderr)?.[1] ?? ''
        expect(await tide(command, { directory })).toMatchObject({ code: 0 })
        expect(await drain()).toMatchObject({ code: 0 })
        expect(await count()).toBe(`n\n${wild.rows}\n`)
      })

    it('B8 [E14] is told by a running sink whose topic is deleted', async () => {
      const topic = await topicWith(1)
      const records = await produce(topic, 0, 5)
      const sink = start({ topic })
      await holds(records)
      await harness.deleteTopic(topic)
      const end = await sink.ended.catch(String)
      expect(end).toMatch(
        new RegExp(`was deleted .*: tide stream offsets s set ${topic}=earliest --execute`),
      )
    })
  })
})
