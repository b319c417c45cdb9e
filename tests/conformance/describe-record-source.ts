/**
 * What every `RecordSource` must do, whatever log is behind it. Ids are those of
 * docs/spec/record-source.md.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NotFoundError } from '../../common/index.ts'
import { TopicChangedError } from '../../ingest/source/source-support.ts'
import {
  OffsetOutOfRangeError,
  decodeRecordHeaders,
  partitionKey,
  type RecordBatch,
  type RecordSource,
  type TopicPartition,
} from '../../ingest/index.ts'
import { patience } from '../support/eventually.ts'

export interface ProducedRecord {
  readonly key?: string | null
  readonly value: string | Uint8Array | null
  readonly headers?: readonly { readonly name: string; readonly value: Uint8Array }[]
  readonly timestampMs?: number
}

/** A log to test a source against; topics are made fresh for each test. */
export interface RecordSourceHarness {
  createTopic(topic: string, partitionCount: number): Promise<void>
  deleteTopic(topic: string): Promise<void>
  addPartitions(topic: string, partitionCount: number): Promise<void>
  produce(partition: TopicPartition, records: readonly ProducedRecord[]): Promise<void>
  deleteRecords(partition: TopicPartition, beforeOffset: bigint): Promise<void>
  /** A source that has not been started; `group` where the kind of source has groups. */
  source(topics: readonly string[], group?: string): RecordSource
  close(): Promise<void>
}

export interface RecordSourceTraits {
  /** How soon an added partition must be noticed, or undefined when it need not be. */
  readonly noticesPartitionsWithinMs: number | undefined
}

export interface SeenRecord {
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: bigint
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly string[]
}

let topicNumber = 0

/** A topic name that no earlier run on the same broker can have used. */
export function freshTopic(prefix: string): string {
  topicNumber++
  return `${prefix}-${process.pid.toString(36)}-${Date.now().toString(36)}-${topicNumber}`
}

