/**
 * A spelling of a time means the same on every way from a record to a row: flat columns, text of nested tables, at any
 * depth, strict and lenient (docs/spec/json-rows.md, J15).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  assignFreshIds,
  type NestedField,
  parseTimestamp,
  type Type,
} from '../../catalog/format/index.ts'
import type { EpochColumn, EpochUnit } from '../../ingest/decode/json/epoch-unit.ts'
import { openJsonDecoder } from '../../ingest/decode/json/json-decoder.ts'
import { DecodeResult } from '../../ingest/decode/row-decoder.ts'
import { SpoolWriter } from '../../ingest/spool/spool-writer.ts'
import { createDataFileWriter, type Database, openDatabase } from '../../sql/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { batchOf } from '../support/record-batches.ts'

const place = { offset: '$o', timestamp: '$t', partition: '$p', record: '$r' }

let database: Database
let directory: string
let written = 0
beforeAll(async () => {
  database = await openDatabase({ threads: 1 })
  directory = await mkdtemp(join(tmpdir(), 'tidewater-times-'))
})
afterAll(async () => {
  database.close()
  await rm(directory, { recursive: true, force: true })
})

/** A way from a record to a row: where the value stands, and the SQL that finds it again. */
interface Way {
  readonly name: string
  readonly coercion: 'strict' | 'lenient'
  readonly type: (leaf: Type) => Type
  readonly json: (value: string) => string
  readonly path: readonly string[]
  readonly sql: string
}

const field = (name: string, type: Type): NestedField => ({ id: 0, name, required: false, type })
const places: readonly Omit<Way, 'coercion'>[] = [
  { name: 'column', type: (leaf) => leaf, json: (value) => value, path: ['v'], sql: 'v' },
  {
    name: 'member of a struct',
    type: (leaf) => ({ type: 'struct', fields: [field('m', leaf)] }),
    json: (value) => `{"m": ${value} }`,
    path: ['v', 'm'],
    sql: 'v.m',
  },
  {
    name: 'element of a list',
    type: (leaf) => ({ type: 'list', elementId: 0, elementRequired: false, element: leaf }),
    json: (value) => `[null,${value}]`,
    path: ['v', 'element'],
    sql: 'v[2]',
  },
  {
    name: 'value of a map',
    type: (leaf) => ({
      type: 'map',
      keyId: 0,
      key: { type: 'string' },
      valueId: 0,
      valueRequired: false,
      value: leaf,
    }),
    json: (value) => `{"k":${value}}`,
    path: ['v', 'value'],
    sql: "v['k']",
  },
]
const ways: readonly Way[] = (['strict', 'lenient'] as const).flatMap((coercion) =>
  places.map((each) => ({ ...each, coercion })),
)

/** What each value became: microseconds (of the day for a time), or `refused`. */
async function through(
  way: Way,
  type: Type['type'],
  values: readonly string[],
  unit?: EpochUnit,
): Promise<readonly (bigint | 'refused')[]> {
  const fields = [field('n', { type: 'long' }), field('v', way.type({ type } as Type))]
  const { schema } = assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields })
  const epochColumns: readonly EpochColumn[] = unit === undefined ? [] : [{ path: way.path, unit }]
  const decoder = openJsonDecoder(fields, place, { coercion: way.coercion, epochColumns })
  const writer = new SpoolWriter()
  const rows = writer.rows(decoder.format)
  const records = values.map((value, index) => `{"n":${index},"v":${way.json(value)}}`)
  const batch = batchOf(records.map((record) => ({ key: null, value: Buffer.from(record) })))
  const found: (bigint | 'refused')[] = values.map(() => 'refused')
  for (const index of records.keys()) {
    const result = decoder.decode(batch, index, rows)
    expect([DecodeResult.good, DecodeResult.bad]).toContain(result)
  }
  if (rows.rowCount === 0) return found
  const spool = await writer.write(join(directory, `spool-${++written}`))
  await spool.written
  const { files } = await createDataFileWriter(database).write({
    schema,
    spec: { specId: 0, fields: [] },
    spools: [spool],
    directory,
    sideFields: [],
    properties: {},
  })
  for (const { localPath } of files) {
    const answer = await database.withConnection((connection) =>
      connection.runAndReadAll(`SELECT n, epoch_us(${way.sql}) FROM read_parquet('${localPath}')`),
    )
    for (const [index, value] of answer.getRows()) found[Number(index)] = value as bigint
  }
  return found
}

interface Spelling {
  readonly type: 'time' | 'timestamp' | 'timestamptz'
  readonly unit?: EpochUnit
  readonly json: string
  /** An instant of UTC, a time of day, or undefined where strict refuses it. */
  readonly means: string | undefined
  /** What the engine makes of it where coercion is lenient, if not the same. */
  readonly lenient?: 'anything'
}

