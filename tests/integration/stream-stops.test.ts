/**
 * A stream that is stopped in good order, and services that are not: SIGTERM flushes, commits, leaves
 * the group and exits 0; a broker or a store that dies in the middle costs time and nothing else.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { eventually } from '../support/eventually.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import type { SinkProcess } from '../support/sink-process.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const partitions = 3
const step = 300
/** The sink has met the fault by then, at the latest: it sends something several times a second. */
const downMs = 1_500

describe.skipIf(!hasParts)('a stream that is stopped, or whose services stop', () => {
  let lake: RealLake
  const counts = new Map<string, number>()

  beforeAll(async () => {
    lake = await startRealLake()
  })
  afterAll(() => lake?.stop())

  const produce = async (topic: string, total: number): Promise<void> => {
    let id = counts.get(topic) ?? 0
    for (let sent = 0; sent < total; sent += step) {
      const records = Array.from({ length: step }, () => {
        const value = id > 1000 && id % 83 === 0 ? `poison ${id}` : JSON.stringify({ id })
        return { partition: id++ % partitions, value }
      })
      await lake.tools.produce(topic, records)
    }
    counts.set(topic, id)
  }

  const prepare = async (
    stream: string,
    total: number,
    options: { readonly interval?: string; readonly sessionMs?: number } = {},
  ): Promise<void> => {
    const { interval = '300ms', sessionMs = 30_000 } = options
    await lake.tools.createTopic(stream, { partitions })
    await produce(stream, total)
    await lake.project.writeStream(
      stream,
      `name: ${stream}
input:
  kafka:
    seed_brokers: ["${lake.kafka.bootstrap}"]
    topics: [${stream}]
    consumer_group: ${stream}
    properties: { session.timeout.ms: ${sessionMs}, max.partition.fetch.bytes: 4000, fetch.max.bytes: 12000 }
output: { iceberg: { table: web.${stream}, commit: { interval: ${interval}, max_records: 300 } } }
`,
    )
  }

  const nextOffsetSum = async (stream: string): Promise<number> => {
    const next = await lake.nextOffsets(`web.${stream}`, stream, stream)
    return [...next.values()].reduce((sum, offset) => sum + Number(offset), 0)
  }

  const reach = async (stream: string, count: number, sink: SinkProcess): Promise<void> => {
    await eventually(
      async () => (await nextOffsetSum(stream)) >= count,
      () => `it does not come to ${count}: ${sink.log}`,
    )
  }

  const judge = async (stream: string): Promise<void> => {
    const verdict = await lake.judge({ topic: stream, table: `web.${stream}` })
    expect(verdict.rows.count + verdict.letters.count).toBe(counts.get(stream))
    expect(verdict.letters.count).toBeGreaterThan(5)
  }

  it('[E7] SIGTERM commits what was read, leaves the group and exits 0', async () => {
    const stream = 'term'
    const sessionMs = 240_000
    // Nothing is due by itself: what is committed at the end is the flush of the stop.
    await prepare(stream, 600)
    await lake.project.drain(stream)
    await lake.project.writeStream(
      stream,
      `name: ${stream}
input:
  kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [${stream}], consumer_group: ${stream}, properties: { session.timeout.ms: ${sessionMs} } }
output: { iceberg: { table: web.${stream}, commit: { interval: 1h } } }
`,
    )
    await produce(stream, 900)
    // Nothing tells how far it has read, so a machine that is slow to read gets more time for it.
    for (const readingMs of [1_000, 5_000, 25_000, 125_000]) {
      const before = await nextOffsetSum(stream)
      const sink = lake.project.start(stream)
      await sink.logged(/stream\.assigned/)
      await systemClock.sleep(readingMs)
      expect(await nextOffsetSum(stream)).toBe(before)
      const end = await sink.terminate()
      expect(end, end.stderr).toMatchObject({ code: 0, signal: null })
      if ((await nextOffsetSum(stream)) === 1_500) break
    }
    expect(await nextOffsetSum(stream)).toBe(1_500)
    await judge(stream)
    // The next one need not wait for the session of the one that went to end.
    const startedMs = systemClock.monotonic()
    await lake.project.drain(stream)
    expect(systemClock.monotonic() - startedMs).toBeLessThan(sessionMs / 2)
    const reported = await lake.tools.groupOffsets(stream, stream)
    expect([...reported.values()].reduce((sum, next) => sum + next, 0n)).toBe(1_500n)
  })

  it('[E7] SIGTERM again and again in the middle of work loses and doubles nothing', async () => {
    const stream = 'terms'
    await prepare(stream, 6_000)
    for (let stop = 0; stop < 6; stop++) {
      const sink = lake.project.start(stream)
      await sink.logged(/stream\.assigned/)
      await systemClock.sleep(stop * 150)
      const end = await sink.terminate()
      expect(end.code, end.stderr).toBe(0)
    }
    await lake.project.drain(stream)
    await judge(stream)
  })

  it('SIGTERM before anything is there to read exits 0', async () => {
    const stream = 'idle'
    await lake.tools.createTopic(stream, { partitions })
    await lake.project.writeStream(
      stream,
      `name: ${stream}
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [${stream}] } }
output: { iceberg: { table: web.${stream} } }
`,
    )
    const sink = lake.project.start(stream)
    await sink.logged(/stream\.assigned/)
    const end = await sink.terminate()
    expect(end.code, end.stderr).toBe(0)
  })

  it('[E8] the store dies and comes back in the middle: nothing lost, nothing doubled', async () => {
    const stream = 'store'
    await prepare(stream, 9_000)
    const sink = lake.project.start(stream)
    for (const done of [600, 3_000]) {
      await reach(stream, done, sink)
      await lake.minio.kill()
      await systemClock.sleep(downMs)
      await lake.minio.restart()
    }
    await reach(stream, 9_000, sink)
    const end = await sink.terminate()
    expect(end.code, end.stderr).toBe(0)
    await judge(stream)
  })

  it('[E8] the broker dies and comes back in the middle: nothing lost, nothing doubled', async () => {
    const stream = 'broker'
    await prepare(stream, 9_000, { sessionMs: 3_000 })
    const sink = lake.project.start(stream)
    for (const done of [600, 3_000]) {
      await reach(stream, done, sink)
      await lake.kafka.kill()
      await systemClock.sleep(downMs)
      await lake.kafka.restart()
    }
    await produce(stream, 900)
    await reach(stream, 9_900, sink)
    const end = await sink.terminate()
    expect(end.code, end.stderr).toBe(0)
    await judge(stream)
  })
})