export function describeRecordSource(
  name: string,
  make: () => Promise<RecordSourceHarness>,
  traits: RecordSourceTraits,
): void {
  describe(`${name} as a RecordSource`, () => {
    let log: RecordSourceHarness
    beforeAll(async () => {
      log = await make()
    })
    afterAll(async () => {
      await log.close()
    })

    async function topicWith(partitionCount: number): Promise<string> {
      const topic = freshTopic('conformance')
      await log.createTopic(topic, partitionCount)
      return topic
    }

    async function withSource<T>(
      topic: string,
      work: (source: RecordSource) => Promise<T>,
    ): Promise<T> {
      const source = log.source([topic])
      try {
        await source.start()
        return await work(source)
      } finally {
        await source.stop()
      }
    }

    const numbered = (from: number, to: number): ProducedRecord[] =>
      Array.from({ length: to - from }, (_, index) => ({ value: `v${from + index}` }))

    it('[R1] gives every record of every partition once, in offset order', async () => {
      const topic = await topicWith(3)
      for (const partition of [0, 1, 2]) {
        await log.produce({ topic, partition }, numbered(0, 500))
        await log.produce({ topic, partition }, numbered(500, 1000))
      }
      await withSource(topic, async (source) => {
        const seen = await readAll(source, 0n)
        for (const partition of [0, 1, 2]) {
          const mine = seen.filter((record) => record.partition === partition)
          expect(mine.map(({ offset }) => offset)).toEqual(
            Array.from({ length: 1000 }, (_, index) => BigInt(index)),
          )
          expect(mine.every(({ value, offset }) => value === `v${offset}`)).toBe(true)
        }
      })
    })

    it('[R6] says first which partitions are ours, and says it once', async () => {
      const topic = await topicWith(2)
      await log.produce({ topic, partition: 0 }, numbered(0, 5))
      await withSource(topic, async (source) => {
        const first = await pollUntil(source, (result) => result.kind === 'assigned')
        expect(first).toMatchObject({ kind: 'assigned' })
        const partitions = first.kind === 'assigned' ? first.partitions : []
        expect(partitions.map(({ partition }) => partition).sort()).toEqual([0, 1])
        for (const partition of partitions) source.seek(partition, 0n)
        for (let polls = 0; polls < 5; polls++) {
          expect((await source.poll(1 << 20, 50)).kind).toBe('records')
        }
      })
    })

    it('[R2] begins at the position of the last seek, forwards and backwards', async () => {
      const topic = await topicWith(1)
      const partition = { topic, partition: 0 }
      await log.produce(partition, numbered(0, 300))
      await withSource(topic, async (source) => {
        await assign(source, 297n)
        expect((await readTo(source, { 0: 300n })).map(({ value }) => value)).toEqual([
          'v297',
          'v298',
          'v299',
        ])
        source.seek(partition, 10n)
        const again = await readTo(source, { 0: 300n })
        expect(again[0]?.offset).toBe(10n)
        expect(again).toHaveLength(290)
      })
    })

    it('waits no longer than asked, and wakes when a record comes', async () => {
      const topic = await topicWith(1)
      const partition = { topic, partition: 0 }
      await log.produce(partition, numbered(0, 1))
      await withSource(topic, async (source) => {
        await assign(source, 1n)
        const began = performance.now()
        expect(await source.poll(1 << 20, 150)).toEqual({ kind: 'records', batches: [] })
        expect(performance.now() - began).toBeLessThan(60_000)
        const polled = readTo(source, { 0: 2n })
        await wait(100)
        await log.produce(partition, numbered(1, 2))
        expect((await polled).map(({ value }) => value)).toEqual(['v1'])
      })
    })

    it('ends a poll when its signal aborts', async () => {
      const topic = await topicWith(1)
      await withSource(topic, async (source) => {
        await assign(source, 0n)
        const stop = new AbortController()
        const polled = source.poll(1 << 20, 60_000, stop.signal)
        setTimeout(() => stop.abort(new Error('enough')), 100)
        await expect(polled).rejects.toThrow('enough')
      })
    })

    it('keeps null and empty keys and values apart, headers, timestamps and raw bytes', async () => {
      const topic = await topicWith(1)
      const bytes = Uint8Array.of(0, 255, 10, 13, 34, 92)
      await log.produce({ topic, partition: 0 }, [
        { key: null, value: null, timestampMs: 1_700_000_000_000 },
        { key: '', value: '', timestampMs: 1_700_000_000_001 },
        {
          key: 'k',
          value: bytes,
          timestampMs: 1_600_000_000_000,
          headers: [
            { name: 'trace', value: Buffer.from('abc') },
            { name: '', value: new Uint8Array(0) },
          ],
        },
      ])
      await withSource(topic, async (source) => {
        const [first, second, third] = await readAll(source, 0n)
        expect(first).toMatchObject({ key: null, value: null, headers: [] })
        expect(first?.timestamp).toBe(1_700_000_000_000n)
        expect(second).toMatchObject({ key: '', value: '' })
        expect(third).toMatchObject({ key: 'k', value: Buffer.from(bytes).toString('latin1') })
        expect(third?.timestamp).toBe(1_600_000_000_000n)
        expect(third?.headers).toEqual(['trace=abc', '='])
      })
    })

    it('[R7] gives nothing of a paused partition, and all of it after resuming', async () => {
      const topic = await topicWith(2)
      for (const partition of [0, 1]) await log.produce({ topic, partition }, numbered(0, 50))
      await withSource(topic, async (source) => {
        await assign(source, 0n)
        source.pause([{ topic, partition: 0 }])
        const seen = await readTo(source, { 1: 50n })
        seen.push(...(await readFor(source, 300)))
        expect(new Set(seen.map(({ partition }) => partition))).toEqual(new Set([1]))
        source.resume([{ topic, partition: 0 }])
        const rest = await readTo(source, { 0: 50n })
        expect(rest.map(({ offset }) => offset)).toEqual(
          Array.from({ length: 50 }, (_, index) => BigInt(index)),
        )
      })
    })

    it('bounds what one poll gives by the bytes asked for', async () => {
      const topic = await topicWith(1)
      const value = 'x'.repeat(10_000)
      for (let index = 0; index < 20; index++) {
        await log.produce({ topic, partition: 0 }, [{ value }])
      }
      await withSource(topic, async (source) => {
        await assign(source, 0n)
        let count = 0
        while (count < 20) {
          const result = await source.poll(25_000, 5000)
          const batches = result.kind === 'records' ? result.batches : []
          const got = batches.reduce((total, batch) => total + batch.count, 0)
          // Whole record batches are given, so the bound may be passed by one of them.
          expect(got).toBeLessThanOrEqual(4)
          count += got
        }
      })
    })

    it('carries a message of 10 MB', async () => {
      const topic = await topicWith(1)
      const value = Buffer.alloc(10 << 20, 'abcdefgh')
      await log.produce({ topic, partition: 0 }, [{ value: 'small' }])
      await log.produce({ topic, partition: 0 }, [{ value }])
      await log.produce({ topic, partition: 0 }, [{ value: 'after' }])
      await withSource(topic, async (source) => {
        const seen = await readAll(source, 0n)
        expect(seen.map((record) => record.value?.length)).toEqual([5, 10 << 20, 5])
      })
    })

    it('says where partitions begin and end, and which offset a time has', async () => {
      const topic = await topicWith(2)
      const partition = { topic, partition: 0 }
      const empty = { topic, partition: 1 }
      const base = Date.now() - 3_600_000
      for (let index = 0; index < 10; index++) {
        await log.produce(partition, [{ value: `v${index}`, timestampMs: base + index * 1000 }])
      }
      await withSource(topic, async (source) => {
        const bounds = await source.offsetBounds([partition, empty])
        expect(bounds.get(partitionKey(partition))).toEqual({ earliest: 0n, latest: 10n })
        expect(bounds.get(partitionKey(empty))).toEqual({ earliest: 0n, latest: 0n })
        const at = async (time: number): Promise<bigint | undefined> =>
          (await source.offsetsForTime([partition, empty], time)).get(partitionKey(partition))
        expect(await at(0)).toBe(0n)
        expect(await at(base + 4000)).toBe(4n)
        expect(await at(base + 4001)).toBe(5n)
        expect(await at(base + 9001)).toBeUndefined()
        const none = await source.offsetsForTime([empty], 0)
        expect(none.get(partitionKey(empty))).toBeUndefined()
      })
    })

    it('[R8] never jumps: an offset that the log lost or never had is an error', async () => {
      const topic = await topicWith(1)
      const partition = { topic, partition: 0 }
      await log.produce(partition, numbered(0, 10))
      await log.deleteRecords(partition, 6n)
      for (const lost of [2n, 11n]) {
        await withSource(topic, async (source) => {
          await assign(source, lost)
          const error = await failure(source)
          expect(error).toBeInstanceOf(OffsetOutOfRangeError)
          expect(error.message).toContain(
            `topic=${topic} partition=0 nextOffset=${lost} earliest=6 latest=10`,
          )
        })
      }
      await withSource(topic, async (source) => {
        expect((await readAll(source, 6n)).map(({ value }) => value)).toEqual([
          'v6',
          'v7',
          'v8',
          'v9',
        ])
      })
    })

    it('[R9] describes its topics; one made again under the same name has another id', async () => {
      const topic = await topicWith(2)
      const before = await withSource(topic, (source) => source.describeTopics())
      expect(before).toMatchObject([{ topic, partitionCount: 2 }])
      await log.deleteTopic(topic)
      await log.createTopic(topic, 2)
      const after = await withSource(topic, (source) => source.describeTopics())
      expect(after[0]?.topicId).toMatch(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/)
      expect(after[0]?.topicId).not.toBe(before[0]?.topicId)
    })

    it('[R9] fails when its topic is made again while it reads', async () => {
      const topic = await topicWith(1)
      await log.produce({ topic, partition: 0 }, numbered(0, 10))
      await withSource(topic, async (source) => {
        expect(await readAll(source, 0n)).toHaveLength(10)
        await log.deleteTopic(topic)
        await log.createTopic(topic, 1)
        await log.produce({ topic, partition: 0 }, numbered(0, 20))
        const error = await failure(source, 0n)
        // Which of the two depends on when it looks; another offset range shows it too.
        const kinds = [TopicChangedError, NotFoundError, OffsetOutOfRangeError]
        expect(
          kinds.some((kind) => error instanceof kind),
          String(error),
        ).toBe(true)
        expect(error.message).toContain(`topic=${topic}`)
      })
    })

    it('names the same cluster each time', async () => {
      const topic = await topicWith(1)
      const first = await withSource(topic, (source) => source.clusterId())
      expect(first).not.toBe('')
      expect(await withSource(topic, (source) => source.clusterId())).toBe(first)
    })

    it('refuses a topic that is not there, by name', async () => {
      const topic = freshTopic('missing')
      const source = log.source([topic])
      const started = source.start().catch((error: unknown) => error)
      const error = await started
      await source.stop()
      expect(error).toBeInstanceOf(NotFoundError)
      expect((error as Error).message).toContain(topic)
    })

    it('stops twice, and before it was started', async () => {
      const topic = await topicWith(1)
      const source = log.source([topic])
      await source.stop()
      const other = log.source([topic])
      await other.start()
      await other.stop()
      await other.stop()
    })

    const { noticesPartitionsWithinMs } = traits
    // What a source does not promise is not a test left out.
    if (noticesPartitionsWithinMs !== undefined) {
      it('[R6] notices added partitions and assigns anew', async () => {
        const topic = await topicWith(1)
        await withSource(topic, async (source) => {
          await assign(source, 0n)
          await log.addPartitions(topic, 3)
          await log.produce({ topic, partition: 2 }, numbered(0, 1))
          const deadline = performance.now() + noticesPartitionsWithinMs
          const next = await pollUntil(
            source,
            (result) => result.kind === 'assigned' && result.partitions.length === 3,
            deadline,
          )
          for (const partition of next.kind === 'assigned' ? next.partitions : []) {
            source.seek(partition, 0n)
          }
          expect(await readTo(source, { 2: 1n })).toMatchObject([{ partition: 2, value: 'v0' }])
        })
      })
    }
  })
}

