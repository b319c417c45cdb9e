/**
 * One grammar of types, one of partition terms, one registry of table properties: each spelling gets the
 * same answer wherever people may write it.
 */
import { describe, expect, it } from 'vitest'
import { parseModelConfig } from '../../batch-jobs/settings/model-config.ts'
import {
  formatPartitionTerm,
  formatType,
  type NestedField,
  parsePartitionBy,
  partitionTermOf,
  parseType,
  type Schema,
  schemaFromJson,
} from '../../catalog/format/index.ts'
import { errorMessage } from '../../common/index.ts'
import { parseStreamSettings } from '../../ingest/settings/stream-document.ts'
import { type RawMap, type RawValue, variableSource } from '../../settings/index.ts'

type Entrance = (text: string) => string

/** The answer without the place, which each entrance names in its own way. */
function answer(entrance: Entrance, text: string): string {
  try {
    return entrance(text)
  } catch (error) {
    const reason = /not a (?:partition term|type): .*/s.exec(errorMessage(error))?.[0]
    return reason?.split('\n')[0]?.replace(/; output\..*|; schema\..*/, '') ?? errorMessage(error)
  }
}

interface StreamKeys {
  readonly partitionBy?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, string>>
}

function stream({ partitionBy, properties = {}, type }: StreamKeys) {
  return parseStreamSettings({
    text: JSON.stringify({
      name: 's',
      input: { kafka: { seed_brokers: ['b:9092'], topics: ['t'] } },
      ...(type === undefined ? {} : { schema: { fields: [{ name: 'c', type }] } }),
      output: {
        iceberg: {
          table: 'a.b',
          properties,
          ...(partitionBy === undefined ? {} : { partition_by: [partitionBy] }),
        },
      },
    }),
    file: 'streams/s.yaml',
    variables: variableSource({}),
    overrides: [],
    directory: '/project',
  }).settings
}

const columns = ['ts', 'id', 'a,b', 'a b', 'x.y', 'q"q', 'wörter', '16', 'a(b']
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: columns.map(
    (name, index): NestedField => ({
      id: index + 1,
      name,
      required: false,
      type: { type: name === 'ts' ? 'timestamptz' : 'string' },
    }),
  ),
}

const partitionEntrances: Readonly<Record<string, Entrance>> = {
  'a stream': (text) =>
    stream({ partitionBy: text }).output.partitionBy.map(formatPartitionTerm).join('; '),
  'a model, as a list': (text) => modelTerm([text]),
  'a model, as one text': (text) => modelTerm(text),
  'a table': (text) =>
    parsePartitionBy([text], schema)
      .fields.map((field) => partitionTermOf(columns[field.sourceId - 1] ?? '', field))
      .join('; '),
}

function modelTerm(partitionBy: RawValue): string {
  return modelConfig({ partition_by: partitionBy }).partitionBy.map(formatPartitionTerm).join('; ')
}

function modelConfig(keys: RawMap) {
  const config = { materialized: 'table', ...keys }
  const layers = [{ values: config, originOf: () => ({ kind: 'default' }) as const }]
  return parseModelConfig('model', layers)
}

