/**
 * Bad input over real Kafka, one record of each kind among good ones: each lands exactly as it was
 * sent, or is a dead letter with the reason and all its bytes. And bad surroundings: a clear error and
 * exit code 1, soon.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { parseStreamSettings } from '../../ingest/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import { type Database, openDatabase } from '../../sql/index.ts'
import { within } from '../support/eventually.ts'
import type { TestRecord } from '../support/kafka-tools.ts'
import { drainWithKafkajs } from '../support/kafkajs-source/drain-with-kafkajs.ts'
import { liveFiles } from '../support/lake-fixture.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { freePort, requirePart } from '../support/services/index.ts'
import { createSinkProject, type SinkEnd } from '../support/sink-process.ts'

/** Somebody waits for it at a prompt; on a busy machine it takes longer than that. */
const errorWithinMs = 120_000
const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)

interface Case {
  readonly name: string
  readonly record: TestRecord
  /** The columns that must come out, or the reason of the dead letter. */
  readonly row?: { readonly [column: string]: unknown }
  readonly letter?: RegExp
}

const big = 'x'.repeat(10_000_000)
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
const text = (json: string): TestRecord => ({ key: 'k', value: json })
const bytes = (...parts: readonly (string | number)[]): TestRecord => ({
  key: 'k',
  value: Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))),
  ),
})

const cases: readonly Case[] = [
  { name: 'a good record', record: text('{"n":1,"s":"a"}'), row: { n: '1', s: 'a' } },
  { name: 'not json', record: text('hello'), letter: /not json/ },
  { name: 'half a record', record: text('{"n":1,"s":"a"'), letter: /ends early/ },
  { name: 'two values', record: text('{"n":1}{"n":2}'), letter: /bytes after the end/ },
  { name: 'an empty value', record: text(''), letter: /ends early/ },
  { name: 'the word null', record: text('null'), letter: /expected a json object/ },
  { name: 'an array', record: text('[{"n":1}]'), letter: /expected a json object/ },
  { name: 'text for a number', record: text('{"n":"12x"}'), letter: /\bn\b/ },
  { name: 'a fraction for a long', record: text('{"n":1.5}'), letter: /\bn\b/ },
  { name: 'true for a long', record: text('{"n":true}'), letter: /\bn\b/ },
  {
    name: 'the largest long',
    record: text('{"n":9223372036854775807}'),
    row: { n: '9223372036854775807' },
  },
  {
    name: 'an odd integer beyond 2^53',
    record: text('{"n":-9007199254740993}'),
    row: { n: '-9007199254740993' },
  },
  { name: 'an integer beyond a long', record: text('{"n":9223372036854775808}'), letter: /\bn\b/ },
  {
    name: 'an integer that a double rounds',
    record: text('{"d":9007199254740993}'),
    letter: /\bd\b/,
  },
  { name: 'NaN', record: text('{"d":NaN}'), letter: /json/ },
  { name: 'Infinity', record: text('{"d":-Infinity}'), letter: /json/ },
  { name: 'a decimal with too many digits', record: text('{"c":1.239}'), letter: /\bc\b/ },
  { name: 'a decimal that fits', record: text('{"c":1.23}'), row: { c: '1.23' } },
  { name: 'a raw newline in a string', record: text('{"s":"a\nb"}'), letter: /control character/ },
  {
    name: 'raw newlines between tokens',
    record: text('{\n"n":\r\n2,\n"s":"b"}\n'),
    row: { n: '2', s: 'b' },
  },
  { name: 'an escaped newline', record: text('{"s":"a\\nb"}'), row: { s: 'a\nb' } },
  { name: 'invalid utf-8', record: bytes('{"s":"', 0xff, 0xfe, '"}'), letter: /utf-8/i },
  { name: 'a cut utf-8 sequence', record: bytes('{"s":"', 0xe2, 0x82, '"}'), letter: /utf-8/i },
  { name: 'a null value', record: { key: 'k', value: null }, letter: /null value/ },
  { name: 'a null key', record: { key: null, value: '{"n":3}' }, row: { n: '3' } },
  { name: 'a raw NUL', record: bytes('{"s":"a', 0, 'b"}'), letter: /control character/ },
  { name: 'an escaped NUL', record: text('{"s":"a\\u0000b"}'), row: { s: 'a\u0000b' } },
  { name: 'duplicate keys', record: text('{"n":1,"n":2}'), letter: /\bn\b/ },
  { name: 'a lone surrogate', record: text('{"s":"\\ud800"}'), letter: /surrogate|utf|json/i },
  { name: 'a surrogate pair', record: text('{"s":"\\ud83d\\ude00"}'), row: { s: '😀' } },
  { name: '10 MB', record: text(`{"n":4,"s":"${big}"}`), row: { n: '4', s: big } },
  { name: '64 levels in an unknown field', record: text(`{"x":${deep(64)}}`), letter: /\bx\b/ },
  { name: '10,000 levels', record: text(`{"x":${deep(10_000)}}`), letter: /./ },
  { name: 'an unknown field', record: text('{"y":1}'), letter: /\by\b/ },
  { name: 'the last good record', record: text('{"n":5,"s":"z"}'), row: { n: '5', s: 'z' } },
]