/** Takes the assignment and seeks every partition to `nextOffset`. */
export async function assign(
  source: RecordSource,
  nextOffset: bigint,
): Promise<readonly TopicPartition[]> {
  const result = await pollUntil(
    source,
    (polled) => polled.kind === 'assigned' && polled.partitions.length > 0,
  )
  const partitions = result.kind === 'assigned' ? result.partitions : []
  for (const partition of partitions) source.seek(partition, nextOffset)
  return partitions
}

/** Everything from `nextOffset` to where the log ends now. */
export async function readAll(source: RecordSource, nextOffset: bigint): Promise<SeenRecord[]> {
  const partitions = await assign(source, nextOffset)
  const bounds = await source.offsetBounds(partitions)
  const targets: Record<number, bigint> = {}
  for (const partition of partitions) {
    const latest = bounds.get(partitionKey(partition))?.latest ?? 0n
    if (latest > nextOffset) targets[partition.partition] = latest
  }
  return readTo(source, targets)
}

/** Polls until each named partition's position has reached its target. */
export async function readTo(
  source: RecordSource,
  targets: Readonly<Record<number, bigint>>,
  timeoutMs = patience.timeout,
): Promise<SeenRecord[]> {
  const left = new Map(Object.entries(targets).map(([key, value]) => [Number(key), value]))
  const seen: SeenRecord[] = []
  const deadline = performance.now() + timeoutMs
  while (left.size > 0) {
    if (performance.now() > deadline) {
      throw new Error(`positions were not reached: ${JSON.stringify([...left.keys()])}`)
    }
    const result = await source.poll(4 << 20, 250)
    if (result.kind === 'assigned') throw new Error('assigned anew while reading')
    for (const batch of result.batches) {
      seen.push(...records(batch))
      const target = left.get(batch.partition)
      if (target !== undefined && batch.nextOffset >= target) left.delete(batch.partition)
    }
  }
  return seen
}

