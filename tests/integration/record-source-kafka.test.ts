/** Both Kafka sources against a real broker: the conformance suite and what only Kafka can do. */
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AccessDeniedError, UnavailableError } from '../../common/index.ts'
import {
  createKafkaAdmin,
  createKafkaProducer,
  createKafkaSource,
  partitionKey,
  recordCodecs,
  type RecordSource,
} from '../../ingest/index.ts'
import {
  assign,
  describeRecordSource,
  freshTopic,
  readAll,
  readFor,
  readTo,
  records,
  type SeenRecord,
} from '../conformance/describe-record-source.ts'
import { connectKafkaTools, type KafkaTools } from '../support/kafka-tools.ts'
import { patience } from '../support/eventually.ts'
import { createKafkajsSource } from '../support/kafkajs-source/kafkajs-source.ts'
import {
  freePort,
  installKafka,
  requirePart,
  runCommand,
  startKafka,
  type KafkaService,
} from '../support/services/index.ts'
import { freshGroup, kafkaHarness } from './kafka-harness.ts'

const present = requirePart('kafka')
const metadataMs = 300

interface Kind {
  readonly name: string
  readonly grouped: boolean
  make(bootstrap: string, topics: readonly string[], group?: string): RecordSource
}

const kinds: readonly Kind[] = [
  {
    name: 'kafka, all partitions',
    grouped: false,
    make: (bootstrap, topics) =>
      createKafkaSource({ connection: { seedBrokers: [bootstrap] }, topics, metadataMs }),
  },
  {
    name: 'kafka, in a group',
    grouped: true,
    make: (bootstrap, topics, consumerGroup = freshGroup()) =>
      createKafkaSource({
        connection: { seedBrokers: [bootstrap] },
        topics,
        consumerGroup,
        metadataMs,
      }),
  },
  {
    name: 'kafkajs',
    grouped: true,
    make: (bootstrap, topics, consumerGroup = freshGroup()) =>
      createKafkajsSource({
        connection: { seedBrokers: [bootstrap] },
        topics,
        consumerGroup,
        metadataMs,
      }),
  },
]