const text = (value: string): string => JSON.stringify(value)
const spellings: readonly Spelling[] = [
  { type: 'timestamptz', json: text('2024-05-01T10:00Z'), means: '2024-05-01T10:00:00Z' },
  { type: 'timestamptz', json: text('2024-05-01 10:00+02:00'), means: '2024-05-01T08:00:00Z' },
  { type: 'timestamptz', json: text('2024-05-01T10:00-0130'), means: '2024-05-01T11:30:00Z' },
  { type: 'timestamptz', json: text('2024-05-01T10:00z'), means: '2024-05-01T10:00:00Z' },
  { type: 'timestamptz', json: text('2024-05-01T10:00:00z'), means: '2024-05-01T10:00:00Z' },
  {
    type: 'timestamptz',
    json: text('2024-05-01T10:00:00.1234560Z'),
    means: '2024-05-01T10:00:00.123456Z',
  },
  {
    type: 'timestamptz',
    json: text('2024-05-01T10:00:00.123456000Z'),
    means: '2024-05-01T10:00:00.123456Z',
  },
  {
    type: 'timestamptz',
    json: text('2024-05-01T10:00:00.100000000000+05:45'),
    means: '2024-05-01T04:15:00.1Z',
  },
  {
    type: 'timestamptz',
    json: text('1969-12-31T23:59:59.999999Z'),
    means: '1969-12-31T23:59:59.999999Z',
  },
  { type: 'timestamptz', json: text('0001-01-01T00:00Z'), means: '0001-01-01T00:00:00Z' },
  {
    type: 'timestamptz',
    json: text('2024-05-01T10:00:00.1234567Z'),
    means: undefined,
    lenient: 'anything',
  },
  { type: 'timestamptz', json: text('2024-05-01T10Z'), means: undefined, lenient: 'anything' },
  { type: 'timestamptz', json: text('2024-05-01T10:0Z'), means: undefined, lenient: 'anything' },
  { type: 'timestamp', json: text('2024-05-01T10:00'), means: '2024-05-01T10:00:00Z' },
  { type: 'timestamp', json: text('2024-05-01 10:00'), means: '2024-05-01T10:00:00Z' },
  {
    type: 'timestamp',
    json: text('1901-05-01T10:00:00.000001000'),
    means: '1901-05-01T10:00:00.000001Z',
  },
  {
    type: 'timestamp',
    json: text('2024-05-01T10:00:00.0000001'),
    means: undefined,
    lenient: 'anything',
  },
  { type: 'time', json: text('10:00'), means: '10:00' },
  { type: 'time', json: text('10:00:01.5'), means: '10:00:01.5' },
  { type: 'time', json: text('10:00:01.123456000'), means: '10:00:01.123456' },
  { type: 'time', json: text('23:59:59.999999'), means: '23:59:59.999999' },
  { type: 'time', json: text('24:00'), means: undefined, lenient: 'anything' },
  {
    type: 'timestamptz',
    unit: 'unix_ms',
    json: '1714557600123',
    means: '2024-05-01T10:00:00.123Z',
  },
  {
    type: 'timestamptz',
    unit: 'unix_ms',
    json: text('1714557600123'),
    means: '2024-05-01T10:00:00.123Z',
  },
  {
    type: 'timestamptz',
    unit: 'unix_ms',
    json: '1714557600123.456',
    means: '2024-05-01T10:00:00.123456Z',
  },
  {
    type: 'timestamptz',
    unit: 'unix_ms',
    json: '1.714557600123E12',
    means: '2024-05-01T10:00:00.123Z',
  },
  { type: 'timestamptz', unit: 'unix_ms', json: '-1', means: '1969-12-31T23:59:59.999Z' },
  { type: 'timestamptz', unit: 'unix_ms', json: '-62135596800000', means: '0001-01-01T00:00:00Z' },
  {
    type: 'timestamptz',
    unit: 'unix_ms',
    json: '253402300799999',
    means: '9999-12-31T23:59:59.999Z',
  },
  { type: 'timestamptz', unit: 'unix_ms', json: '253402300800000', means: undefined },
  { type: 'timestamptz', unit: 'unix_ms', json: '-62135596800001', means: undefined },
  { type: 'timestamptz', unit: 'unix_ms', json: '9'.repeat(40), means: undefined },
  { type: 'timestamptz', unit: 'unix_ms', json: '1e300', means: undefined },
  { type: 'timestamptz', unit: 'unix_ms', json: '0.0005', means: undefined },
  { type: 'timestamptz', unit: 'unix_s', json: '1714557600', means: '2024-05-01T10:00:00Z' },
  {
    type: 'timestamptz',
    unit: 'unix_s',
    json: '1714557600.123456000',
    means: '2024-05-01T10:00:00.123456Z',
  },
  { type: 'timestamptz', unit: 'unix_s', json: '-0.000001', means: '1969-12-31T23:59:59.999999Z' },
  { type: 'timestamptz', unit: 'unix_s', json: text('-1.5'), means: '1969-12-31T23:59:58.5Z' },
  { type: 'timestamptz', unit: 'unix_s', json: '1714557600.1234567', means: undefined },
  {
    type: 'timestamptz',
    unit: 'unix_us',
    json: '1714557600123456',
    means: '2024-05-01T10:00:00.123456Z',
  },
  { type: 'timestamptz', unit: 'unix_us', json: '0', means: '1970-01-01T00:00:00Z' },
  { type: 'timestamptz', unit: 'unix_us', json: '0.5', means: undefined },
  { type: 'timestamp', unit: 'unix_ms', json: '1714557600123', means: '2024-05-01T10:00:00.123Z' },
  {
    type: 'timestamptz',
    unit: 'unix_ms',
    json: text('2024-05-01T10:00:00Z'),
    means: undefined,
    lenient: 'anything',
  },
  { type: 'timestamptz', unit: 'unix_ms', json: 'true', means: undefined, lenient: 'anything' },
]