describe('a partition term', () => {
  it.each([
    ['day(ts)', 'day(ts)'],
    ['days(ts)', 'day(ts)'],
    ['date(ts)', 'day(ts)'],
    ['Hours( ts )', 'hour(ts)'],
    ['id', 'id'],
    ['identity(id)', 'id'],
    ['void(id)', 'void(id)'],
    ['bucket(16, id)', 'bucket(16, id)'],
    ['bucket(id, 16)', 'bucket(16, id)'],
    ['bucket(16, "a,b")', 'bucket(16, "a,b")'],
    ['truncate("a b", 4)', 'truncate(4, "a b")'],
    ['truncate(4, a b)', 'truncate(4, "a b")'],
    ['bucket(4, "16")', 'bucket(4, "16")'],
    ['`a,b`', '"a,b"'],
    ['"a(b"', '"a(b"'],
    ['bucket(2, "q""q")', 'bucket(2, "q""q")'],
    ['x.y', 'x.y'],
    ['wörter', 'wörter'],
    ['days(ts) as d', 'day(ts) as d'],
    ['bucket(16, "a,b") AS "the shard"', 'bucket(16, "a,b") as "the shard"'],
  ])('%s is read as %s everywhere', (text, expected) => {
    for (const [name, entrance] of Object.entries(partitionEntrances)) {
      expect(`${name}: ${answer(entrance, text)}`).toBe(`${name}: ${expected}`)
    }
  })

  it.each([
    'identitys(id)',
    'voids(id)',
    'dya(ts)',
    'bucket(id)',
    'bucket(0, id)',
    'bucket(1.5, id)',
    'bucket(2147483648, id)',
    'day(ts, id)',
    'day(ts',
    'day("ts)',
    'day(ts) desc',
    'day(ts) as',
    'day(ts) as a b',
  ])('%s is refused for the same reason everywhere', (text) => {
    const reasons = Object.values(partitionEntrances).map((entrance) => answer(entrance, text))
    expect(reasons[0]).toContain(`not a partition term: "${text}"`)
    expect(new Set(reasons).size).toBe(1)
  })
})

const typeEntrances: Readonly<Record<string, Entrance>> = {
  'a stream': (type) =>
    stream({ type })
      .schema.fields.map(({ type }) => formatType(type))
      .join(),
  'a table': (text) => formatType(parseType(text)),
}

/** Metadata and REST hold nested types as objects, so that only primitive ones are text there. */
const primitiveEntrances: Readonly<Record<string, Entrance>> = {
  ...typeEntrances,
  'metadata and REST': (type) =>
    schemaFromJson({ fields: [{ id: 1, name: 'c', required: false, type }] } as never)
      .fields.map((field) => formatType(field.type))
      .join(),
}

describe('a type', () => {
  it.each([
    ['long', 'long'],
    ['Timestamptz', 'timestamptz'],
    ['decimal(9,2)', 'decimal(9, 2)'],
    ['fixed[16]', 'fixed[16]'],
    ['fixed(16)', 'fixed[16]'],
  ])('%s is read as %s everywhere', (text, expected) => {
    for (const [name, entrance] of Object.entries(primitiveEntrances)) {
      expect(`${name}: ${answer(entrance, text)}`).toBe(`${name}: ${expected}`)
    }
  })

  it('nested types are read alike', () => {
    for (const entrance of Object.values(typeEntrances)) {
      expect(answer(entrance, 'list<struct<a:int,"b c":string>>')).toBe(
        'list<struct<a: int, "b c": string>>',
      )
    }
  })

  it.each([
    'bigint',
    'strng',
    'decimal(39,2)',
    'decimal(2,3)',
    'decimal(9)',
    'fixed[0]',
    'fixed',
    'long long',
  ])('%s is refused for the same reason everywhere', (text) => {
    const reasons = Object.values(primitiveEntrances).map((entrance) => answer(entrance, text))
    expect(reasons[0]).toContain(`not a type: "${text}"`)
    expect(new Set(reasons).size).toBe(1)
  })
})

describe('a table property', () => {
  const entrances: Readonly<Record<string, (properties: Record<string, string>) => unknown>> = {
    'a stream': (properties) => stream({ properties }).output.properties,
    'a model': (properties) => modelConfig({ properties }).properties,
  }

  it.each([
    ['history.expire.max-snapshot-age-ms', '5d'],
    ['history.expire.max-snapshot-age-ms', '-1'],
    ['write.target-file-size-bytes', '64MB'],
    ['write.parquet.compression-codec', 'lzo'],
    ['gc.enabled', 'no'],
  ])('%s=%s is refused everywhere, by name', (name, value) => {
    for (const entrance of Object.values(entrances)) {
      expect(() => entrance({ [name]: value })).toThrow(`the table property ${name} must be`)
      expect(() => entrance({ [name]: value })).toThrow(`value=${value}`)
    }
  })

  it('names without effect and names of others are kept', () => {
    const properties = { 'write.foo': 'x', 'history.bar': '', owner: 'me' }
    for (const entrance of Object.values(entrances)) {
      expect(entrance(properties)).toEqual(properties)
    }
  })
})
