import { describe, expect, it } from 'vitest'
import { CorruptDataError, silentLogger, systemClock } from '../../../common/index.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { Wakeup } from '../wakeup.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import type { FetchResponse } from './kafka-requests.ts'
import { RecordBatchEncoder } from '../../record-batch/record-batch-encoder.ts'
import { loadRecordCompression } from '../../record-batch/record-compression.ts'

const compression = await loadRecordCompression()
const topic = 't'
const partitions = [0, 1].map((partition) => ({ topic, partition }))

interface Fake {
  readonly fetcher: KafkaFetcher
  readonly recycled: ArrayBuffer[]
  /** Answers the Fetch in flight. */
  deliver(response: FetchResponse): Promise<void>
}

function fakeFetcher(unavailableMs = 1_000): Fake {
  const recycled: ArrayBuffer[] = []
  let resolveInFlight: ((response: FetchResponse) => void) | undefined
  const node = {
    address: 'fake:1',
    send: () => new Promise<FetchResponse>((resolve) => (resolveInFlight = resolve)),
    recycle: (memory: ArrayBuffer) => recycled.push(memory),
  }
  const deliver = async (response: FetchResponse): Promise<void> => {
    resolveInFlight?.(response)
    await systemClock.sleep(1)
  }
  // What a fetcher asks of a cluster, and no network behind it.
  const cluster = {
    lastMetadata: {},
    topics: [topic],
    leaderOf: () => node,
  } as unknown as KafkaCluster
  const fetcher = new KafkaFetcher({
    cluster,
    clock: systemClock,
    logger: silentLogger,
    compression,
    wakeup: new Wakeup(systemClock),
    limits: { waitMsMax: 1, bytesMin: 1, bytesMax: 1 << 20, partitionBytesMax: 1 << 20 },
    prefetchBytesMax: 1 << 20,
    verifyChecksums: true,
    unavailableMs,
  })
  return { fetcher, recycled, deliver }
}

/** One answer with a record set for each partition, all in one memory. */
function answer(sets: readonly (Uint8Array | undefined)[], stableEnd = 0n): FetchResponse {
  const memory = Buffer.from(Uint8Array.from(sets.flatMap((set) => [...(set ?? [])])).buffer)
  let at = 0
  return {
    errorCode: 0,
    partitions: sets.map((set, partition) => {
      const start = at
      at += set?.length ?? 0
      const recordSet = memory.subarray(start, at)
      return { topic, partition, errorCode: 0, stableEnd, abortedTransactions: [], recordSet }
    }),
  }
}

function recordSet(baseOffset: bigint, values: readonly string[]): Uint8Array {
  const encoder = new RecordBatchEncoder(compression)
  for (const value of values) encoder.append({ key: null, value, timestampMs: 1 })
  return encoder.finish({ baseOffset })
}

function damaged(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}

function texts(batches: readonly RecordBatch[]): string[] {
  return batches.flatMap(({ data, valueStarts, valueEnds, count }) =>
    Array.from({ length: count }, (_, row) =>
      Buffer.from(data.subarray(valueStarts[row], valueEnds[row])).toString(),
    ),
  )
}

async function begin({ fetcher, deliver }: Fake, first: FetchResponse): Promise<void> {
  fetcher.assign(partitions)
  for (const partition of partitions) fetcher.seek(partition, 0n)
  // The first seek sent a Fetch of that partition alone.
  await deliver(answer([undefined, undefined]))
  await deliver(first)
}

describe('KafkaFetcher', () => {
  it('[R5, R8] gives what it took before the error of another partition, and reads that one again', async () => {
    const fake = fakeFetcher()
    const { fetcher, deliver } = fake
    const second = recordSet(0n, ['x', 'y'])
    await begin(fake, answer([recordSet(0n, ['a', 'b']), damaged(second)]))
    expect(texts(fetcher.take(1 << 20))).toEqual(['a', 'b'])
    expect(() => fetcher.take(1 << 20)).toThrow(CorruptDataError)
    // The Fetch that was under way asked for what follows the damaged set: nobody wants that now.
    await deliver(answer([recordSet(2n, ['c']), recordSet(2n, ['z'])]))
    expect(texts(fetcher.take(1 << 20))).toEqual(['c'])
    await deliver(answer([undefined, second]))
    expect(texts(fetcher.take(1 << 20))).toEqual(['x', 'y'])
    fetcher.close()
  })

  it('K8 [R12] gives what precedes a damaged batch of the same answer, then the error', async () => {
    const fake = fakeFetcher()
    const [a, b, c] = [recordSet(0n, ['a']), recordSet(1n, ['b']), recordSet(2n, ['c'])]
    const badHead = Uint8Array.from(b)
    badHead[16] = 9
    for (const bad of [damaged(b), badHead]) {
      await begin(fake, answer([Buffer.concat([a, bad, c]), undefined]))
      expect(texts(fake.fetcher.take(1 << 20))).toEqual(['a'])
      // Where the head is damaged what follows is fetched again, and begins with it.
      await fake.deliver(answer([Buffer.concat([bad, c]), undefined]))
      expect(() => fake.fetcher.take(1 << 20)).toThrow(
        /what precedes it was read; .* tide stream offsets NAME set t:0=2: .*offset=1 soundFrom=2/,
      )
    }
    fake.fetcher.close()
  })

  it('K8 [R12] does not wait for ever where the broker has more and sends nothing', async () => {
    const fake = fakeFetcher(20)
    await begin(fake, answer([recordSet(0n, ['a']), undefined], 9n))
    expect(texts(fake.fetcher.take(1 << 20))).toEqual(['a'])
    const reading = async (): Promise<void> => {
      for (;;) {
        await fake.deliver(answer([undefined, undefined], 9n))
        fake.fetcher.take(1 << 20)
      }
    }
    await expect(reading()).rejects.toThrow(
      /the broker has records from here on, but sends none.*latest=9/,
    )
    fake.fetcher.close()
  })

  it('[R11] gives memory back when all of an answer is used up and the next poll has come', async () => {
    const fake = fakeFetcher()
    const { fetcher, recycled } = fake
    await begin(fake, answer([recordSet(0n, ['a']), recordSet(0n, ['x'])]))
    fetcher.pause({ topic, partition: 1 })
    expect(texts(fetcher.take(1 << 20))).toEqual(['a'])
    fetcher.take(1 << 20)
    // One record set of the answer waits with its paused partition.
    expect(recycled).toEqual([])
    fetcher.resume({ topic, partition: 1 })
    const last = fetcher.take(1 << 20)
    expect(texts(last)).toContain('x')
    expect(recycled).toEqual([])
    fetcher.take(1 << 20)
    expect(recycled[0]).toBe(last.find(({ partition }) => partition === 1)?.data.buffer)
    fetcher.close()
  })
})
