/**
 * Rows spooled as JSON and as columns must become the same rows of a table: one is parsed by the engine,
 * the other is converted by us (docs/spec/json-rows.md, J11).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NestedField, Schema, Type } from '../../catalog/format/index.ts'
import type { SideField } from '../../catalog/index.ts'
import { columnLayout } from '../../ingest/spool/column-layout.ts'
import {
  JsonColumnsDecoder,
  JsonTextDecoder,
  openJsonDecoder,
} from '../../ingest/decode/json/json-decoder.ts'
import { RowScanner } from '../../ingest/decode/json/row-scanner.ts'
import { compileScanPlan } from '../../ingest/decode/json/scan-plan.ts'
import { DecodeResult, type RowDecoder } from '../../ingest/decode/row-decoder.ts'
import { SpoolWriter } from '../../ingest/spool/spool-writer.ts'
import { RecordColumns } from '../../ingest/record-batch/record-columns.ts'
import type { RecordBatch } from '../../ingest/record-batch/record-batch.ts'
import { createDataFileWriter, type Database, openDatabase } from '../../sql/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'

const place = { offset: '$o', timestamp: '$t', partition: '$p', record: '$r', topic: '$topic' }
const sideFields: SideField[] = [
  { field: '_offset', from: { kind: 'key', key: '$o', type: 'long' } },
  { field: '_topic', from: { kind: 'key', key: '$topic', type: 'string' } },
  { field: '_time', from: { kind: 'millis', key: '$t' } },
]
const sideTypes = { _offset: 'long', _topic: 'string', _time: 'timestamptz' } as const
const types: Readonly<Record<string, Type>> = {
  boolean: { type: 'boolean' },
  int: { type: 'int' },
  long: { type: 'long' },
  float: { type: 'float' },
  double: { type: 'double' },
  string: { type: 'string' },
  date: { type: 'date' },
  time: { type: 'time' },
  timestamp: { type: 'timestamp' },
  timestamptz: { type: 'timestamptz' },
  uuid: { type: 'uuid' },
  binary: { type: 'binary' },
  decimal: { type: 'decimal', precision: 18, scale: 4 },
  fine: { type: 'decimal', precision: 38, scale: 38 },
}
const names = Object.keys(types)

let database: Database
let directory: string
let written = 0
beforeAll(async () => {
  database = await openDatabase({ threads: 1 })
  directory = await mkdtemp(join(tmpdir(), 'tidewater-spools-'))
})
afterAll(async () => {
  database.close()
  await rm(directory, { recursive: true, force: true })
})

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    ...names.map((name, index) => field(index + 1, name, types[name] ?? { type: 'string' })),
    ...Object.entries(sideTypes).map(([name, type], index) => field(100 + index, name, { type })),
  ],
}
const jsonFields = schema.fields.filter((candidate) => candidate.id < 100)

function field(id: number, name: string, type: Type): NestedField {
  return { id, name, required: false, type }
}

function batchOf(records: readonly string[]): RecordBatch {
  const columns = new RecordColumns(records.length)
  const data = Buffer.from(records.join('\n'))
  let at = 0
  for (const [index, record] of records.entries()) {
    columns.setOffsetBigint(index, 9_007_199_254_740_990n + BigInt(index))
    columns.setTimestampBigint(index, BigInt(index) - 3n)
    columns.valueStarts[index] = at
    at += Buffer.byteLength(record)
    columns.valueEnds[index] = at
    at += 1
  }
  columns.count = records.length
  return columns.toBatch({ topic: 'tópic', partition: 7, data, timestampType: 0, nextOffset: 0n })
}

interface Outcome {
  readonly results: readonly number[]
  readonly rows: readonly Record<string, unknown>[]
  /** Places among the good records of those that the engine's parser refused. */
  readonly refused: ReadonlySet<number>
}

async function throughSpool(records: readonly string[], isColumnar: boolean): Promise<Outcome> {
  const scanner = new RowScanner(compileScanPlan(jsonFields, 'strict'))
  const layout = columnLayout(jsonFields, place)
  const decoder: RowDecoder = isColumnar
    ? new JsonColumnsDecoder(scanner, { coordinateKeys: place, layout })
    : new JsonTextDecoder(scanner, place)
  const writer = new SpoolWriter()
  const rows = writer.rows(decoder.format)
  const batch = batchOf(records)
  const results = records.map((_, index) => decoder.decode(batch, index, rows))
  if (rows.rowCount === 0) return { results, rows: [], refused: new Set() }
  const spool = await writer.write(join(directory, `spool-${++written}`))
  await spool.written
  const { files, refused } = await createDataFileWriter(database).write({
    schema,
    spec: { specId: 0, fields: [] },
    spools: [spool],
    directory,
    sideFields,
    properties: {},
  })
  const places = new Set(refused.map(({ row }) => row))
  if (files.length === 0) return { results, rows: [], refused: places }
  const paths = files.map((file) => `'${file.localPath}'`).join(', ')
  const found = await database.withConnection((connection) =>
    connection.runAndReadAll(`SELECT * FROM read_parquet([${paths}]) ORDER BY _offset`),
  )
  return { results, rows: found.getRowObjectsJson(), refused: places }
}

async function expectSame(records: readonly string[]): Promise<void> {
  const columns = await throughSpool(records, true)
  const json = await throughSpool(records, false)
  expect(columns.results).toEqual(json.results)
  expect([columns.refused.size, json.refused.size]).toEqual([0, 0])
  expect(columns.rows.map(unsigned)).toEqual(json.rows.map(unsigned))
}

/** The engine loses the sign of zero now and then: of -0, and of what a float is too narrow for. */
function unsigned(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, Object.is(value, -0) ? 0 : value]),
  )
}

