/**
 * `schema.mode: key_value` from the log to the table, with bytes that no format would forgive; the data
 * files are judged by hyparquet and by DuckDB alone.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diffReplay, executeReplay, publishBranch } from '../../app/index.ts'
import { currentSchema, formatType } from '../../catalog/format/index.ts'
import { systemClock } from '../../common/index.ts'
import { createLiveLayer } from '../../ingest/index.ts'
import { allRows, createDataFileWriter, createQueryEngine, plainText } from '../../sql/index.ts'
import { type LakeFixture, liveFiles, openLakeFixture } from '../support/lake-fixture.ts'
import type { RawRecord } from '../support/record-batches.ts'
import { openReplayLake, replayRequest } from '../support/replay-lake.ts'
import { tide } from '../support/tide.ts'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('raw', 2)
})
afterEach(() => lake.close())

const yaml = (schema: string, more = ''): string => `
name: raw
input: { embedded: { directory: log, topics: [raw], start_offset: earliest } }
schema: { mode: key_value${schema} }
${more}
output: { iceberg: { table: web.raw, commit: { interval: 1h } } }
`

const bytes = (...hex: readonly string[]): Uint8Array =>
  new Uint8Array(Buffer.from(hex.join(''), 'hex'))
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))

/** Every byte, numbers that are none (whose bits a copy by doubles would alter), JSON, and long ones. */
const odd: readonly RawRecord[] = [
  { key: text('k'), value: text('{"a":1}') },
  { key: null, value: null },
  { key: new Uint8Array(0), value: new Uint8Array(0) },
  { key: bytes('00'), value: Uint8Array.from({ length: 256 }, (_, byte) => byte) },
  { key: bytes('ff'), value: bytes('fff4000000000001'.repeat(9), '7ff0000000000001'.repeat(9)) },
  { key: text('é\u0000\n"'), value: bytes('010000f47f', 'fffffff7ff'.repeat(20)) },
  { key: null, value: Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 7919) & 0xff) },
  { key: text('tombstone'), value: null },
  { key: bytes('c328'), value: bytes('eda080') },
]

async function produce(records: readonly RawRecord[], partition = 0): Promise<void> {
  await lake.log.append({ topic: 'raw', partition }, records)
}

interface Row {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly _kafka: { readonly offset: bigint }
}

/** hyparquet reads no zstd by itself. */
const snappy = 'properties: { write.parquet.compression-codec: snappy }'

/** By hyparquet, in offset order; `binary` as bytes. */
async function foreignRows(): Promise<readonly Row[]> {
  const files = await liveFiles(lake.catalog, lake.io, 'web.raw')
  const rows = await Promise.all(
    files.map(async (location) => {
      const file = await asyncBufferFromFile(new URL(location).pathname)
      return (await parquetReadObjects({ file, utf8: false })) as unknown as readonly Row[]
    }),
  )
  return rows.flat().sort((a, b) => Number(a._kafka.offset - b._kafka.offset))
}

async function columns(): Promise<string> {
  const { metadata } = await lake.catalog.loadTable({ namespace: ['web'], name: 'raw' })
  return currentSchema(metadata)
    .fields.map(({ name, type }) => `${name}: ${formatType(type)}`)
    .join(', ')
}

