import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type DataFile,
  type Schema,
  schemaFromJson,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import type {
  RewriteDataFilesRequest,
  RewriteDataFilesResult,
  RewriteInput,
} from '../../catalog/index.ts'
import type { Json } from '../../common/index.ts'
import { type Database, openDatabase } from '../session/database.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { fieldIds } from './column-sql.ts'
import { createDataFileRewriter } from './rewrite-data-files.ts'

let root: string
let directory: string
let database: Database
let files = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tide-rewriter-'))
  database = await openDatabase({ threads: 2 })
})
beforeEach(async () => {
  directory = await mkdtemp(join(root, 'out-'))
})
afterAll(async () => {
  database.close()
  await rm(root, { recursive: true, force: true })
})

async function rows(sql: string): Promise<readonly (readonly unknown[])[]> {
  return database.withConnection(async (connection) =>
    (await connection.runAndReadAll(sql)).getRowsJson(),
  )
}

/** A data file as another engine might have written it, straight from a query. */
async function parquet(
  schema: Schema,
  select: string,
  more: Partial<DataFile> = {},
): Promise<RewriteInput> {
  const path = join(root, `in [${++files}].parquet`)
  const ids = fieldIds(schema.fields)
  await rows(`COPY (${select}) TO ${quoteLiteral(path)} (FORMAT parquet, FIELD_IDS ${ids})`)
  const [count] = await rows(`SELECT count(*) FROM (${select})`)
  const file: DataFile = {
    content: 'data',
    filePath: `memory://t/data/${files}.parquet`,
    fileFormat: 'PARQUET',
    specId: 0,
    partition: [],
    recordCount: BigInt(count?.[0] as string),
    fileSizeInBytes: 1n,
    ...more,
  }
  return { file, path, deletes: [] }
}

const deleteSchema = schemaFromJson({
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 2147483546, name: 'file_path', required: true, type: 'string' },
    { id: 2147483545, name: 'pos', required: true, type: 'long' },
  ],
})

async function deleting(
  input: RewriteInput,
  positions: readonly number[],
  also = '',
): Promise<RewriteInput> {
  const values = positions.map((pos) => `(${quoteLiteral(input.file.filePath)}, ${pos})`)
  const select = `SELECT * FROM (VALUES ${[...values, also].filter(Boolean).join(', ')}) AS d(file_path, pos)`
  const remove = await parquet(deleteSchema, select, { content: 'position-deletes' })
  return { ...input, deletes: [...input.deletes, remove] }
}

async function rewrite(
  schema: Schema,
  inputs: readonly RewriteInput[],
  more: Partial<RewriteDataFilesRequest> & { readonly past?: readonly Schema[] } = {},
): Promise<RewriteDataFilesResult> {
  const { past = [], ...rest } = more
  const metadata = { schemas: [...past, schema], properties: {} } as unknown as TableMetadata
  return createDataFileRewriter(database).rewrite({
    metadata,
    schema,
    spec: { specId: 0, fields: [] },
    inputs,
    directory,
    fileSizeBytesTarget: undefined,
    ...rest,
  })
}

const listOf = (paths: readonly string[]): string =>
  `read_parquet([${paths.map((path) => quoteLiteral(path.replaceAll('[', '[[]'))).join(', ')}])`

/** Every value as text, so that NaN, -0.0 and NULL are told apart. */
async function texts(paths: readonly string[]): Promise<readonly unknown[]> {
  const found = await rows(
    `SELECT CAST(r AS VARCHAR), md5(CAST(COLUMNS(*) AS VARCHAR)) FROM ${listOf(paths)} AS r ORDER BY ALL`,
  )
  return found
}

const everyType = schemaFromJson({
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'flag', required: false, type: 'boolean' },
    { id: 2, name: 'i', required: false, type: 'int' },
    { id: 3, name: 'l', required: false, type: 'long' },
    { id: 4, name: 'f', required: false, type: 'float' },
    { id: 5, name: 'd', required: false, type: 'double' },
    { id: 6, name: 'money', required: false, type: 'decimal(38, 10)' },
    { id: 7, name: 'small', required: false, type: 'decimal(9, 2)' },
    { id: 8, name: 'day', required: false, type: 'date' },
    { id: 9, name: 'at', required: false, type: 'time' },
    { id: 10, name: 'ts', required: false, type: 'timestamp' },
    { id: 11, name: 'tz', required: false, type: 'timestamptz' },
    { id: 12, name: 'text', required: false, type: 'string' },
    { id: 13, name: 'id', required: false, type: 'uuid' },
    { id: 14, name: 'raw', required: false, type: 'binary' },
    {
      id: 15,
      name: '_kafka',
      required: false,
      type: {
        type: 'struct',
        fields: [
          { id: 16, name: 'partition', required: false, type: 'int' },
          { id: 17, name: 'offset', required: false, type: 'long' },
          {
            id: 18,
            name: 'headers',
            required: false,
            type: {
              type: 'map',
              'key-id': 19,
              key: 'string',
              'value-id': 20,
              'value-required': false,
              value: 'binary',
            },
          },
        ],
      },
    },
    {
      id: 21,
      name: 'tags',
      required: false,
      type: {
        type: 'list',
        'element-id': 22,
        'element-required': false,
        element: {
          type: 'struct',
          fields: [{ id: 23, name: 'x', required: false, type: 'double' }],
        },
      },
    },
  ],
})

