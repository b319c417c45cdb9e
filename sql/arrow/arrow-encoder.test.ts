import { type RecordBatch, RecordBatchReader, type Table, tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../session/database.ts'
import { openLocalSession } from '../session/local-session.ts'
import { literalResult, type QueryResult } from '../session/query-result.ts'
import { parseColumnType } from './column-type.ts'
import { writeArrowStream } from './write-arrow-stream.ts'

let database: Database
beforeAll(async () => {
  database = await openDatabase({ threads: 1 })
})
afterAll(() => database.close())

async function ask(sql: string): Promise<QueryResult> {
  const session = await openLocalSession({ database })
  const { columns, next } = await session.stream(sql, [])
  const batches = async function* () {
    for (let rows = await next(); rows !== undefined; rows = await next()) yield rows
  }
  return { ...literalResult(columns, [], 0), batches: batches(), close: () => session.close() }
}

async function bytesOf(result: QueryResult): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  await writeArrowStream(async (chunk) => void chunks.push(chunk), result)
  await result.close()
  return Buffer.concat(chunks)
}

const arrow = async (sql: string): Promise<Table> => tableFromIPC(await bytesOf(await ask(sql)))

/** The types and the first column's values, as plain as JSON allows. */
async function column(sql: string): Promise<readonly [string, readonly unknown[]]> {
  const table = await arrow(sql)
  const vector = table.getChildAt(0)
  if (vector === null) throw new Error('no column')
  return [String(vector.type), Array.from(vector)]
}

/** The numbers of a column of the first batch as they were sent, without their padding. */
function rawOf(table: Table, index: number): readonly unknown[] {
  const values = table.batches[0]?.data.children[index]?.values as BigInt64Array
  return Array.from(values.subarray(0, table.numRows))
}