/** Whatever comes in the next while. */
export async function readFor(source: RecordSource, durationMs: number): Promise<SeenRecord[]> {
  const deadline = performance.now() + durationMs
  const seen: SeenRecord[] = []
  while (performance.now() < deadline) {
    const result = await source.poll(4 << 20, 50)
    if (result.kind === 'records') seen.push(...result.batches.flatMap(records))
  }
  return seen
}

export function records(batch: RecordBatch): SeenRecord[] {
  const text = (starts: Int32Array, ends: Int32Array, row: number): string | null => {
    const start = starts[row] ?? -1
    return start < 0 ? null : Buffer.from(batch.data.subarray(start, ends[row])).toString('latin1')
  }
  return Array.from({ length: batch.count }, (_, row) => ({
    partition: batch.partition,
    offset: batch.offsets[row] as bigint,
    timestamp: batch.timestamps[row] as bigint,
    key: text(batch.keyStarts, batch.keyEnds, row),
    value: text(batch.valueStarts, batch.valueEnds, row),
    headers: decodeRecordHeaders(
      batch.data,
      batch.headerStarts[row] as number,
      batch.headerEnds[row] as number,
    ).map(({ name, value }) => `${name}=${value === null ? 'null' : Buffer.from(value)}`),
  }))
}

type Polled = Awaited<ReturnType<RecordSource['poll']>>

async function pollUntil(
  source: RecordSource,
  accept: (result: Polled) => boolean,
  deadline = performance.now() + patience.timeout,
): Promise<Polled> {
  for (;;) {
    const result = await source.poll(1 << 20, 250)
    if (accept(result)) return result
    if (result.kind === 'assigned') {
      for (const partition of result.partitions) source.seek(partition, 0n)
    }
    if (performance.now() > deadline) throw new Error('the awaited poll result did not come')
  }
}

/** What polling fails with; a group may be assigned anew before that. */
async function failure(source: RecordSource, nextOffset?: bigint): Promise<Error> {
  const until = performance.now() + patience.timeout
  while (performance.now() < until) {
    let result: Polled
    try {
      result = await source.poll(1 << 20, 100)
    } catch (error) {
      return error as Error
    }
    if (nextOffset === undefined) {
      expect(result).toEqual({ kind: 'records', batches: [] })
    } else if (result.kind === 'assigned') {
      for (const partition of result.partitions) source.seek(partition, nextOffset)
    }
  }
  throw new Error('polling did not fail')
}