describe.skipIf(!present)('record sources on a real Kafka', () => {
  let kafka: KafkaService
  let tools: KafkaTools

  beforeAll(async () => {
    const config = { 'log.cleaner.backoff.ms': 100, 'log.cleaner.min.compaction.lag.ms': 0 }
    kafka = await startKafka({ config })
    tools = await connectKafkaTools(kafka.bootstrap)
  })
  afterAll(async () => {
    await tools?.close()
    await kafka?.stop()
  })

  const topicWith = async (partitions: number, config = {}): Promise<string> => {
    const topic = freshTopic('kafka')
    await tools.createTopic(topic, { partitions, config })
    return topic
  }
  /** One topic for all kinds of source, because Java takes seconds to start. */
  let everyCodec: Promise<{ topic: string; expected: readonly string[] }> | undefined
  const produceEveryCodec = async (): Promise<{ topic: string; expected: readonly string[] }> => {
    const topic = await topicWith(1)
    const lines = Array.from({ length: 50 }, (_, index) => `{"n":${index},"text":"grün"}`)
    const expected: string[] = []
    const utf8 = lines.map((line) => Buffer.from(line).toString('latin1'))
    for (const codec of recordCodecs) {
      await produceByJava(kafka.bootstrap, topic, codec, lines)
      const connection = { seedBrokers: [kafka.bootstrap] }
      const producer = await createKafkaProducer({ connection, codec, idempotent: true })
      await producer.produce(
        topic,
        lines.map((value) => ({ value })),
      )
      await producer.close()
      expected.push(...utf8, ...utf8)
    }
    return { topic, expected }
  }
  const values = (seen: readonly SeenRecord[]): (string | null)[] => seen.map(({ value }) => value)

  it.each(['none', 'lz4'] as const)(
    '[R11] leaves a poll as it is while more is fetched into memory used again: %s',
    async (codec) => {
      const topic = await topicWith(2)
      const count = 12_000
      const value = (partition: number, offset: number): string =>
        `${partition}/${offset};`.repeat(200).slice(0, 1_000)
      const connection = { seedBrokers: [kafka.bootstrap] }
      const producer = await createKafkaProducer({ connection, codec, idempotent: true })
      for (const partition of [0, 1]) {
        const produced = Array.from({ length: count }, (_, offset) => ({
          value: value(partition, offset),
          partition,
        }))
        await producer.produce(topic, produced)
      }
      await producer.close()
      // Answers just large enough for their memory to be used again, so that there are many of them.
      const fetch = { partitionBytesMax: 800_000, bytesMax: 1_600_000 }
      const source = createKafkaSource({ connection, topics: [topic], fetch })
      await source.start()
      try {
        await assign(source, 0n)
        // Three rounds: memory that a seek gave up in mid-flight is used again too.
        for (const untilOffset of [5_000n, 8_000n, BigInt(count)]) {
          for (const partition of [0, 1]) source.seek({ topic, partition }, 1_000n)
          const positions = [1_000n, 1_000n]
          while (positions.some((position) => position < untilOffset)) {
            const result = await source.poll(4 << 20, 250)
            if (result.kind === 'assigned') throw new Error('assigned anew while reading')
            // Time in which answers arrive.
            await wait(20)
            for (const batch of result.batches) {
              for (const { offset, value: seen } of records(batch)) {
                expect(offset).toBe(positions[batch.partition])
                if (seen !== value(batch.partition, Number(offset))) {
                  const place = `${batch.partition}/${offset}`
                  throw new Error(`overwritten: ${place}: ${String(seen).slice(0, 20)}`)
                }
                positions[batch.partition] = offset + 1n
              }
            }
          }
        }
      } finally {
        await source.stop()
      }
    },
  )

  for (const kind of kinds) {
    describeRecordSource(
      kind.name,
      () =>
        kafkaHarness(kafka.bootstrap, (topics, group) => kind.make(kafka.bootstrap, topics, group)),
      { noticesPartitionsWithinMs: patience.timeout },
    )

    describe(kind.name, () => {
      const withSource = async <T>(
        topic: string,
        work: (source: RecordSource) => Promise<T>,
      ): Promise<T> => {
        const source = kind.make(kafka.bootstrap, [topic])
        try {
          await source.start()
          return await work(source)
        } finally {
          await source.stop()
        }
      }

      it('[R3, R4] gives committed transactions only, and reaches the end over their markers', async () => {
        const topic = await topicWith(1)
        const one = (value: string): { value: string; partition: number } => ({
          value,
          partition: 0,
        })
        await tools.produce(topic, [one('plain 1')])
        await tools.produceTransaction(topic, [one('committed 1'), one('committed 2')], 'commit')
        await tools.produceTransaction(topic, [one('aborted 1'), one('aborted 2')], 'abort')
        const first = await tools.openTransaction(freshTopic('tx'))
        const second = await tools.openTransaction(freshTopic('tx'))
        await first.send(topic, [one('first 1')])
        await second.send(topic, [one('second 1')])
        await tools.produce(topic, [one('plain 2')])
        await first.send(topic, [one('first 2')])
        await first.abort()
        await second.commit()
        await tools.produceTransaction(topic, [one('aborted 3')], 'abort')
        await withSource(topic, async (source) => {
          // Ends only if the position reaches the last stable offset, which lies behind a marker.
          expect(values(await readAll(source, 0n))).toEqual([
            'plain 1',
            'committed 1',
            'committed 2',
            'second 1',
            'plain 2',
          ])
        })
      })

      it('[R3] stops at an open transaction, and reads on when it commits', async () => {
        const topic = await topicWith(1)
        await tools.produce(topic, [{ value: 'before', partition: 0 }])
        const open = await tools.openTransaction(freshTopic('tx'))
        await open.send(topic, [{ value: 'inside', partition: 0 }])
        await tools.produce(topic, [{ value: 'after', partition: 0 }])
        await withSource(topic, async (source) => {
          const partition = { topic, partition: 0 }
          const bounds = await source.offsetBounds([partition])
          expect(bounds.get(partitionKey(partition))).toEqual({ earliest: 0n, latest: 1n })
          await assign(source, 0n)
          expect(values(await readTo(source, { 0: 1n }))).toEqual(['before'])
          expect(await readFor(source, 700)).toEqual([])
          await open.commit()
          expect(values(await readTo(source, { 0: 4n }))).toEqual(['inside', 'after'])
        })
      })

      it('reads what Java and we wrote with each codec', async () => {
        everyCodec ??= produceEveryCodec()
        const { topic, expected } = await everyCodec
        await withSource(topic, async (source) => {
          expect(values(await readAll(source, 0n))).toEqual(expected)
        })
      })

      it('[R3] reads across the holes of a compacted topic', async () => {
        const topic = await topicWith(1, {
          'cleanup.policy': 'compact',
          'min.cleanable.dirty.ratio': '0.01',
          'segment.ms': '100',
          'segment.bytes': '16384',
        })
        const send = (key: string, value: string): Promise<void> =>
          tools.produce(topic, [{ key, value, partition: 0 }])
        for (let round = 0; round < 20; round++) await send('same', `round ${round}`)
        await send('kept', 'kept')
        await wait(150)
        await send('same', 'last')
        await wait(150)
        await send('tail', 'tail')
        await withSource(topic, async (source) => {
          const until = performance.now() + patience.timeout
          for (let tries = 0; ; tries++) {
            const seen = tries === 0 ? await readAll(source, 0n) : await rereadFrom(source, topic)
            const compacted = seen.filter(({ key }) => key === 'same').length < 5
            const offsets = seen.map(({ offset }) => offset)
            expect(offsets).toEqual([...new Set(offsets)].sort(byOffset))
            expect(seen.slice(-3).map(({ value }) => value)).toEqual(['kept', 'last', 'tail'])
            if (compacted) break
            expect(performance.now(), 'the broker compacts nothing').toBeLessThan(until)
            await wait(200)
          }
        })
      })

      it('loses and doubles nothing over a restart of the broker', async () => {
        const topic = await topicWith(2)
        const batch = (from: number): { value: string; partition: number }[] =>
          Array.from({ length: 200 }, (_, index) => ({
            value: `v${from + index}`,
            partition: index % 2,
          }))
        await tools.produce(topic, batch(0))
        await withSource(topic, async (source) => {
          const seen = await readAll(source, 0n)
          await kafka.kill()
          seen.push(...(await readFor(source, 1_500)))
          await kafka.restart()
          await tools.produce(topic, batch(200))
          const positions = new Map([0, 1].map((partition) => [partition, 100n]))
          const deadline = performance.now() + patience.timeout
          while (positions.get(0) !== 200n || positions.get(1) !== 200n) {
            expect(performance.now()).toBeLessThan(deadline)
            const result = await source.poll(1 << 20, 250)
            if (result.kind === 'assigned') {
              // A group may have lost us meanwhile: then we go on where we were.
              for (const partition of result.partitions) {
                source.seek(partition, positions.get(partition.partition) ?? 0n)
              }
              continue
            }
            for (const read of result.batches) {
              seen.push(...records(read))
              positions.set(read.partition, read.nextOffset)
            }
          }
          expect(values(seen).sort()).toEqual(
            [...batch(0), ...batch(200)].map((r) => r.value).sort(),
          )
        })
      })

      it('says which brokers do not answer', async () => {
        const address = `127.0.0.1:${await freePort()}`
        const source = kind.make(address, ['t'])
        const error: unknown = await source.start().catch((failure: unknown) => failure)
        await source.stop()
        expect(error).toBeInstanceOf(UnavailableError)
        expect((error as Error).message).toContain(address)
      })
    })
  }

  for (const kind of kinds.filter(({ grouped }) => grouped)) {
    describe(`${kind.name}: two members`, () => {
      it('[R6] share the partitions, and one takes over what the other leaves', async () => {
        const topic = await topicWith(4)
        const group = freshGroup()
        const first = kind.make(kafka.bootstrap, [topic], group)
        const second = kind.make(kafka.bootstrap, [topic], group)
        const members = [new Member(first), new Member(second)]
        try {
          await first.start()
          await untilAssigned(members.slice(0, 1), 4)
          await second.start()
          await untilAssigned(members, 2)
          const both = members.flatMap(({ partitions }) => partitions)
          expect([...both].sort()).toEqual([0, 1, 2, 3])
          const sent = Array.from({ length: 400 }, (_, index) => ({
            value: `v${index}`,
            partition: index % 4,
          }))
          await tools.produce(topic, sent)
          const until = performance.now() + patience.timeout
          while (members.reduce((total, { seen }) => total + seen.size, 0) < 400) {
            expect(performance.now()).toBeLessThan(until)
            for (const member of members) await member.poll()
          }
          // The member that has a partition is the only one to see its records.
          for (const { seen, partitions } of members) {
            const of = new Set([...seen].map((key) => Number(key.split('@')[0])))
            expect([...of].sort()).toEqual([...partitions].sort())
          }
          await first.reportCommitted(
            new Map([
              [`${topic}:0`, 100n],
              [`${topic}:1`, 100n],
            ]),
          )
          await second.reportCommitted(
            new Map([
              [`${topic}:0`, 100n],
              [`${topic}:1`, 100n],
            ]),
          )
          const committed = await tools.groupOffsets(group, topic)
          expect([committed.get(0), committed.get(1), committed.get(2)]).toEqual([100n, 100n, -1n])
          await second.stop()
          await untilAssigned(members.slice(0, 1), 4)
        } finally {
          await first.stop()
          await second.stop()
        }
      })
    })
  }

  it('lists, describes and creates topics', async () => {
    const connection = { seedBrokers: [kafka.bootstrap] }
    const admin = await createKafkaAdmin(connection)
    const producer = await createKafkaProducer({ connection })
    try {
      const topic = freshTopic('admin')
      await admin.createTopic(topic, 2)
      await expect(admin.createTopic(topic, 2)).rejects.toThrow(/exists already.*topic=/)
      expect(await admin.listTopics()).toContain(topic)
      await producer.produce(topic, [
        { value: 'a', partition: 1 },
        { value: 'b', partition: 1 },
      ])
      const details = await admin.describeTopic(topic)
      expect(details.bounds).toEqual([
        { earliest: 0n, latest: 0n },
        { earliest: 0n, latest: 2n },
      ])
      await expect(admin.describeTopic('not-there')).rejects.toThrow(/no such topic.*not-there/)
      await expect(producer.produce('not-there', [{ value: 'x' }])).rejects.toThrow(/not-there/)
    } finally {
      await producer.close()
      await admin.close()
    }
  })
})