describe('schema.mode key_value', () => {
  it('[D6] gives back every byte of every key and value, and NULL for none', async () => {
    await produce(odd)
    const result = await lake.run(lake.settings(yaml('').replace('commit:', `${snappy}, commit:`)))
    expect(result).toMatchObject({ rowsCommitted: odd.length, deadLetters: 0 })
    const found = await foreignRows()
    expect(found.map(({ _kafka }) => Number(_kafka.offset))).toEqual(odd.map((_, at) => at))
    for (const [at, { key, value }] of odd.entries()) {
      expect(hex(found[at]?.key), `key ${at}`).toBe(hex(key))
      expect(hex(found[at]?.value), `value ${at}`).toBe(hex(value))
    }
    expect(await columns()).toMatch(/^key: binary, value: binary, _kafka: struct</)
  })

  it('[D7] keeps text as it is, and what is no text as a dead letter, whole', async () => {
    const good = [
      odd[0],
      odd[1],
      odd[2],
      { key: text('𝄞'), value: text('a\u0000\ud7ff\u{10ffff}') },
    ]
    const bad = [
      odd[4],
      { key: text('k'), value: bytes('e282') },
      { key: bytes('80'), value: null },
    ]
    const records = [...good, ...bad] as readonly RawRecord[]
    await produce(records)
    const result = await lake.run(lake.settings(yaml(', key: string, value: string')))
    expect(result).toMatchObject({ rowsCommitted: 4, deadLetters: 3 })
    const sql = '_kafka."offset"::INTEGER AS o, hex(encode("key")) AS k, hex(encode("value")) AS v'
    expect(await lake.rows('web.raw', sql)).toEqual(
      good.map((record, o) => ({ o, k: hex(record?.key), v: hex(record?.value) })),
    )
    const letters = '"offset"::INTEGER AS o, hex("key") AS k, hex("value") AS v, error'
    expect(await lake.rows('web.raw__dlq', letters)).toEqual(
      bad.map((record, at) => ({
        o: 4 + at,
        k: hex(record?.key),
        v: hex(record?.value),
        error: `the ${at === 1 ? 'value' : 'key'} is not valid utf-8`,
      })),
    )
  })

  it('[D7] stops at the first that is no text where none is tolerated', async () => {
    await produce([
      { key: null, value: text('good') },
      { key: null, value: bytes('ff') },
    ])
    const strict = lake.settings(yaml(', value: string', 'errors: { tolerance: none }'))
    await expect(lake.run(strict)).rejects.toThrow('the value is not valid utf-8')
    expect(await lake.rows('web.raw', '*')).toEqual([])
    const tolerant = await lake.run(lake.settings(yaml(', value: string')))
    expect(tolerant).toMatchObject({ rowsCommitted: 1, deadLetters: 1 })
  })

  it('[D8] adds no column, and writes to no table whose columns are others', async () => {
    await produce([{ key: null, value: text('{"a":1}') }])
    await lake.run(lake.settings(yaml('')))
    await produce([{ key: null, value: text('{"b":2}') }])
    await lake.run(lake.settings(yaml('')))
    expect(await columns()).toMatch(/^key: binary, value: binary, _kafka: struct<[^>]*>$/)
    await expect(lake.run(lake.settings(yaml(', value: string')))).rejects.toThrow(
      /schema declares and the table disagree.*field=value/s,
    )
    const json = yaml('')
      .replace('mode: key_value', 'mode: json_infer')
      .replaceAll('web.raw', 'web.j')
    await lake.run(lake.settings(json))
    await expect(lake.run(lake.settings(yaml('').replace('web.raw', 'web.j')))).rejects.toThrow(
      /field=key.*no such column/s,
    )
  })

  it.each([
    ['columns', '["day(_kafka_timestamp)", _kafka_partition]', 2],
    ['columns', '["bucket(4,key)"]', 3],
    ['none', '["truncate(1,key)"]', 3],
  ])('metadata %s, partitioned by %s', async (metadata, partitionBy, filesMin) => {
    const keys = ['a', 'b', 'c', 'dé', 'e', 'f', 'g']
    await produce(keys.map((key) => ({ key: text(key), value: bytes('00ff') })))
    await produce(
      [
        { key: null, value: null },
        { key: bytes('fffe'), value: null },
      ],
      1,
    )
    const settings = lake.settings(
      yaml('', `metadata: ${metadata}`).replace('commit:', `partition_by: ${partitionBy}, commit:`),
    )
    expect(await lake.run(settings)).toMatchObject({ rowsCommitted: 9, deadLetters: 0 })
    expect((await liveFiles(lake.catalog, lake.io, 'web.raw')).length).toBeGreaterThanOrEqual(
      filesMin,
    )
    const found = (await lake.rows('web.raw', 'hex("key") AS k')).map((row) => row['k'])
    const told = [...keys.map((key) => hex(text(key))), 'FFFE', null]
    expect(found.map(String).sort()).toEqual(told.map(String).sort())
  })

  it('[D6] shows rows to queries before they are committed', async () => {
    const writer = createDataFileWriter(lake.database)
    const live = createLiveLayer({ writer, clock: systemClock, intervalMs: 20 })
    const engine = await createQueryEngine({ ...lake, live })
    await lake.run(lake.settings(yaml('')))
    const settings = lake.settings(yaml(''))
    const attached = live.attach(settings)
    if (attached === undefined) throw new Error('not attached')
    const stop = new AbortController()
    const sink = lake.run(
      settings,
      { until: 'stopped', signal: stop.signal },
      { streaming: attached },
    )
    sink.catch(() => undefined)
    await produce(odd)
    const ask = async (): Promise<readonly (readonly string[])[]> => {
      const select =
        '_kafka."offset", coalesce(hex("key"), \'-\'), coalesce(md5(hex("value")), \'-\')'
      const result = await engine.query(`SELECT ${select} FROM web.raw ORDER BY 1`)
      return (await allRows(result)).map((row) => row.map((value) => String(plainText(value))))
    }
    await expect.poll(async () => (await ask()).length, { timeout: 30_000 }).toBe(odd.length)
    expect(await liveFiles(lake.catalog, lake.io, 'web.raw')).toEqual([])
    const told = odd.map(({ key, value }, at) => [
      String(at),
      hex(key) ?? '-',
      value === null
        ? '-'
        : createHash('md5')
            .update(hex(value) ?? '')
            .digest('hex'),
    ])
    expect(await ask()).toEqual(told)
    stop.abort()
    await sink
    expect(await ask()).toEqual(told)
  })

  it('is replayed into a branch with the same rows', async () => {
    const replayed = await openReplayLake()
    try {
      const { fixture, stream } = replayed
      const records = Array.from({ length: 30 }, (_, at) => ({
        key: text(`k${at}`),
        value: at % 7 === 0 ? null : Uint8Array.of(at, 0xff, 0xc0),
      }))
      await fixture.log.append({ topic: 'events', partition: 0 }, records)
      const settings = stream({ schema: 'schema: { mode: key_value }' })
      await fixture.run(settings)
      await executeReplay(replayed.lake, settings, replayRequest(5, 25))
      const diff = await diffReplay(replayed.lake, settings.output.table, 'fix')
      expect(diff).toMatchObject({ same: 20n, onlyBase: 0n, onlyBranch: 0n, differing: 0n })
      await publishBranch(replayed.lake, settings.output.table, 'fix')
      const rows = await fixture.rows('web.events', 'hex("key") AS k, hex("value") AS v')
      const told = records.map(({ key, value }) => ({ k: hex(key), v: hex(value) }))
      expect(rows.map((row) => JSON.stringify(row)).sort()).toEqual(
        told.map((row) => JSON.stringify(row)).sort(),
      )
    } finally {
      await replayed.close()
    }
  })
})