const extremes = `SELECT true AS flag, (-2147483648)::INTEGER AS i, 9223372036854775807::BIGINT AS l,
  'NaN'::FLOAT AS f, '-0.0'::DOUBLE AS d, 1234567890123456789012345678.0123456789::DECIMAL(38,10) AS money,
  -0.01::DECIMAL(9,2) AS small, DATE '0001-01-01' AS day, TIME '23:59:59.999999' AS at,
  TIMESTAMP '1969-12-31 23:59:59.999999' AS ts, TIMESTAMPTZ '2024-02-29 12:00:00+00' AS tz,
  'a' || chr(0) || chr(128512) AS text, '00112233-4455-6677-8899-aabbccddeeff'::UUID AS id, '\\x00\\xFF'::BLOB AS raw,
  {'partition': 3, 'offset': 9007199254740993, 'headers': MAP {'k': '\\x01'::BLOB, 'n': NULL}} AS _kafka,
  [{'x': 'NaN'::DOUBLE}, NULL, {'x': NULL}] AS tags`
const infinities = extremes
  .replace(`'NaN'::FLOAT`, `'-inf'::FLOAT`)
  .replace(`'-0.0'::DOUBLE`, `'inf'::DOUBLE`)
const nothing = `SELECT NULL::BOOLEAN flag, NULL::INTEGER i, NULL::BIGINT l, NULL::FLOAT f, NULL::DOUBLE d,
  NULL::DECIMAL(38,10) money, NULL::DECIMAL(9,2) small, NULL::DATE AS day, NULL::TIME AS at, NULL::TIMESTAMP ts,
  NULL::TIMESTAMPTZ tz, NULL::VARCHAR AS text, NULL::UUID id, NULL::BLOB raw,
  NULL::STRUCT(partition INTEGER, "offset" BIGINT, headers MAP(VARCHAR, BLOB)) _kafka, NULL::STRUCT(x DOUBLE)[] tags`
const hollow = nothing
  .replace(
    /NULL::STRUCT\(partition[^_]*_kafka/,
    `{'partition': NULL::INTEGER, 'offset': NULL::BIGINT, 'headers': MAP {}::MAP(VARCHAR, BLOB)} _kafka`,
  )
  .replace('NULL::STRUCT(x DOUBLE)[] tags', '[]::STRUCT(x DOUBLE)[] tags')

const numbers = schemaFromJson({
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'n', required: false, type: 'long' },
    { id: 2, name: 'text', required: false, type: 'string' },
  ],
})

