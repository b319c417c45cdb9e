import { describe, expect, it } from 'vitest'
import { parseStreamSettings } from '../settings/stream-document.ts'
import { variableSource } from '../../settings/index.ts'
import { requireFillable, tableFaults } from './table-faults.ts'

function settings(schema: string, partitionBy = '[]', metadata = 'struct') {
  return parseStreamSettings({
    text: `name: s
input: {kafka: {seed_brokers: ["b:9092"], topics: [t]}}
metadata: ${metadata}
schema: ${schema}
output: {iceberg: {table: a.b${partitionBy === '[]' ? '' : `, partition_by: ${partitionBy}`}}}`,
    file: 'streams/s.yaml',
    variables: variableSource({}),
    overrides: [],
    directory: '/project',
  }).settings
}

function told(schema: string, partitionBy?: string, metadata?: string): readonly string[] {
  const faults = tableFaults(settings(schema, partitionBy, metadata))
  return faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

const orders = `{fields: [{name: id, type: long}, {name: ts, type: timestamptz}, {name: i, type: int},
  {name: user, type: "struct<id: long>"}, {name: "x.y", type: string}]}`

describe('tableFaults()', () => {
  it('finds nothing in what can be filled', () => {
    expect(told('{mode: json_infer}', '["day(ts)", region]')).toEqual([])
    expect(told(orders, '["day(ts)", "bucket(4,id)", "truncate(2,i)", x.y]')).toEqual([])
    expect(told(orders, '[_kafka_partition]', 'columns')).toEqual([])
    expect(told('{fields: [{name: _kafka, type: long}]}', '[]', 'none')).toEqual([])
  })

  it('checks each partition term against the declared fields', () => {
    const terms =
      '["day(i)", "year(zz)", "bucket(4,user.id)", "day(ts)", "days(ts)", user, "day(ts)"]'
    const at = (index: number) => `output.iceberg.partition_by.${index}: `
    expect(told(orders, terms)).toEqual([
      `${at(0)}this partition transform does not fit the type of its column: transform=day column=i type=int`,
      expect.stringContaining(`${at(1)}partition column does not exist`),
      `${at(2)}a stream's table is partitioned by top-level columns only, and user.id leads into a struct`,
      expect.stringContaining(`${at(4)}the same partition field is given twice`),
      expect.stringContaining(`${at(5)}this partition transform does not fit`),
      expect.stringContaining(`${at(6)}the same partition field is given twice`),
    ])
  })

  it('leaves a dot in a term of an inferred schema to the sample: records may have such a key', () => {
    const terms = `[service.name, "bucket(4,user.id)", 'day("x.y")', '\`a.b\`']`
    expect(told('{mode: json_infer}', terms)).toEqual([])
  })

  it.each([
    ['[{name: a, type: "fixed[3]"}]', '0.type: fixed columns cannot be filled from json'],
    ['[{name: a, type: "list<struct<b: fixed(3)>>"}]', '0.type: fixed columns cannot be filled'],
    ['[{name: a, type: "map<int, int>"}]', '0.type: a map filled from json needs string keys'],
    ['[{name: _kafka, type: long}]', '0.name: "_kafka" is a column that metadata: struct adds'],
    ['[{name: _KAFKA, type: long}]', '0.name: "_KAFKA" is a column that metadata: struct adds'],
    [
      '[{name: a, type: "struct<b: int>"}, {name: a.b, type: int}]',
      '1.name: two columns would be called "a.b"; rename one',
    ],
    [
      '[{name: a.b, type: int}, {name: A, type: "struct<B: int>"}]',
      '1.name: two columns would be called "A.B"',
    ],
    ['[{name: a, type: "struct<b: int, B: int>"}]', '0.name: two columns would be called "a.B"'],
    [
      '[{name: "a\\0b", type: int}]',
      '0.name: no column can be called "a\\u0000b": it holds a zero byte',
    ],
    ['[{name: a, type: {type: struct, fields: [{name: "\\0", type: int}]}}]', 'a zero byte'],
  ])('refuses the fields %s', (fields, message) => {
    const [fault, ...more] = told(`{fields: ${fields}}`)
    expect(fault).toMatch(/^schema\.fields\./)
    expect(fault).toContain(message)
    expect(more).toEqual([])
  })

  it('tells faults of fields and terms at once, but no term over fields that clash', () => {
    const fixed = '[{name: a, type: "fixed(3)"}, {name: b, type: int}]'
    expect(told(`{fields: ${fixed}}`, '["day(b)"]')).toHaveLength(2)
    const clash = '[{name: _kafka, type: int}, {name: b, type: int}]'
    expect(told(`{fields: ${clash}}`, '["day(_kafka)"]')).toHaveLength(1)
  })

  it('requireFillable() looks at the columns that a sample brought', () => {
    const sampled = settings(orders).schema.fields
    const check = (term: string) => () =>
      requireFillable(settings('{mode: json_infer}', `['${term}']`), sampled)
    expect(check('bucket(4,"x.y")')).not.toThrow()
    expect(check('x.y')).not.toThrow()
    expect(check('bucket(4,user.id)')).toThrow('user.id leads into a struct')
    expect(check('bucket(4,"user.id")')).toThrow('output.iceberg.partition_by.0: a stream')
    expect(check('day(tz)')).toThrow('partition column does not exist')
    const clash = [{ id: 0, name: '_Kafka', type: { type: 'long' as const }, required: false }]
    const inferred = (metadata: string) => settings('{mode: json_infer}', '[]', metadata)
    expect(() => requireFillable(inferred('struct'), clash)).toThrow(
      'metadata: "_Kafka" is a column that metadata: struct adds',
    )
    expect(() => requireFillable(inferred('columns'), clash)).not.toThrow()
    const declared = settings('{fields: [{name: a, type: "fixed(3)"}]}')
    expect(() => requireFillable(declared, [])).toThrow('fixed columns cannot be filled')
  })
})
