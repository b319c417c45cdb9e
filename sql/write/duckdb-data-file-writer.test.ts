import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  applyTransform,
  decodeValue,
  type NestedField,
  type PartitionSpec,
  parsePartitionBy,
  type Schema,
  type Type,
} from '../../catalog/format/index.ts'
import type { WriteDataFilesResult } from '../../catalog/index.ts'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { type Database, openDatabase } from '../session/database.ts'
import { createDataFileWriter } from './duckdb-data-file-writer.ts'

let directory: string
let database: Database

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-writer-'))
  database = await openDatabase({ threads: 2 })
})

afterEach(async () => {
  database.close()
  await rm(directory, { recursive: true, force: true })
})

const unpartitioned: PartitionSpec = { specId: 0, fields: [] }

function schemaOf(types: Readonly<Record<string, Type>>): Schema {
  let id = 0
  const fields: NestedField[] = Object.entries(types).map(([name, type]) => ({
    id: ++id,
    name,
    required: false,
    type,
  }))
  return { schemaId: 0, identifierFieldIds: [], fields }
}

async function write(
  schema: Schema,
  rows: readonly string[],
  spec = unpartitioned,
  sideFields: Parameters<ReturnType<typeof createDataFileWriter>['write']>[0]['sideFields'] = [],
): Promise<WriteDataFilesResult> {
  const path = join(directory, 'rows.ndjson')
  const text = rows.map((row) => `${row}\n`).join('')
  await writeFile(path, text)
  return createDataFileWriter(database).write({
    schema,
    spec,
    spools: [
      {
        path,
        rowCount: rows.length,
        sizeBytes: Buffer.byteLength(text),
        rowBytesMax: Math.max(0, ...rows.map((row) => Buffer.byteLength(row) + 1)),
      },
    ],
    directory,
    sideFields,
    properties: {},
  })
}

async function select(sql: string): Promise<readonly Record<string, unknown>[]> {
  return database.withConnection(async (connection) =>
    (await connection.runAndReadAll(sql)).getRowObjectsJson(),
  )
}

