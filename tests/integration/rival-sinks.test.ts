/**
 * The same stream started twice by mistake, over real Kafka and MinIO: members of one group share the
 * partitions; without a group the loser of the range check stops and names the commit that won. A
 * sink that was frozen and wakes up after its partitions went to another is a rival too.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { eventually } from '../support/eventually.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import type { SinkProcess } from '../support/sink-process.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const partitions = 4
const recordCount = 12_000

describe.skipIf(!hasParts)('two sinks on one stream', () => {
  let lake: RealLake

  beforeAll(async () => {
    lake = await startRealLake()
  })
  afterAll(() => lake?.stop())

  const produce = async (topic: string, first: number, count: number): Promise<void> => {
    const step = 400
    for (let start = first; start < first + count; start += step) {
      const records = Array.from({ length: step }, (_, index) => {
        const id = start + index
        const value =
          id > 1000 && id % 97 === 0 ? `poison ${id}` : JSON.stringify({ id, n: `${id}` })
        return { partition: id % partitions, value }
      })
      await lake.tools.produce(topic, records)
    }
  }

  const prepare = async (stream: string, group?: string): Promise<void> => {
    await lake.tools.createTopic(stream, { partitions })
    await produce(stream, 0, recordCount)
    await lake.project.writeStream(
      stream,
      `name: ${stream}
input:
  kafka:
    seed_brokers: ["${lake.kafka.bootstrap}"]
    topics: [${stream}]
    ${group === undefined ? '' : `consumer_group: ${group}`}
    properties: { session.timeout.ms: 1500, max.partition.fetch.bytes: 4000, fetch.max.bytes: 16000 }
output: { iceberg: { table: web.${stream}, commit: { interval: 300ms, max_records: 400 } } }
`,
    )
  }

  const judge = async (stream: string): Promise<void> => {
    const verdict = await lake.judge({ topic: stream, table: `web.${stream}` })
    expect(verdict.letters.count).toBeGreaterThan(50)
  }

  const nextOffsetSum = async (stream: string): Promise<number> => {
    const next = await lake.nextOffsets(`web.${stream}`, stream, stream)
    return [...next.values()].reduce((sum, offset) => sum + Number(offset), 0)
  }

  const reach = (stream: string, count: number): Promise<true> =>
    eventually(
      async () => (await nextOffsetSum(stream)) >= count,
      () => `${stream} does not come to ${count}`,
    )

  const recordSum = async (topic: string): Promise<number> =>
    (await lake.tools.offsets(topic)).reduce((sum, { stableEnd }) => sum + Number(stableEnd), 0)

  /** Two at a time; both drain to the end. */
  const startTwo = (stream: string): readonly [SinkProcess, SinkProcess] => {
    const args = ['--until', 'latest']
    return [lake.project.start(stream, { args }), lake.project.start(stream, { args })]
  }

  it('[E3] in one consumer group share the partitions, and both end well', async () => {
    await prepare('shared', 'shared')
    const ends = await Promise.all(startTwo('shared').map((sink) => sink.ended))
    for (const end of ends) expect(end.code, end.stderr).toBe(0)
    await judge('shared')
  })

  it('[E3] in one consumer group: one that comes later takes its part over while records come', async () => {
    await prepare('later', 'later')
    const first = lake.project.start('later')
    await first.logged(/"partitions":4,"event":"stream.assigned"/)
    await reach('later', 1)
    const second = lake.project.start('later')
    await second.logged(/"partitions":2,"event":"stream.assigned"/)
    await produce('later', recordCount, 4_000)
    expect(await recordSum('later')).toBe(recordCount + 4_000)
    await reach('later', recordCount + 4_000)
    const ends = await Promise.all([first.terminate(), second.terminate()])
    for (const end of ends) expect(end.code, end.stderr).toBe(0)
    await judge('later')
    const { snapshots } = (await lake.table('web.later')).metadata
    const writers = new Set(snapshots.map((each) => each.summary?.['tidewater.writer']))
    expect(writers.size).toBe(2)
  })

  it.each([0, 300])(
    '[E3] without a group the loser, started %i ms later, stops and names the commit that won',
    async (laterMs) => {
      const stream = `alone${laterMs}`
      await prepare(stream)
      const args = ['--until', 'latest']
      const first = lake.project.start(stream, { args })
      await systemClock.sleep(laterMs)
      const sinks = [first, lake.project.start(stream, { args })]
      const ends = await Promise.all(sinks.map((sink) => sink.ended))
      const lost = ends.findIndex((end) => end.code !== 0)
      const loser = ends[lost]
      const winner = sinks[1 - lost]
      expect(ends[1 - lost]?.code, ends[1 - lost]?.stderr).toBe(0)
      expect(loser?.code).toBe(1)
      expect(loser?.stderr).toMatch(/another sink committed these offsets of stream/)
      const named = /snapshot=(\d+) commit=([0-9a-f-]{36}) writer=(\S+)/.exec(loser?.stderr ?? '')
      expect(named?.[3]).toMatch(new RegExp(`/${winner?.pid}$`))
      const tables = [await lake.table(`web.${stream}`), await lake.table(`web.${stream}__dlq`)]
      const snapshots = tables.flatMap((table) => table.metadata.snapshots)
      const commit = snapshots.find((each) => String(each.snapshotId) === named?.[1])
      expect(commit?.summary?.['tidewater.commit-id']).toBe(named?.[2])
      await judge(stream)
    },
  )

  it('[E3] a frozen sink that wakes up after another took over commits nothing twice', async () => {
    await prepare('zombie', 'zombie')
    // It dwells between uploading a batch and swapping the pointer: there it is frozen, batch in hand.
    const env = { TIDEWATER_FAILPOINTS: 'commit.manifest-list-written=sleep:500' }
    const frozen = lake.project.start('zombie', { env })
    await frozen.logged(/stream\.assigned/)
    await reach('zombie', 800)
    process.kill(frozen.pid, 'SIGSTOP')
    const heir = lake.project.start('zombie')
    await heir.logged(/"partitions":4,"event":"stream.assigned"/)
    const before = await nextOffsetSum('zombie')
    await reach('zombie', before + 1_200)
    process.kill(frozen.pid, 'SIGCONT')
    await frozen.logged(/another sink committed these offsets/)
    await reach('zombie', recordCount)
    const ends = await Promise.all([frozen.terminate(), heir.terminate()])
    for (const end of ends) expect(end.code, end.stderr).toBe(0)
    await judge('zombie')
  })
})