describe('tide stream with key_value', () => {
  const streamFile = (schema: string, more = ''): string => `name: raw
input: { embedded: { directory: ../log, topics: [raw] } }
schema: { ${schema} }
${more}
output: { iceberg: { table: web.raw } }
`
  const run = (line: string): ReturnType<typeof tide> => tide(line, { directory: lake.directory })
  const write = (content: string): Promise<void> =>
    writeFile(join(lake.directory, 'streams', 'raw.yaml'), content)

  beforeEach(async () => {
    await writeFile(join(lake.directory, 'tidewater.yaml'), 'catalog: { warehouse: ./warehouse }\n')
    await mkdir(join(lake.directory, 'streams'))
  })

  it('dry-run, lint, echo, ls, run and status know it', async () => {
    await write(streamFile('mode: key_value, value: string'))
    await produce([...odd.slice(0, 3), { key: null, value: bytes('ff') }])
    await lake.log.close()
    const dry: unknown = JSON.parse((await run('stream dry-run -o json')).stdout)
    expect(dry).toMatchObject({
      records_sampled: 4,
      records_readable: 3,
      columns_from: 'settings',
      columns: 'key: binary\nvalue: string',
      notes: null,
    })
    const lint = await run('stream lint')
    expect(lint.code, lint.stdout).toBe(0)
    const echo = (await run('stream echo streams/raw.yaml')).stdout
    expect(echo).toContain('mode: key_value')
    expect(echo).not.toContain('coercion')
    await write(echo)
    expect((await run('stream echo streams/raw.yaml')).stdout).toBe(echo)
    const listed = JSON.parse((await run('stream ls -o json')).stdout) as readonly object[]
    expect(listed).toMatchObject([{ name: 'raw', schema: 'key_value' }])
    const ran = await run('stream run --until latest')
    expect(ran.code, ran.stderr).toBe(0)
    const status = JSON.parse((await run('stream status -o json')).stdout) as readonly object[]
    expect(status).toMatchObject([{ stream: 'raw', commit_lag: 0, total_records: 3 }])
  })

  it('lint tells what has no meaning with it, with its place', async () => {
    await write(streamFile('mode: key_value, coercion: lenient, unknown_fields: add'))
    const { code, stdout } = await run('stream lint')
    expect(code).toBe(1)
    expect(stdout).toContain(
      'streams/raw.yaml:3:38 schema.coercion: has no meaning with mode key_value',
    )
    expect(stdout).toContain('streams/raw.yaml:3:63 schema.unknown_fields: has no meaning')
    await write(
      streamFile('mode: key_value').replace('web.raw }', 'web.raw, partition_by: [day(ts)] }'),
    )
    const partitioned = await run('stream lint')
    expect(partitioned.code).toBe(1)
    expect(partitioned.stdout).toMatch(/streams\/raw\.yaml:5:\d+ output\.iceberg\.partition_by.*ts/)
  })
})

function hex(value: Uint8Array | null | undefined): string | null {
  return value === null || value === undefined
    ? null
    : Buffer.from(value).toString('hex').toUpperCase()
}