describe('data file rewriter over duckdb', () => {
  it('[K5] passes every value of every type through unchanged, with its field ids', async () => {
    const inputs = [
      await parquet(everyType, `${extremes} UNION ALL ${nothing}`),
      await parquet(everyType, `${infinities} UNION ALL ${hollow}`),
    ]
    const { files: written, rowsDeleted } = await rewrite(everyType, inputs)
    expect(rowsDeleted).toBe(0n)
    expect(written).toHaveLength(1)
    const output = written.map(({ localPath }) => localPath)
    expect(await texts(output)).toEqual(await texts(inputs.map(({ path }) => path)))
    const ids = await rows(
      `SELECT field_id FROM parquet_schema(${quoteLiteral(output[0] ?? '')}) WHERE field_id IS NOT NULL ORDER BY 1`,
    )
    expect(ids.map(([id]) => Number(id))).toEqual(
      Array.from({ length: 23 }, (_, index) => index + 1),
    )
    const [file] = written
    expect(file).toMatchObject({ recordCount: 4n, partition: [] })
    expect(file?.nullValueCounts.get(3)).toBe(2n)
    expect(file?.lowerBounds.has(4)).toBe(false)
    expect(file?.splitOffsets).toEqual([4n])
  })

  it('[K4] leaves out exactly the rows that position deletes name', async () => {
    const first = await deleting(
      await parquet(numbers, `SELECT range AS n, 'a' AS text FROM range(5000)`),
      [0, 17, 4999],
      `('memory://t/data/elsewhere.parquet', 3)`,
    )
    // The same row twice, and one past the end of the file.
    const twice = await deleting(first, [17, 18, 5000])
    const second = await parquet(numbers, `SELECT 10000 + range AS n, 'b' AS text FROM range(10)`)
    const result = await rewrite(numbers, [twice, second])
    expect(result).toMatchObject({ rowsRead: 5010n, rowsDeleted: 4n })
    const paths = result.files.map(({ localPath }) => localPath)
    expect(
      await rows(
        `SELECT count(*), count(*) FILTER (n IN (0, 17, 18, 4999)), sum(n) FROM ${listOf(paths)}`,
      ),
    ).toEqual([['5006', '0', String((4999 * 5000) / 2 - 17 - 18 - 4999 + 100_000 + 45)]])
  })

  it('[K4] refuses files that hold another number of rows than their manifest says', async () => {
    const input = await parquet(numbers, `SELECT range AS n, 'a' AS text FROM range(10)`)
    const wrong = { ...input, file: { ...input.file, recordCount: 11n } }
    await expect(rewrite(numbers, [wrong])).rejects.toThrow(
      /another number of rows than the manifests state: expected=11 written=10/,
    )
  })

  it('writes no file when every row is deleted', async () => {
    const input = await parquet(numbers, `SELECT range AS n, 'a' AS text FROM range(3)`)
    const result = await rewrite(numbers, [await deleting(input, [0, 1, 2])])
    expect(result).toEqual({ files: [], rowsRead: 3n, rowsDeleted: 3n })
  })

  it('refuses a delete file without field ids instead of bringing rows back', async () => {
    const input = await parquet(numbers, `SELECT range AS n, 'a' AS text FROM range(3)`)
    const path = join(root, 'plain-deletes.parquet')
    await rows(
      `COPY (SELECT ${quoteLiteral(input.file.filePath)} AS file_path, 1::BIGINT AS pos) TO ${quoteLiteral(path)} (FORMAT parquet)`,
    )
    const file: DataFile = { ...input.file, content: 'position-deletes', recordCount: 1n }
    await expect(rewrite(numbers, [{ ...input, deletes: [{ file, path }] }])).rejects.toThrow(
      /rows without a file or a position/,
    )
  })

  it('[K5] writes the current columns: by id, widened, renamed inside structs', async () => {
    const place = (members: readonly Json[]): Json => ({
      id: 2,
      name: 'place',
      required: false,
      type: { type: 'struct', fields: [...members] },
    })
    const past = schemaFromJson({
      type: 'struct',
      'schema-id': 0,
      fields: [
        { id: 1, name: 'n', required: false, type: 'int' },
        place([
          { id: 3, name: 'lat', required: false, type: 'double' },
          { id: 4, name: 'old', required: false, type: 'string' },
        ]),
        { id: 5, name: 'dropped', required: false, type: 'string' },
      ],
    })
    const now = schemaFromJson({
      type: 'struct',
      'schema-id': 1,
      fields: [
        { id: 6, name: 'dropped', required: false, type: 'string' },
        place([
          { id: 4, name: 'lat', required: false, type: 'string' },
          { id: 3, name: 'latitude', required: false, type: 'double' },
        ]),
        { id: 1, name: 'number', required: false, type: 'long' },
      ],
    })
    const input = await parquet(
      past,
      `SELECT 7 AS n, {'lat': 1.5::DOUBLE, 'old': 'x'} AS place, 'gone' AS dropped`,
    )
    const newer = await parquet(
      now,
      `SELECT 'here' AS dropped, {'lat': 'y', 'latitude': 2.5::DOUBLE} AS place, 8::BIGINT AS number`,
    )
    const { files: written } = await rewrite(now, [input, newer], { past: [past] })
    expect(
      await rows(
        `SELECT dropped, place.lat, place.latitude, number FROM ${listOf(written.map(({ localPath }) => localPath))} ORDER BY number`,
      ),
    ).toEqual([
      [null, 'x', 1.5, '7'],
      ['here', 'y', 2.5, '8'],
    ])
  })

  it('begins another file at the target size, each described by its own rows', async () => {
    const select = `SELECT range AS n, md5(range::VARCHAR) AS text FROM range(400000)`
    const input = await parquet(numbers, select)
    const { files: written } = await rewrite(numbers, [input], { fileSizeBytesTarget: 3_000_000n })
    expect(written.length).toBeGreaterThan(1)
    expect(written.reduce((sum, file) => sum + file.recordCount, 0n)).toBe(400_000n)
    for (const file of written) {
      const [found] = await rows(
        `SELECT count(*), count(DISTINCT n) FROM ${listOf([file.localPath])}`,
      )
      expect(found).toEqual([String(file.recordCount), String(file.valueCounts.get(1))])
    }
  })

  it('ends early when it is told to stop, with the reason given', async () => {
    const select = `SELECT range AS n, md5(range::VARCHAR) AS text FROM range(400000)`
    const input = await parquet(numbers, select)
    const stopping = new AbortController()
    const running = rewrite(numbers, [input], { signal: stopping.signal })
    setImmediate(() => stopping.abort(new Error('enough')))
    await expect(running).rejects.toThrow('enough')
    const late = rewrite(numbers, [input], { signal: stopping.signal })
    await expect(late).rejects.toThrow('enough')
  })

  it('refuses a fixed-length column rather than change its type', async () => {
    const schema = schemaFromJson({
      type: 'struct',
      'schema-id': 0,
      fields: [{ id: 1, name: 'hash', required: false, type: 'fixed[4]' }],
    })
    await expect(rewrite(schema, [])).rejects.toThrow(/fixed-length binary column.*column=hash/)
  })
})