function microsOf({ type, means }: Spelling): bigint | 'refused' {
  if (means === undefined) return 'refused'
  const instant = type === 'time' ? `1970-01-01T${means}Z` : means
  const micros = parseTimestamp(instant, true)
  if (micros === undefined) throw new Error(`not an instant: ${means}`)
  return micros
}

/** Spellings that are read together: of one column type and unit. */
function grouped(all: readonly Spelling[]): readonly (readonly Spelling[])[] {
  const groups = new Map<string, Spelling[]>()
  for (const spelling of all) {
    const key = `${spelling.type} ${spelling.unit ?? ''}`
    groups.set(key, [...(groups.get(key) ?? []), spelling])
  }
  return [...groups.values()]
}

async function expectMeanings(way: Way, all: readonly Spelling[]): Promise<void> {
  const asked = all.filter(({ lenient }) => way.coercion === 'strict' || lenient === undefined)
  for (const group of grouped(asked)) {
    const [{ type, unit } = { type: 'time' as const, unit: undefined }] = group
    const values = group.map(({ json }) => json)
    const found = await through(way, type, values, unit)
    expect(values.map((value, index) => [value, found[index]])).toEqual(
      group.map((spelling) => [spelling.json, microsOf(spelling)]),
    )
  }
}

const millis = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 })
const zones = fc.constantFrom('Z', 'z', '+00:00', '-05:30', '+0545', '+14', '-11')

/** A random instant, in a random one of its spellings. */
const anySpelling: fc.Arbitrary<Spelling> = fc
  .tuple(
    fc.integer({ min: -60_000_000_000, max: 250_000_000_000 }),
    fc.integer({ min: 0, max: 999_999 }),
    zones,
    fc.constantFrom('T', ' '),
    fc.integer({ min: 0, max: 4 }),
  )
  .chain(([seconds, fraction, zone, gap, zeros]) => {
    const iso = new Date(seconds * 1000).toISOString().slice(0, 19)
    const decimals = String(fraction).padStart(6, '0')
    const local = iso.replace('T', gap)
    const exact = BigInt(seconds) * 1_000_000n + BigInt(fraction)
    const withZone = `${local}.${decimals}${'0'.repeat(zeros)}${zone}`
    const utc = /^z$/i.test(zone)
    const minutes = utc ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`
    const digits = String(exact < 0n ? -exact : exact).padStart(7, '0')
    const asSeconds = `${exact < 0n ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`
    return fc.constantFrom<Spelling>(
      { type: 'timestamptz', json: text(withZone), means: `${iso}.${decimals}${minutes}` },
      {
        type: 'timestamptz',
        json: text(`${local.slice(0, 16)}${zone}`),
        means: `${iso.slice(0, 16)}${minutes}`,
      },
      { type: 'timestamp', json: text(`${local}.${decimals}`), means: `${iso}.${decimals}Z` },
      { type: 'timestamptz', unit: 'unix_us', json: String(exact), means: `${iso}.${decimals}Z` },
      { type: 'timestamptz', unit: 'unix_s', json: asSeconds, means: `${iso}.${decimals}Z` },
      { type: 'timestamptz', unit: 'unix_s', json: text(asSeconds), means: `${iso}.${decimals}Z` },
      {
        type: 'time',
        json: text(`${iso.slice(11)}.${decimals}`),
        means: `${iso.slice(11)}.${decimals}`,
      },
    )
  })

describe('spellings of times', () => {
  it.each(ways)('[J15] C6 mean the same: $coercion, $name', async (way) => {
    await expectMeanings(way, spellings)
  })

  it.each(ways)('[J15] C6 mean the same whatever the instant: $coercion, $name', async (way) => {
    const many = fc.array(anySpelling, { minLength: 10, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(many, (all) => expectMeanings(way, all)),
      { numRuns: fuzzEffort, endOnFailure: true },
    )
  })

  it.each(ways.filter(({ path }) => path.length === 1))(
    '[J15] C6 milliseconds are exact over the whole calendar: $coercion, $name',
    async (way) => {
      const many = fc.array(millis, { minLength: 50, maxLength: 100 })
      await fc.assert(
        fc.asyncProperty(many, async (all) => {
          const found = await through(way, 'timestamptz', all.map(String), 'unix_ms')
          expect(found).toEqual(all.map((each) => BigInt(each) * 1000n))
        }),
        { numRuns: fuzzEffort, endOnFailure: true },
      )
    },
  )
})