describe.skipIf(!hasParts)('a stream of bad input', () => {
  let lake: RealLake
  let database: Database
  let folder: string

  beforeAll(async () => {
    lake = await startRealLake()
    database = await openDatabase({ threads: 2 })
    folder = await mkdtemp(join(tmpdir(), 'tide-bad-input-'))
  })
  afterAll(async () => {
    database?.close()
    await rm(folder, { recursive: true, force: true })
    await lake?.stop()
  })

  /** Rows by DuckDB alone: our manifests say which files, nothing else of ours reads. */
  const rows = async (
    table: string,
    columns: string,
  ): Promise<readonly Record<string, unknown>[]> => {
    const local: string[] = []
    for (const location of await liveFiles(lake.catalog, lake.io, table)) {
      const path = join(folder, `${table}-${local.length}.parquet`)
      await lake.io.download(location, path)
      local.push(`'${path}'`)
    }
    return database.withConnection(async (connection) => {
      const query = `SELECT ${columns} FROM read_parquet([${local.join(', ')}], union_by_name = true)`
      return (await connection.runAndReadAll(query)).getRowObjectsJson() as Record<
        string,
        unknown
      >[]
    })
  }

  const drainByOracle = async (yaml: string): Promise<void> => {
    const input = {
      file: undefined,
      variables: variableSource({}),
      overrides: [],
      directory: folder,
    }
    const { settings } = parseStreamSettings({ ...input, text: yaml })
    const { catalog, io } = lake
    const tools = { clock: systemClock, random: systemRandom, logger: silentLogger }
    await drainWithKafkajs({ catalog, io, ...tools, workDirectory: folder }, settings)
  }

  it.each(['tide', 'kafkajs'])(
    '[E4] keeps every record whole, as a row or as a dead letter (read by %s)',
    async (reader) => {
      const topic = `bad_${reader}`
      const config = { 'max.message.bytes': '20000000' }
      await lake.tools.createTopic(topic, { partitions: 1, config })
      for (const { record } of cases) await lake.tools.produce(topic, [{ ...record, partition: 0 }])
      const yaml = `name: ${topic}
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [${topic}] } }
schema:
  fields:
    - { name: n, type: long }
    - { name: d, type: double }
    - { name: c, type: "decimal(9,2)" }
    - { name: s, type: string }
output: { iceberg: { table: web.${topic}, commit: { interval: 2s } } }
`
      if (reader === 'kafkajs') await drainByOracle(yaml)
      else {
        await lake.project.writeStream(topic, yaml)
        await lake.project.drain(topic)
      }
      const landed = await rows(`web.${topic}`, 'n, d, c, s, _kafka."offset" AS o')
      const letters = await rows(
        `web.${topic}__dlq`,
        '"offset" AS o, error, hex(value) AS value, hex(key) AS key, value IS NULL AS is_null',
      )
      const problems: string[] = []
      for (const [offset, { name, row, letter, record }] of cases.entries()) {
        const inTable = landed.filter((each) => String(each['o']) === String(offset))
        const inLetters = letters.filter((each) => String(each['o']) === String(offset))
        const { o: _, ...found } = inTable[0] ?? {}
        const said = `rows=${short(inTable)} letters=${short(inLetters)}`
        if (row !== undefined) {
          const wanted = { n: null, d: null, c: null, s: null, ...row }
          const isRight = inTable.length === 1 && JSON.stringify(found) === JSON.stringify(wanted)
          if (!isRight || inLetters.length > 0) problems.push(`${name}: ${said}`)
          continue
        }
        const [kept] = inLetters
        const isRight =
          inLetters.length === 1 &&
          inTable.length === 0 &&
          letter?.test(String(kept?.['error'])) === true &&
          kept?.['is_null'] === (record.value === null) &&
          (record.value === null || kept['value'] === hex(record.value)) &&
          kept['key'] === hex(record.key ?? '')
        if (!isRight) problems.push(`${name}: ${said}`)
      }
      expect(problems).toEqual([])
      expect(landed.length + letters.length).toBe(cases.length)
    },
  )

  it('[D6] keeps raw keys and values byte for byte, tombstones too', async () => {
    const topic = 'raw'
    await lake.tools.createTopic(topic, { partitions: 1 })
    const every = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte))
    const raw: readonly TestRecord[] = [
      ...cases.map(({ record }) => record).filter(({ value }) => (value?.length ?? 0) < 1_000),
      { key: '', value: every },
      { key: null, value: null },
      { key: 'k', value: null },
    ]
    for (const record of raw) await lake.tools.produce(topic, [{ ...record, partition: 0 }])
    await lake.project.writeStream(
      topic,
      `name: ${topic}
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [${topic}] } }
schema: { mode: key_value, key: string }
output: { iceberg: { table: web.${topic} } }
`,
    )
    await lake.project.drain(topic)
    const landed = await rows(
      `web.${topic}`,
      '_kafka."offset"::INTEGER AS o, "key" AS k, hex("value") AS v',
    )
    const told = raw.map(({ key, value }, o) => ({
      o,
      k: key ?? null,
      v: value === null ? null : hex(value),
    }))
    expect([...landed].sort((a, b) => Number(a['o']) - Number(b['o']))).toEqual(told)
  })

  it('[E4] infers, and adds what 64 levels deep comes later', async () => {
    const topic = 'inferred'
    await lake.tools.createTopic(topic, { partitions: 1 })
    const values = [
      '{"n":1}',
      `{"n":2,"x":${deep(64)}}`,
      `{"n":3,"y":${'{"a":'.repeat(63)}1${'}'.repeat(63)}}`,
      '{"n":4,"n2":9007199254740993}',
    ]
    for (const value of values) {
      await lake.tools.produce(topic, [{ partition: 0, value }])
      await lake.project.writeStream(
        topic,
        `name: ${topic}
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [${topic}] } }
output: { iceberg: { table: web.${topic} } }
`,
      )
      await lake.project.drain(topic)
    }
    const verdict = await lake.rowCount(`web.${topic}`)
    const letters = await lake.rowCount(`web.${topic}__dlq`)
    expect(verdict + letters).toBe(values.length)
    const landed = await rows(`web.${topic}`, 'n, n2')
    expect(landed).toContainEqual({ n: '4', n2: '9007199254740993' })
  })

  describe('in bad surroundings', () => {
    const stream = (bootstrap: string, topic: string): string => `name: lost
input: { kafka: { seed_brokers: ["${bootstrap}"], topics: [${topic}], consumer_group: lost } }
output: { iceberg: { table: web.lost } }
`
    const runWith = async (lakeYaml: string, streamYaml: string): Promise<SinkEnd> => {
      const project = await createSinkProject(lake.build, lakeYaml)
      try {
        await project.writeStream('lost', streamYaml)
        const sink = project.start('lost', { args: ['--until', 'latest'] })
        try {
          return await within(sink.ended, () => `no error: ${sink.log}`, errorWithinMs)
        } finally {
          await sink.kill()
        }
      } finally {
        await project.remove()
      }
    }
    const expectError = (end: SinkEnd, ...words: readonly RegExp[]): void => {
      for (const word of words) expect(end.stderr).toMatch(word)
      expect(end.stderr).not.toMatch(/\n {4}at |fault of tidewater/)
      expect(end.code).toBe(1)
    }

    it('names the broker that is down', async () => {
      const address = `127.0.0.1:${await freePort()}`
      expectError(await runWith(lake.lakeYaml(), stream(address, 'events')), new RegExp(address))
    })

    it('names the topic that is missing', async () => {
      const end = await runWith(lake.lakeYaml(), stream(lake.kafka.bootstrap, 'nowhere'))
      expectError(end, /nowhere/, /does not exist|no such|not found/i)
    })

    it('names the bucket that is missing', async () => {
      const yaml = lake.lakeYaml().replace('s3://lake/', 's3://puddle/')
      const end = await runWith(yaml, stream(lake.kafka.bootstrap, 'events'))
      expectError(end, /puddle/, /bucket/)
    })

    it('says that the keys are wrong, without showing them', async () => {
      const yaml = lake
        .lakeYaml()
        .replace(/secret-access-key: \S+/, 'secret-access-key: wrongwrong')
      const end = await runWith(yaml, stream(lake.kafka.bootstrap, 'events'))
      expectError(end, /access|denied|signature|credentials/i)
      expect(end.stderr).not.toContain('wrongwrong')
    })

    it('names the store that does not answer', async () => {
      const address = `http://127.0.0.1:${await freePort()}`
      const end = await runWith(lake.lakeYaml(address), stream(lake.kafka.bootstrap, 'events'))
      expectError(end, new RegExp(address.slice('http://'.length)))
    })
  })
})

function hex(value: string | Buffer): string {
  return Buffer.from(value).toString('hex').toUpperCase()
}

function short(value: unknown): string {
  return JSON.stringify(value).slice(0, 300)
}
