/**
 * Batches that fall into many partitions: written in a pass for many of them, so that neither their number
 * nor their size stops a stream, and each row lies in the file of its own tuple.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  decodeValue,
  type PartitionSpec,
  parsePartitionBy,
  type Schema,
} from '../../catalog/format/index.ts'
import type { RowSpool, WrittenFile } from '../../catalog/index.ts'
import { createDataFileWriter, type Database, openDatabase, quoteLiteral } from '../../sql/index.ts'

let root: string
let database: Database
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tide-partitions-'))
  database = await openDatabase({ threads: 2 })
})
afterAll(async () => {
  database.close()
  await rm(root, { recursive: true, force: true })
})

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'id', required: false, type: { type: 'long' } },
    { id: 2, name: 'n', required: false, type: { type: 'int' } },
    { id: 3, name: 's', required: false, type: { type: 'string' } },
  ],
}

async function rows(sql: string): Promise<readonly (readonly unknown[])[]> {
  return database.withConnection(async (connection) =>
    (await connection.runAndReadAll(sql)).getRows(),
  )
}

/** The rows of `select` as a stream of flat records spools them, or as JSON. */
async function spoolOf(select: string, form: 'columns' | 'json'): Promise<RowSpool> {
  const path = join(await mkdtemp(join(root, 'spool-')), `rows.${form}`)
  if (form === 'json') {
    const lines = await rows(`SELECT to_json(r)::VARCHAR FROM (${select}) r`)
    await writeFile(path, lines.map(([line]) => `${String(line)}\n`).join(''))
  } else await rows(`COPY (${select}) TO ${quoteLiteral(path)} (FORMAT parquet)`)
  const [count] = await rows(`SELECT count(*) FROM (${select})`)
  const { size } = await stat(path)
  return {
    path,
    rowCount: Number(count?.[0]),
    sizeBytes: size,
    rowBytesMax: 1 << 16,
  }
}

async function write(
  select: string,
  spec: PartitionSpec,
  form: 'columns' | 'json' = 'columns',
  of: Schema = schema,
): Promise<readonly WrittenFile[]> {
  const spool = await spoolOf(select, form)
  const columns = of.fields.map(({ name }) => name)
  const { files } = await createDataFileWriter(database).write({
    schema: of,
    spec,
    spools: [form === 'columns' ? { ...spool, columns } : spool],
    directory: await mkdtemp(join(root, 'out-')),
    sideFields: [],
    properties: {},
  })
  return files
}

const sumOf = (files: readonly WrittenFile[]): bigint =>
  files.reduce((sum, { recordCount }) => sum + recordCount, 0n)

describe('a batch of many partitions', () => {
  it.each([
    ['a few hundred tuples of JSON', 20_000, 365, 'json'],
    ['two tuples', 1_000, 2, 'columns'],
  ] as const)('B14 F [W3] [W7] %s have a file each', async (_, count, tuples, form) => {
    const select = `SELECT i AS id, (i % ${tuples})::INTEGER AS n, 'x' AS s FROM range(${count}) t(i)`
    const files = await write(select, parsePartitionBy(['n'], schema), form)
    expect(sumOf(files)).toBe(BigInt(count))
    const seen = new Set(files.map(({ partition }) => partition[0]))
    expect([files.length, seen.size]).toEqual([tuples, tuples])
    for (const { lowerBounds, partition, recordCount, splitOffsets, upperBounds } of files) {
      const bounds = [lowerBounds.get(2), upperBounds.get(2)].map((bound) =>
        bound === undefined ? undefined : decodeValue({ type: 'int' }, bound),
      )
      expect(bounds).toEqual([partition[0], partition[0]])
      expect(recordCount).toBeGreaterThanOrEqual(BigInt(Math.floor(count / tuples)))
      expect(splitOffsets).toEqual([4n])
    }
  })

  it('B14 [W7] more than ten thousand tuples, which once stopped the stream, have a file each', async () => {
    const narrow = { ...schema, fields: schema.fields.filter(({ name }) => name === 'n') }
    const spec = parsePartitionBy(['n'], narrow)
    const files = await write(
      'SELECT i::INTEGER AS n FROM range(10001) t(i)',
      spec,
      'columns',
      narrow,
    )
    expect(new Set(files.map(({ partition }) => partition[0])).size).toBe(10_001)
    expect(sumOf(files)).toBe(10_001n)
  })

  it('F [W3] large and small tuples, NULLs and texts of any kind go into their own files', async () => {
    const select = `SELECT i AS id, CASE WHEN i < 70000 THEN 0 WHEN i % 50 = 0 THEN NULL ELSE (i % 300)::INTEGER END AS n,
      CASE WHEN i % 7 = 0 THEN NULL WHEN i % 11 = 0 THEN '\uFEFF' ELSE chr(97 + (i % 3)::INTEGER) END AS s FROM range(120000) t(i)`
    const files = await write(select, parsePartitionBy(['n', 's'], schema))
    expect(sumOf(files)).toBe(120_000n)
    const tuples = await rows(`SELECT n, s, count(*) FROM (${select}) GROUP BY n, s`)
    const key = (n: unknown, s: unknown, count: unknown): string =>
      JSON.stringify([n, s, String(count)])
    expect(
      files.map(({ partition: [n, s], recordCount }) => key(n, s, recordCount)).sort(),
    ).toEqual(tuples.map(([n, s, count]) => key(n, s, count)).sort())
    for (const { localPath, partition } of files) {
      const found = await rows(`SELECT DISTINCT n, s FROM read_parquet(${quoteLiteral(localPath)})`)
      expect(found).toEqual([partition])
    }
  })

  it('F [W2] every file of a pass has the ids of the fields and not the number of its tuple', async () => {
    const select = `SELECT i AS id, (i % 3)::INTEGER AS n, 'x' AS s FROM range(10) t(i)`
    const files = await write(select, parsePartitionBy(['n'], schema))
    for (const { localPath } of files) {
      const fields = await rows(
        `SELECT name, field_id FROM parquet_schema(${quoteLiteral(localPath)}) WHERE num_children IS NULL`,
      )
      expect(fields).toEqual([
        ['id', 1n],
        ['n', 2n],
        ['s', 3n],
      ])
    }
  })
})