describe.skipIf(!present)('record sources on a Kafka that wants a password', () => {
  let kafka: KafkaService
  let saslAddress: string

  beforeAll(async () => {
    const [port, controller, sasl] = [await freePort(), await freePort(), await freePort()]
    saslAddress = `127.0.0.1:${sasl}`
    const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
    kafka = await startKafka({
      port,
      config: {
        'controller.quorum.voters': `1@127.0.0.1:${controller}`,
        listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller},SASL_PLAINTEXT://${saslAddress}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SASL_PLAINTEXT://${saslAddress}`,
        'inter.broker.listener.name': 'PLAINTEXT',
        'listener.security.protocol.map':
          'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${login} user_reader="secret" user_stranger="secret";`,
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:reader',
      },
    })
    const tools = await connectKafkaTools(kafka.bootstrap)
    await tools.createTopic('guarded', { partitions: 1 })
    await tools.produce('guarded', [{ value: 'seen', partition: 0 }])
    await tools.close()
  })
  afterAll(async () => {
    await kafka?.stop()
  })

  const makers = {
    kafka: (username: string, password: string) =>
      createKafkaSource({
        connection: {
          seedBrokers: [saslAddress],
          sasl: { mechanism: 'plain', username, password },
        },
        topics: ['guarded'],
      }),
    'kafka, in a group': (username: string, password: string) =>
      createKafkaSource({
        connection: {
          seedBrokers: [saslAddress],
          sasl: { mechanism: 'plain', username, password },
        },
        topics: ['guarded'],
        consumerGroup: freshGroup(),
      }),
    kafkajs: (username: string, password: string) =>
      createKafkajsSource({
        connection: {
          seedBrokers: [saslAddress],
          sasl: { mechanism: 'plain', username, password },
        },
        topics: ['guarded'],
        consumerGroup: freshGroup(),
      }),
  }
  for (const [name, make] of Object.entries(makers)) {
    it(`${name}: lets the right user in and tells the others that they were refused`, async () => {
      const source = make('reader', 'secret')
      await source.start()
      expect((await readAll(source, 0n)).map(({ value }) => value)).toEqual(['seen'])
      await source.stop()
      for (const [username, password] of [
        ['reader', 'wrong'],
        ['stranger', 'secret'],
      ] as const) {
        const refused = make(username, password)
        const error: unknown = await refused.start().catch((failure: unknown) => failure)
        await refused.stop()
        expect(error).toBeInstanceOf(AccessDeniedError)
        expect((error as Error).message).not.toContain('secret')
      }
    })
  }
})

