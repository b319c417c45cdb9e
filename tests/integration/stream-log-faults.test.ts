/**
 * A log that is not a plain row of records, over real Kafka: transactions open, committed and aborted,
 * a compacted topic, retention that went too far, a topic made again, another cluster. Either exactly
 * the records that a read-committed consumer sees land, or the stream stops and says why.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { eventually } from '../support/eventually.ts'
import { topicRecords } from '../support/kafka-judge.ts'
import { connectKafkaTools, type TestRecord } from '../support/kafka-tools.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart, startKafka } from '../support/services/index.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const partitions = 2

describe.skipIf(!hasParts)('a stream over a log with holes and faults', () => {
  let lake: RealLake
  let count = 0

  beforeAll(async () => {
    lake = await startRealLake({ 'log.cleaner.backoff.ms': 200 })
  })
  afterAll(() => lake?.stop())

  const records = (number: number, word = 'x'): TestRecord[] =>
    Array.from({ length: number }, () => {
      const id = count++
      return { partition: id % partitions, key: `k${id % 5}`, value: JSON.stringify({ id, word }) }
    })

  const writeStream = (name: string, bootstrap = lake.kafka.bootstrap): Promise<void> =>
    lake.project.writeStream(
      name,
      `name: ${name}
input: { kafka: { seed_brokers: ["${bootstrap}"], topics: [${name}] } }
output: { iceberg: { table: web.${name}, commit: { interval: 500ms } } }
`,
    )

  const judge = async (name: string): Promise<number> =>
    (await lake.judge({ topic: name, table: `web.${name}` })).rows.count

  /** The stream must refuse to run; its table stays as it is. */
  const expectRefusal = async (name: string, reason: RegExp): Promise<void> => {
    const before = (await lake.table(`web.${name}`)).metadataLocation
    const end = await lake.project.start(name, { args: ['--until', 'latest'] }).ended
    expect(end.stderr).toMatch(reason)
    expect(end.code).toBe(1)
    expect((await lake.table(`web.${name}`)).metadataLocation).toBe(before)
  }

  it('[E4] lands committed records only, and ends at the last stable offset', async () => {
    const topic = 'transactions'
    const { tools } = lake
    await tools.createTopic(topic, { partitions })
    await writeStream(topic)
    await tools.produce(topic, records(40))
    await tools.produceTransaction(topic, records(30, 'committed'), 'commit')
    await tools.produceTransaction(topic, records(50, 'aborted'), 'abort')
    const open = await tools.openTransaction('open')
    await open.send(topic, records(10, 'open'))
    await tools.produce(topic, records(20, 'behind'))
    await lake.project.drain(topic)
    expect(await judge(topic)).toBe(70)
    await open.commit()
    await tools.produceTransaction(topic, records(20, 'aborted'), 'abort')
    await lake.project.drain(topic)
    expect(await judge(topic)).toBe(100)
    // The log ends with markers alone: there is an end to reach, and nothing more to commit.
    const ends = new Map(
      (await tools.offsets(topic)).map((each) => [each.partition, each.stableEnd]),
    )
    await lake.project.drain(topic)
    expect(await lake.nextOffsets(`web.${topic}`, topic, topic)).toEqual(ends)
  })

  it('[E4] advances over the gaps of a compacted topic', async () => {
    const topic = 'compacted'
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '200',
      'delete.retention.ms': '100',
    }
    await lake.tools.createTopic(topic, { partitions, config })
    await writeStream(topic)
    for (let round = 0; round < 4; round++) {
      await lake.tools.produce(topic, records(60))
      await systemClock.sleep(300)
    }
    await eventually(
      async () => {
        if ((await topicRecords(lake.kafka.bootstrap, topic)).length <= 150) return true
        // A segment is closed by the record that comes after its time.
        await lake.tools.produce(topic, records(2))
        return false
      },
      () => 'the broker compacts nothing',
      500,
    )
    await lake.project.drain(topic)
    // What stands in the log may be compacted further while it is judged: the table is the later look.
    const seen = await topicRecords(lake.kafka.bootstrap, topic)
    const rows = await lake.rowCount(`web.${topic}`)
    expect(rows).toBeGreaterThanOrEqual(seen.length)
    expect(rows).toBeLessThan(240)
    const ends = new Map(
      (await lake.tools.offsets(topic)).map((each) => [each.partition, each.stableEnd]),
    )
    expect(await lake.nextOffsets(`web.${topic}`, topic, topic)).toEqual(ends)
  })

  it('[E6] stops when retention has taken records that were not committed', async () => {
    const topic = 'retention'
    await lake.tools.createTopic(topic, { partitions })
    await writeStream(topic)
    await lake.tools.produce(topic, records(40))
    await lake.project.drain(topic)
    await lake.tools.produce(topic, records(40))
    await lake.tools.deleteRecords(topic, 1, 25n)
    await expectRefusal(topic, /no longer holds the records that come next .*next=20 earliest=25/)
  })

  it('[E6] goes on when retention has taken committed records only', async () => {
    const topic = 'retained'
    await lake.tools.createTopic(topic, { partitions })
    await writeStream(topic)
    await lake.tools.produce(topic, records(40))
    await lake.project.drain(topic)
    await lake.tools.produce(topic, records(40))
    await lake.tools.deleteRecords(topic, 1, 20n)
    await lake.project.drain(topic)
    expect(await lake.rowCount(`web.${topic}`)).toBe(80)
  })

  it('[E6] stops when the topic was deleted and made again', async () => {
    const topic = 'again'
    await lake.tools.createTopic(topic, { partitions })
    await writeStream(topic)
    await lake.tools.produce(topic, records(40))
    await lake.project.drain(topic)
    await lake.tools.deleteTopic(topic)
    // The broker answers before the name is free again.
    const admin = lake.tools.kafka.admin()
    await admin.connect()
    await eventually(async () => !(await admin.listTopics()).includes(topic))
    await admin.disconnect()
    await lake.tools.createTopic(topic, { partitions })
    await lake.tools.produce(topic, records(60))
    await expectRefusal(topic, /deleted and made again/)
  })

  it('[E6] stops when the brokers are of another cluster', async () => {
    const topic = 'cluster'
    await lake.tools.createTopic(topic, { partitions })
    await writeStream(topic)
    await lake.tools.produce(topic, records(40))
    await lake.project.drain(topic)
    const other = await startKafka()
    try {
      const tools = await connectKafkaTools(other.bootstrap)
      await tools.createTopic(topic, { partitions })
      await tools.produce(topic, records(60))
      await tools.close()
      await writeStream(topic, other.bootstrap)
      await expectRefusal(topic, new RegExp(`another cluster.*actual=${other.clusterId}`))
    } finally {
      await other.stop()
    }
  })
})