describe('data file writer over duckdb', () => {
  it('[W2] write() puts a field id on every node, nested ones included', async () => {
    const schema = schemaOf({ id: { type: 'long' } })
    const nested: Schema = {
      ...schema,
      fields: [
        ...schema.fields,
        {
          id: 2,
          name: 'items',
          required: false,
          type: {
            type: 'list',
            elementId: 3,
            elementRequired: false,
            element: {
              type: 'struct',
              fields: [{ id: 4, name: 'x', required: false, type: { type: 'double' } }],
            },
          },
        },
        {
          id: 5,
          name: 'tags',
          required: false,
          type: {
            type: 'map',
            keyId: 6,
            key: { type: 'string' },
            valueId: 7,
            valueRequired: false,
            value: { type: 'int' },
          },
        },
      ],
    }
    const { files } = await write(nested, ['{"id":1,"items":[{"x":1.5}],"tags":{"a":1}}'])
    const rows = await select(
      `SELECT name, field_id FROM parquet_schema('${files[0]?.localPath}') WHERE field_id IS NOT NULL`,
    )
    expect(rows.map((row) => `${String(row['name'])}=${String(row['field_id'])}`)).toEqual([
      'id=1',
      'items=2',
      'element=3',
      'x=4',
      'tags=5',
      'key=6',
      'value=7',
    ])
  })

  it('[W1] write() refuses only the rows that the engine cannot take', async () => {
    const schema = schemaOf({ id: { type: 'long' }, day: { type: 'date' } })
    const rows = Array.from({ length: 1000 }, (_, id) => `{"id":${id},"day":"2024-01-31"}`)
    rows[17] = '{"id":17,"day":"2024-02-31"}'
    rows[640] = '{"id":{},"day":"2024-01-31"}'
    const { files, refused } = await write(schema, rows)
    expect(refused.map((row) => row.row)).toEqual([17, 640])
    expect(refused[0]?.reason).toContain('2024-02-31')
    expect(files.reduce((sum, file) => sum + file.recordCount, 0n)).toBe(998n)
  })

  it('[W1] write() makes no file where the engine takes no row', async () => {
    const { files, refused } = await write(schemaOf({ id: { type: 'long' } }), ['{"id":"x"}'])
    expect(files).toEqual([])
    expect(refused.map(({ row }) => row)).toEqual([0])
  })

  it('[W1] write() refuses no row because the engine has no memory', async () => {
    const small = await openDatabase({ threads: 1, memoryLimitBytes: 16e6 })
    try {
      const path = join(directory, 'large.ndjson')
      const row = `{"text":"${'x'.repeat(100_000)}"}\n`
      await writeFile(path, row.repeat(400))
      const spool = { path, rowCount: 400, sizeBytes: 400 * row.length, rowBytesMax: row.length }
      const written = await createDataFileWriter(small).write({
        schema: schemaOf({ text: { type: 'string' } }),
        spec: { specId: 0, fields: [] },
        spools: [spool],
        directory,
        sideFields: [],
        properties: {},
      })
      // It gets more memory instead.
      expect(written).toMatchObject({ refused: [], files: [{ recordCount: 400n }] })
    } finally {
      small.close()
    }
  })

  it('[W3] write() makes one file per partition tuple, nulls apart', async () => {
    const schema = schemaOf({ ts: { type: 'timestamptz' }, region: { type: 'string' } })
    const spec = parsePartitionBy(['day(ts)', 'region'], schema)
    const { files } = await write(
      schema,
      [
        '{"ts":"1969-12-31T23:59:59Z","region":"eu"}',
        '{"ts":"1970-01-01T00:00:00Z","region":"eu"}',
        '{"ts":"1970-01-01T23:00:00+02:00","region":"eu"}',
        '{"ts":null,"region":"it\'s"}',
      ],
      spec,
    )
    const found = files.map((file) => [...file.partition, file.recordCount])
    expect(found).toContainEqual([-1, 'eu', 1n])
    expect(found).toContainEqual([0, 'eu', 2n])
    expect(found).toContainEqual([null, "it's", 1n])
    expect(found).toHaveLength(3)
  })

  it('[W3] write() computes every transform as the catalog does', async () => {
    const schema = schemaOf({
      l: { type: 'long' },
      i: { type: 'int' },
      s: { type: 'string' },
      d: { type: 'decimal', precision: 9, scale: 2 },
      ts: { type: 'timestamp' },
      u: { type: 'uuid' },
    })
    const spec = parsePartitionBy(
      [
        'bucket(16, l)',
        'truncate(10, l)',
        'truncate(7, i)',
        'bucket(7, i)',
        'bucket(5, s)',
        'truncate(3, s)',
        'truncate(50, d)',
        'hour(ts)',
        'month(ts)',
        'year(ts)',
        'bucket(3, u)',
        'bucket(11, ts)',
        'day(ts)',
      ],
      schema,
    )
    const row = fc.record({
      // The least ones wrap around under truncate.
      l: fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.nat(12).map((n) => BigInt(n) - 2n ** 63n),
      ),
      i: fc.oneof(
        fc.integer(),
        fc.nat(12).map((n) => n - 2 ** 31),
      ),
      s: fc.string({ unit: 'binary', maxLength: 6 }).filter((text) => !/\p{Surrogate}/u.test(text)),
      d: fc.integer({ min: -999_999_999, max: 999_999_999 }),
      ts: fc.integer({ min: -62_000_000_000, max: 200_000_000_000 }),
      u: fc.uuid(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async (rows) => {
        const { files } = await write(
          schema,
          rows.map((value) => {
            const decimal = `${value.d < 0 ? '-' : ''}${Math.floor(Math.abs(value.d) / 100)}.${String(Math.abs(value.d) % 100).padStart(2, '0')}`
            const ts = new Date(value.ts * 1000).toISOString().replace('Z', '')
            return `{"l":${value.l},"i":${value.i},"s":${JSON.stringify(value.s)},"d":"${decimal}","ts":"${ts}","u":"${value.u}"}`
          }),
          spec,
        )
        const key = (tuple: readonly unknown[]): string => tuple.map(String).join('|')
        const expected = new Map<string, bigint>()
        for (const value of rows) {
          const columns = [value.l, value.l, value.i, value.i, value.s, value.s, BigInt(value.d)]
          const micros = BigInt(value.ts) * 1_000_000n
          const sources = [...columns, micros, micros, micros, value.u, micros, micros]
          const tuple = spec.fields.map((field, index) => {
            const source = schema.fields.find((column) => column.id === field.sourceId)
            return applyTransform(field.transform, source?.type as never, sources[index] as never)
          })
          expected.set(key(tuple), (expected.get(key(tuple)) ?? 0n) + 1n)
        }
        const found = new Map(files.map((file) => [key(file.partition), file.recordCount]))
        expect(found).toEqual(expected)
      }),
      { numRuns: 2 * fuzzEffort, endOnFailure: true },
    )
  })

  it('[W4] write() returns bounds, counts and sizes of each column', async () => {
    const schema = schemaOf({
      id: { type: 'long' },
      name: { type: 'string' },
      price: { type: 'decimal', precision: 20, scale: 2 },
      at: { type: 'timestamptz' },
      ok: { type: 'boolean' },
      blob: { type: 'binary' },
    })
    const { files } = await write(schema, [
      '{"id":9007199254740993,"name":"b","price":"123456789012345678.25","at":"2024-01-01T00:00:00.000001Z","ok":true,"blob":"AAE="}',
      '{"id":-5,"name":null,"price":"-0.05","at":"1969-12-31T23:59:59.999999Z","ok":false,"blob":"/w=="}',
    ])
    const file = files[0]
    const bounds = schema.fields.map((field) => [
      decodeValue(field.type as never, file?.lowerBounds.get(field.id) ?? new Uint8Array()),
      decodeValue(field.type as never, file?.upperBounds.get(field.id) ?? new Uint8Array()),
    ])
    expect(bounds[0]).toEqual([-5n, 9007199254740993n])
    expect(bounds[1]).toEqual(['b', 'b'])
    expect(bounds[2]).toEqual([-5n, 12345678901234567825n])
    expect(bounds[3]).toEqual([-1n, 1704067200000001n])
    expect(bounds[4]).toEqual([false, true])
    expect([...(file?.nullValueCounts ?? [])]).toContainEqual([2, 1n])
    expect([...(file?.valueCounts ?? [])]).toContainEqual([2, 2n])
    expect(file?.splitOffsets).toEqual([4n])
  })

  it('write() fills side fields from injected keys and constants', async () => {
    const schema = schemaOf({
      id: { type: 'long' },
      _kafka: {
        type: 'struct',
        fields: [
          { id: 11, name: 'topic', required: false, type: { type: 'string' } },
          { id: 12, name: 'offset', required: false, type: { type: 'long' } },
          { id: 13, name: 'timestamp', required: false, type: { type: 'timestamptz' } },
        ],
      },
    })
    const { files } = await write(
      schema,
      ['{"$o":9007199254740993,"$t":1700000000001,"id":7}'],
      unpartitioned,
      [
        {
          field: '_kafka',
          from: {
            kind: 'struct',
            members: [
              { name: 'topic', from: { kind: 'constant', value: "o'rders" } },
              { name: 'offset', from: { kind: 'key', key: '$o', type: 'long' } },
              { name: 'timestamp', from: { kind: 'millis', key: '$t' } },
            ],
          },
        },
      ],
    )
    expect(await select(`SELECT * FROM '${files[0]?.localPath}'`)).toEqual([
      {
        id: '7',
        _kafka: {
          topic: "o'rders",
          offset: '9007199254740993',
          timestamp: '2023-11-14 22:13:20.001+00',
        },
      },
    ])
  })
})
