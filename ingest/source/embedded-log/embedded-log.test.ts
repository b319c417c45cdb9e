import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  AlreadyExistsError,
  CorruptDataError,
  NotFoundError,
  UnavailableError,
  ValidationError,
  type Clock,
  systemClock,
} from '../../../common/index.ts'
import { OffsetOutOfRangeError } from '../offset-out-of-range-error.ts'
import { durableFile } from './durable-end.ts'
import { EmbeddedLog, type EmbeddedLogOptions } from './embedded-log.ts'
import { partitionDirectory, segmentFile } from './log-layout.ts'

const partition = { topic: 't', partition: 0 }

describe('EmbeddedLog', () => {
  let directory: string
  let opened: EmbeddedLog[]

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tidewater-log-'))
    opened = []
  })
  afterEach(async () => {
    for (const log of opened) await log.close()
    await rm(directory, { recursive: true })
  })

  async function openLog(options: EmbeddedLogOptions = {}): Promise<EmbeddedLog> {
    const log = await EmbeddedLog.open(directory, options)
    opened.push(log)
    return log
  }
  async function logWithTopic(options: EmbeddedLogOptions = {}): Promise<EmbeddedLog> {
    const log = await openLog(options)
    await log.createTopic('t', 1)
    return log
  }
  const files = (): string => partitionDirectory(directory, 't', 0)

  it('gives concurrent appends consecutive ranges of offsets and keeps each in one piece', async () => {
    const log = await logWithTopic()
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        log.appendValues(partition, [`${index}a`, `${index}b`]),
      ),
    )
    expect(results.map(({ baseOffset }) => baseOffset)).toEqual(
      Array.from({ length: 50 }, (_, index) => BigInt(2 * index)),
    )
    const values = await readValues(log)
    expect(values).toEqual(Array.from({ length: 50 }, (_, i) => [`${i}a`, `${i}b`]).flat())
  })

  it('carries on after reopening, in the same offsets, cluster and topic ids', async () => {
    const log = await logWithTopic()
    const described = await log.describeTopic('t')
    await log.appendValues(partition, ['a', 'b'])
    await log.close()
    const again = await openLog()
    expect(again.clusterId).toBe(log.clusterId)
    expect(await again.describeTopic('t')).toEqual(described)
    expect(await again.appendValues(partition, ['c'])).toEqual({ baseOffset: 2n, nextOffset: 3n })
    expect(await readValues(again)).toEqual(['a', 'b', 'c'])
  })

  it('[R10] shows readers nothing behind the durable end', async () => {
    const log = await logWithTopic()
    await log.appendValues(partition, ['a'])
    const whole = await openLog()
    await log.appendValues(partition, ['b'])
    const segment = segmentFile(files(), 0n)
    const { size } = await stat(segment)
    // A batch that was written but not acknowledged, as between write and fsync.
    const copy = Buffer.alloc(size / 2)
    const handle = await open(segment, 'r')
    await handle.read(copy, 0, copy.length, size / 2)
    await handle.close()
    copy.writeBigInt64BE(2n)
    await appendFile(segment, copy)
    expect(await readValues(whole)).toEqual(['a', 'b'])
    expect(await whole.offsetBounds(partition)).toEqual({ earliest: 0n, latest: 2n })
  })

  it('[R10] cuts a torn tail off and keeps every acknowledged record, wherever the tear is', async () => {
    for (let cut = 1; cut < 90; cut += 11) {
      const topic = `torn-${cut}`
      const torn = { topic, partition: 0 }
      const log = await openLog()
      await log.createTopic(topic, 1)
      await log.appendValues(torn, ['acknowledged'])
      const segment = segmentFile(partitionDirectory(directory, topic, 0), 0n)
      const before = (await stat(segment)).size
      await log.close()
      await appendFile(segment, Buffer.alloc(cut, 7))
      const again = await openLog()
      const { baseOffset } = await again.appendValues(torn, ['next'])
      expect(baseOffset).toBe(1n)
      expect(await readValues(again, torn)).toEqual(['acknowledged', 'next'])
      expect((await stat(segment)).size).toBeLessThan(2 * before)
      await again.close()
    }
  })

  it('[R10] finds its end again when the end file is torn', async () => {
    const log = await logWithTopic({ segmentBytesMax: 100 })
    for (const value of ['a', 'b', 'c', 'd']) await log.appendValues(partition, [value])
    await log.close()
    await writeFile(durableFile(files()), Buffer.alloc(36, 9))
    const again = await openLog()
    expect((await again.appendValues(partition, ['e'])).baseOffset).toBe(4n)
    expect(await readValues(again)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('[R9] never reads a segment of a topic that was made again under the same name', async () => {
    const log = await logWithTopic({ segmentBytesMax: 1 })
    for (const value of ['a', 'b', 'c']) await log.appendValues(partition, [value])
    const reader = log.openReader(partition)
    expect((await reader.read(0n))?.next(1)?.count).toBe(1)
    await log.deleteTopic('t')
    await log.createTopic('t', 1)
    for (const value of ['x', 'y', 'z']) await log.appendValues(partition, [value])
    await expect(reader.read(1n)).rejects.toThrow(NotFoundError)
    await reader.close()
    expect(await readValues(log)).toEqual(['x', 'y', 'z'])
  })

  it('says so when acknowledged records are gone or damaged', async () => {
    const log = await logWithTopic()
    await log.appendValues(partition, ['some value', 'another'])
    await log.close()
    const segment = segmentFile(files(), 0n)
    const handle = await open(segment, 'r+')
    await handle.write(Buffer.of(255), 0, 1, 70)
    await handle.close()
    await expect(readValues(log)).rejects.toThrow(/checksum.*topic=t partition=0 offset=0/)
    await truncate(segment, 20)
    await expect(readValues(log)).rejects.toThrow(CorruptDataError)
    await expect((await openLog()).appendValues(partition, ['x'])).rejects.toThrow(
      /lost acknowledged records/,
    )
  })

  it('reads across many segments from any offset', async () => {
    const log = await logWithTopic({ segmentBytesMax: 400 })
    for (let index = 0; index < 100; index++) await log.appendValues(partition, [`v${index}`])
    expect((await readdir(files())).filter((name) => name.endsWith('.log')).length).toBeGreaterThan(
      10,
    )
    const all = Array.from({ length: 100 }, (_, index) => `v${index}`)
    for (const from of [0, 1, 37, 50, 99]) {
      expect(await readValues(log, partition, BigInt(from))).toEqual(all.slice(from))
    }
  })

  it('keeps to its retention by bytes and by time, and says what is gone', async () => {
    let nowMs = 1_000_000
    const clock: Clock = { ...systemClock, now: () => nowMs }
    const log = await logWithTopic({ segmentBytesMax: 200, retentionMs: 5_000, clock })
    for (let index = 0; index < 30; index++) {
      nowMs += 500
      await log.appendValues(partition, [`v${index}`])
    }
    const { earliest, latest } = await log.offsetBounds(partition)
    expect(latest).toBe(30n)
    expect(earliest).toBeGreaterThanOrEqual(15n)
    expect(earliest).toBeLessThanOrEqual(20n)
    await expect(readValues(log, partition, 0n)).rejects.toThrow(OffsetOutOfRangeError)
    expect((await readValues(log, partition, earliest))[0]).toBe(`v${earliest}`)

    await log.createTopic('small', 1)
    const small = { topic: 'small', partition: 0 }
    const bounded = await openLog({ segmentBytesMax: 200, retentionBytes: 600 })
    for (let index = 0; index < 60; index++) await bounded.appendValues(small, [`v${index}`])
    const kept = await bounded.offsetBounds(small)
    expect(kept.earliest).toBeGreaterThan(45n)
    expect(await readValues(bounded, small, kept.earliest)).toHaveLength(60 - Number(kept.earliest))
  })

  it('finds the first record at or after a time across segments', async () => {
    const log = await logWithTopic({ segmentBytesMax: 300 })
    for (let index = 0; index < 40; index++) {
      await log.appendValues(partition, [`a${index}`, `b${index}`], 1000 + index * 10)
    }
    const reader = log.openReader(partition)
    expect(await reader.offsetForTime(0n)).toBe(0n)
    expect(await reader.offsetForTime(1100n)).toBe(20n)
    expect(await reader.offsetForTime(1101n)).toBe(22n)
    expect(await reader.offsetForTime(1391n)).toBeUndefined()
    await reader.close()
  })

  it('lets one process append to a partition and takes over from one that was killed', async () => {
    const log = await logWithTopic()
    await log.appendValues(partition, ['mine'])
    const rival = startProducer(directory)
    expect(await rival.firstLine).toMatch(/^refused UnavailableError.*another process appends/)
    await log.close()
    const victim = startProducer(directory)
    expect(await victim.firstLine).toBe('appending')
    await expect((await openLog()).appendValues(partition, ['no'])).rejects.toThrow(
      UnavailableError,
    )
    await victim.waitForAcknowledged(200)
    victim.kill()
    await victim.ended
    const again = await openLog()
    await again.appendValues(partition, ['after'])
    const values = await readValues(again)
    const acknowledged = victim.acknowledged()
    expect(values[0]).toBe('mine')
    expect(values.at(-1)).toBe('after')
    // All that was acknowledged is there, in order, once; at most an unacknowledged tail follows.
    const produced = values.slice(1, -1)
    expect(produced.length).toBeGreaterThanOrEqual(acknowledged)
    expect(produced).toEqual(produced.map((_, index) => `p${index}`))
  })

  it('refuses names that would leave its directory, and counts of partitions out of range', async () => {
    const log = await openLog()
    for (const topic of ['..', '.', '', 'a/b', 'a:b', 'x'.repeat(250)]) {
      await expect(log.createTopic(topic, 1)).rejects.toThrow(ValidationError)
      await expect(log.describeTopic(topic)).rejects.toThrow(ValidationError)
    }
    for (const count of [0, -1, 1.5, 10_001]) {
      await expect(log.createTopic('t', count)).rejects.toThrow(ValidationError)
    }
    await log.createTopic('t', 2)
    await expect(log.createTopic('t', 2)).rejects.toThrow(AlreadyExistsError)
    await expect(log.addPartitions('t', 1)).rejects.toThrow(/cannot lose partitions/)
    await expect(log.append({ topic: 't', partition: 2 }, [])).rejects.toThrow(NotFoundError)
    await log.deleteTopic('t')
    await expect(log.describeTopic('t')).rejects.toThrow(NotFoundError)
    expect(await log.listTopics()).toEqual([])
  })
})

async function readValues(
  log: EmbeddedLog,
  from: { topic: string; partition: number } = partition,
  nextOffset = 0n,
): Promise<string[]> {
  const reader = log.openReader(from)
  const values: string[] = []
  try {
    let position = nextOffset
    for (;;) {
      const slicer = await reader.read(position)
      if (slicer === undefined) return values
      for (let batch = slicer.next(1000); batch; batch = slicer.next(1000)) {
        for (let row = 0; row < batch.count; row++) {
          const range = batch.data.subarray(batch.valueStarts[row], batch.valueEnds[row])
          values.push(Buffer.from(range).toString())
        }
      }
      position = slicer.position
    }
  } finally {
    await reader.close()
  }
}

/** Another process that appends p0, p1, … and prints after each acknowledgement. */
function startProducer(directory: string): {
  readonly firstLine: Promise<string>
  readonly ended: Promise<unknown>
  acknowledged(): number
  waitForAcknowledged(count: number): Promise<void>
  kill(): void
} {
  const script = fileURLToPath(new URL('fixtures/producer.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, directory])
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const lines = (): string[] => output.split('\n').slice(0, -1)
  const until = async (enough: () => boolean): Promise<void> => {
    while (!enough()) await once(child.stdout, 'data')
  }
  return {
    firstLine: until(() => lines().length > 0).then(() => lines()[0] ?? ''),
    ended: once(child, 'exit'),
    acknowledged: () => lines().length - 1,
    waitForAcknowledged: (count) => until(() => lines().length > count),
    kill: () => child.kill('SIGKILL'),
  }
}