const quoted = (text: string): string => JSON.stringify(text)
const digits = (length: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^[1-9][0-9]{0,${length - 1}}$`))
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'))
const day = fc
  .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const fraction = fc.option(fc.stringMatching(/^\.([0-9]{1,6}|[0-9]{6}0{1,3})$/), { nil: '' })
const minutes = fc
  .tuple(day, fc.constantFrom('T', ' '), clock)
  .map(([date, gap, time]) => `${date}${gap}${time}`)
const stamp = fc.tuple(minutes, fraction).map(([text, rest]) => `${text}:07${rest}`)
const zone = fc.constantFrom('Z', 'z', '+00:00', '-05:30', '+0545', '+14')
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(digits(9), digits(7)).map(([whole, part]) => `-${whole}.${part}`),
  fc.tuple(digits(14), digits(14)).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom('0', '-0', '-0.0', '0.1', '1e22', '1E-7', '123456789012345', '4.35', '0.000001'),
)

/** Values that fit, and some that do not. */
const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
  boolean: fc.constantFrom('true', 'false', 'true', '1'),
  int: fc.oneof(
    fc.integer().map(String),
    fc.constantFrom('2147483647', '-2147483648', '-0', '1.5'),
  ),
  long: fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.integer().map(String),
    fc.constantFrom('9007199254740993', '999999999999999', '-1', '-0', '9223372036854775808'),
  ),
  float: fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }).map(String), number),
  double: number,
  string: fc.oneof(fc.string({ unit: 'grapheme' }).map(quoted), fc.string().map(quoted)),
  date: day.map(quoted),
  time: fc.oneof(
    clock.map(quoted),
    fc.tuple(clock, fraction).map(([time, rest]) => quoted(`${time}:59${rest}`)),
  ),
  timestamp: fc.oneof(stamp, minutes).map(quoted),
  timestamptz: fc
    .tuple(fc.oneof(stamp, minutes), zone)
    .map(([text, where]) => quoted(text + where)),
  uuid: fc.uuid().map(quoted),
  binary: fc.uint8Array().map((bytes) => quoted(Buffer.from(bytes).toString('base64'))),
  decimal: fc.oneof(
    fc.tuple(digits(14), digits(4)).map(([whole, part]) => `${whole}.${part}`),
    fc.tuple(digits(14), digits(4)).map(([whole, part]) => quoted(`-${whole}.${part}`)),
    fc.constantFrom('0', '-1', '1.23456'),
  ),
  fine: digits(15).map((part) => `0.${part}`),
}

const record = fc
  .tuple(...names.map((name) => fc.option(values[name] ?? fc.constant('null'), { freq: 8 })))
  .chain((members) => {
    const present = members.flatMap((text, index) =>
      text === null ? [] : [`${quoted(names[index] ?? '')}:${text}`],
    )
    return fc.shuffledSubarray(present, { minLength: Math.min(present.length, 1) })
  })
  .map((members) => `{${members.join(', ')}}`)

describe('spool formats', () => {
  it('[J11] columns hold what the engine would have parsed, whatever the record', async () => {
    const records = fc.array(record, { minLength: 20, maxLength: 60 })
    await fc.assert(fc.asyncProperty(records, expectSame), {
      numRuns: 8 * fuzzEffort,
      // Shrinking sixty records takes longer than reading them.
      endOnFailure: true,
    })
  })

  it('[J11] a record found faulty half-way leaves nothing behind', async () => {
    const good = `{"string":"kept","long":1,"double":0.5}`
    const bad = `{"string":"lost","decimal":"1.5","long":2,"double":"x"}`
    const { results, rows } = await throughSpool([good, bad, good], true)
    expect(results).toEqual([DecodeResult.good, DecodeResult.bad, DecodeResult.good])
    expect(rows).toMatchObject([
      { string: 'kept', long: '1', double: 0.5, decimal: null },
      { string: 'kept', long: '1', double: 0.5, decimal: null },
    ])
    await expectSame([good, bad, good])
  })

  it('[J11] escapes, nulls and more rows than one growth of the buffers', async () => {
    const records = Array.from({ length: 2500 }, (_, index) =>
      index % 3 === 0
        ? `{"string":"\\u00e9\\n${index}","boolean":${index % 2 === 0}}`
        : `{"string":null,"long":${index},"boolean":${index % 2 === 0}}`,
    )
    await expectSame(records)
  })

  it('[J2] refuses an instant that its zone moves out of the calendar', async () => {
    const records = ['0001-01-01T03:00:00+05:45', '9999-12-31T20:00:00-0401', '0001-01-01T06:00+06']
    const { results } = await throughSpool(
      records.map((text) => `{"timestamptz":"${text}"}`),
      true,
    )
    expect(results).toEqual([DecodeResult.bad, DecodeResult.bad, DecodeResult.good])
  })

  it('[J2] takes a zone after minutes, which the engine does not parse', async () => {
    const { rows } = await throughSpool(['{"timestamptz":"2024-02-29T23:30-01:00"}'], true)
    expect(rows).toMatchObject([{ timestamptz: '2024-03-01 00:30:00+00' }])
  })

  it('is columnar only where every column is flat and the coercion strict', () => {
    const nested: NestedField[] = [field(1, 'a', { type: 'struct', fields: [] })]
    const layoutOf = (fields: readonly NestedField[], coercion: 'strict' | 'lenient') =>
      openJsonDecoder(fields, place, { coercion }).format.layout
    expect(layoutOf(nested, 'strict')).toBeUndefined()
    expect(layoutOf(jsonFields, 'lenient')).toBeUndefined()
    expect(layoutOf(jsonFields, 'strict')?.fields).toHaveLength(names.length)
  })
})