/** One source of a group, driven by hand. */
class Member {
  readonly seen = new Set<string>()
  partitions: number[] = []
  readonly #source: RecordSource

  constructor(source: RecordSource) {
    this.#source = source
  }

  async poll(): Promise<void> {
    const result = await this.#source.poll(1 << 20, 50)
    if (result.kind === 'assigned') {
      this.partitions = result.partitions.map(({ partition }) => partition)
      for (const partition of result.partitions) this.#source.seek(partition, 0n)
      return
    }
    for (const record of result.batches.flatMap(records)) {
      this.seen.add(`${record.partition}@${record.offset}`)
    }
  }
}

async function untilAssigned(members: readonly Member[], count: number): Promise<void> {
  const until = performance.now() + patience.timeout
  while (members.some(({ partitions }) => partitions.length !== count)) {
    if (performance.now() > until) throw new Error('the partitions were not shared in time')
    for (const member of members) await member.poll()
  }
}

async function rereadFrom(source: RecordSource, topic: string): Promise<SeenRecord[]> {
  const partition = { topic, partition: 0 }
  const bounds = (await source.offsetBounds([partition])).get(partitionKey(partition))
  source.seek(partition, bounds?.earliest ?? 0n)
  return readTo(source, { 0: bounds?.latest ?? 0n })
}

async function produceByJava(
  bootstrap: string,
  topic: string,
  codec: string,
  lines: readonly string[],
): Promise<void> {
  const classPath = await installKafka()
  const producer = [
    '-cp',
    classPath,
    'kafka.tools.ConsoleProducer',
    '--bootstrap-server',
    bootstrap,
  ]
  const options = ['--topic', topic, '--compression-codec', codec]
  await runCommand('java', [...producer, ...options], { input: `${lines.join('\n')}\n` })
}

function byOffset(left: bigint, right: bigint): number {
  return left < right ? -1 : left > right ? 1 : 0
}