describe('writeArrowStream()', () => {
  it('[Q6] gives integers of every width exactly, with their nulls', async () => {
    expect(
      await column('SELECT unnest([9223372036854775807, NULL, -9223372036854775808])'),
    ).toEqual(['Int64', [9223372036854775807n, null, -9223372036854775808n]])
    expect(await column('SELECT 18446744073709551615::UBIGINT')).toEqual([
      'Uint64',
      [18446744073709551615n],
    ])
    expect(await column('SELECT unnest([-128, NULL, 127]::TINYINT[])')).toEqual([
      'Int8',
      [-128, null, 127],
    ])
    expect(await column('SELECT unnest([true, NULL, false, true])')).toEqual([
      'Bool',
      [true, null, false, true],
    ])
  })

  it('[Q6] keeps every digit of decimals and of integers of 128 bits', async () => {
    const unscaled = async (sql: string): Promise<readonly unknown[]> => {
      const [type, values] = await column(sql)
      return [
        type,
        ...values.map((words) => {
          if (words === null) return null
          const [a = 0, b = 0, c = 0, d = 0] = words as Uint32Array
          const bits = [d, c, b, a].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
          return BigInt.asIntN(128, bits)
        }),
      ]
    }
    expect(await unscaled("SELECT unnest(['-0.05', NULL, '0.99', '-0.99'])::DECIMAL(2,2)")).toEqual(
      ['Decimal[2e+2]', -5n, null, 99n, -99n],
    )
    const digits = '12345678901234567890123456789012345678'
    expect(await unscaled(`SELECT '-${digits}'::DECIMAL(38,0)`)).toEqual([
      'Decimal[38e0]',
      -BigInt(digits),
    ])
    expect(await unscaled('SELECT sum(i) FROM (VALUES (9223372036854775807), (2)) t(i)')).toEqual([
      'Decimal[38e0]',
      9223372036854775809n,
    ])
    await expect(
      column("SELECT '170141183460469231731687303715884105727'::HUGEINT"),
    ).rejects.toThrow('cast the column to VARCHAR')
  })

  it('[Q6] keeps microseconds before 1970, far away and at the infinities', async () => {
    const raw = async (sql: string): Promise<readonly unknown[]> => {
      const table = await arrow(sql)
      const data = table.batches[0]?.data.children[0]
      return [String(data?.type), ...rawOf(table, 0)]
    }
    expect(
      await raw("SELECT unnest(['1969-12-31 23:59:59.999999', '0001-01-01'])::TIMESTAMP"),
    ).toEqual(['Timestamp<MICROSECOND>', -1n, -62135596800000000n])
    expect(await raw("SELECT '2026-01-31 12:00:00.000001+02'::TIMESTAMPTZ")).toEqual([
      'Timestamp<MICROSECOND, UTC>',
      1769853600000001n,
    ])
    expect(await raw("SELECT unnest(['infinity', '-infinity'])::TIMESTAMPTZ")).toEqual([
      'Timestamp<MICROSECOND, UTC>',
      9223372036854775807n,
      -9223372036854775807n,
    ])
    expect(await raw("SELECT '2020-01-01 00:00:00.123456789'::TIMESTAMP_NS")).toEqual([
      'Timestamp<NANOSECOND>',
      1577836800123456789n,
    ])
    expect(
      await raw("SELECT unnest(['1969-12-31', '12345-01-01', '0044-03-15 (BC)'])::DATE"),
    ).toEqual(['Date32<DAY>', -1, 3789391, -735_160])
    expect(await raw("SELECT '24:00:00'::TIME")).toEqual(['Time64<MICROSECOND>', 86_400_000_000n])
  })

  it('[Q6] counts days and microseconds as DuckDB does over its whole calendar', async () => {
    const table = await arrow(
      `SELECT ts, epoch_us(ts), ts::DATE, datediff('day', DATE '1970-01-01', ts::DATE)::INTEGER, ts::TIME
       FROM (SELECT make_timestamp((hash(i) // 2)::BIGINT - 4611686018427387904) AS ts FROM range(2000) t(i))`,
    )
    const numbers = (index: number): readonly unknown[] => rawOf(table, index)
    expect(table.numRows).toBe(2_000)
    expect(numbers(0)).toEqual(numbers(1))
    expect(numbers(2)).toEqual(numbers(3))
    const day = 86_400_000_000n
    const ofDay = (micros: bigint): bigint => ((micros % day) + day) % day
    expect(numbers(4)).toEqual((numbers(1) as bigint[]).map(ofDay))
  })

  it('[Q6] passes text, bytes, uuids and what has no type of its own', async () => {
    expect(await column("SELECT unnest(['ä😀', NULL, '', 'x'])")).toEqual([
      'Utf8',
      ['ä😀', null, '', 'x'],
    ])
    expect(await column("SELECT unnest(['\\x00\\xFF'::BLOB, NULL, ''::BLOB])")).toEqual([
      'Binary',
      [new Uint8Array([0, 255]), null, new Uint8Array()],
    ])
    const uuids = await arrow("SELECT '00112233-4455-6677-8899-aabbccddeeff'::UUID AS u")
    expect(uuids.schema.fields[0]?.metadata.get('ARROW:extension:name')).toBe('arrow.uuid')
    expect(Buffer.from(uuids.getChild('u')?.get(0) as Uint8Array).toString('hex')).toBe(
      '00112233445566778899aabbccddeeff',
    )
    expect(await column("SELECT INTERVAL '1' DAY")).toEqual(['Utf8', ['1 day']])
    expect(await column("SELECT 'b''(c'::ENUM('a', 'b''(c')")).toEqual(['Utf8', ["b'(c"]])
    expect(await column('SELECT unnest([1.5::FLOAT, NULL])')).toEqual(['Float32', [1.5, null]])
  })

  it('[Q6] nests structs, lists, arrays and maps, each with nulls at every depth', async () => {
    const table = await arrow(
      `SELECT unnest([
        {'a b': 1::BIGINT, 'l': [1, NULL, 3], 'm': MAP {'k': [{'x': 1.5::DECIMAL(3,1)}], 'n': NULL}, 'f': [1, 2]::INTEGER[2]},
        NULL,
        {'a b': NULL, 'l': NULL, 'm': NULL, 'f': NULL},
        {'a b': 4, 'l': [], 'm': MAP {}, 'f': [NULL, 7]::INTEGER[2]}]) AS s`,
    )
    expect(String(table.schema.fields[0]?.type)).toBe(
      'Struct<{a b:Int64, l:List<Int32>, m:Map<{key:Utf8, value:List<Struct<{x:Decimal[3e+1]}>>}>, f:FixedSizeList[2]<Int32>}>',
    )
    const plain = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value, (_, inner: unknown) =>
          typeof inner === 'bigint' ? String(inner) : inner,
        ),
      )
    const rows = table.toArray().map((row: { s: unknown }) => plain(row.s)) as Record<
      string,
      unknown
    >[]
    expect(rows[0]).toMatchObject({ 'a b': '1', l: [1, null, 3], f: [1, 2] })
    expect(JSON.stringify(rows[0]?.['m'])).toContain('"n":null')
    expect(rows[1]).toBeNull()
    expect(rows[2]).toEqual({ 'a b': null, l: null, m: null, f: null })
    expect(rows[3]).toEqual({ 'a b': '4', l: [], m: {}, f: [null, 7] })
  })

  it('has a schema without rows, and a batch for each batch of rows, one at a time', async () => {
    const empty = await arrow('SELECT 1::BIGINT AS n, NULL::VARCHAR AS s LIMIT 0')
    expect([empty.numRows, empty.schema.fields.map(({ name }) => name)]).toEqual([0, ['n', 's']])
    const sent: number[] = []
    let read = 0
    const source = await ask('SELECT i FROM range(10000) t(i)')
    const counted = (async function* () {
      for await (const rows of source.batches) {
        read++
        yield rows
      }
    })()
    const chunks: Uint8Array[] = []
    const sink = async (chunk: Uint8Array): Promise<void> => {
      chunks.push(chunk)
      sent.push(read)
    }
    await writeArrowStream(sink, { ...source, batches: counted })
    // Nothing is read ahead of what the receiver has taken.
    expect(sent).toEqual([0, 1, 2, 3, 4, 5, 5])
    const batches: RecordBatch[] = [...RecordBatchReader.from(Buffer.concat(chunks))]
    expect(batches.map(({ numRows }) => numRows).reduce((sum, rows) => sum + rows)).toBe(10_000)
  })
})

describe('parseColumnType()', () => {
  it('reads nested names, quotes and parentheses inside quotes', () => {
    expect(
      parseColumnType('STRUCT("a ""b""" DECIMAL(4,2)[], c MAP(ENUM(\'x)\', \'y\'), DATE[3]))[]'),
    ).toEqual({
      kind: 'list',
      item: {
        kind: 'struct',
        members: [
          {
            name: 'a "b"',
            type: { kind: 'list', item: { kind: 'decimal', precision: 4, scale: 2 } },
          },
          {
            name: 'c',
            type: {
              kind: 'map',
              key: { kind: 'plain', name: 'ENUM' },
              value: { kind: 'array', length: 3, item: { kind: 'plain', name: 'DATE' } },
            },
          },
        ],
      },
    })
    expect(parseColumnType('TIMESTAMP WITH TIME ZONE')).toEqual({
      kind: 'plain',
      name: 'TIMESTAMP WITH TIME ZONE',
    })
  })
})
