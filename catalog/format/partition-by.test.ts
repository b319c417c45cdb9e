import { describe, expect, it } from 'vitest'
import { parsePartitionBy } from './partition-by.ts'
import { formatTransform } from './transform-text.ts'
import type { Schema } from './types.ts'

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'ts', required: true, type: { type: 'timestamptz' } },
    { id: 2, name: 'id', required: true, type: { type: 'long' } },
    { id: 3, name: 'name', required: false, type: { type: 'string' } },
    { id: 4, name: 'a,b', required: false, type: { type: 'string' } },
    { id: 5, name: 'x.y', required: false, type: { type: 'string' } },
    {
      id: 6,
      name: 'event',
      required: false,
      type: {
        type: 'struct',
        fields: [{ id: 7, name: 'at', required: false, type: { type: 'date' } }],
      },
    },
    {
      id: 8,
      name: 'list',
      required: false,
      type: { type: 'list', elementId: 9, elementRequired: true, element: { type: 'int' } },
    },
    { id: 10, name: 'id_bucket', required: false, type: { type: 'int' } },
    { id: 11, name: 'score', required: false, type: { type: 'double' } },
  ],
}

describe('parsePartitionBy()', () => {
  it('avoids the names of columns where it is asked to, but keeps a name that is given', () => {
    const avoid = (text: string): unknown =>
      parsePartitionBy([text], schema, { avoidsColumns: true }).fields[0]?.name
    expect(avoid('bucket(4, id)')).toBe('id_bucket_2')
    expect(avoid('day(ts)')).toBe('ts_day')
    expect(() => avoid('day(ts) as id')).toThrow(/name of a column/)
  })

  it.each([
    ['day(ts)', 'ts_day', 1, 'day'],
    ['days(ts)', 'ts_day', 1, 'day'],
    ['hour( ts )', 'ts_hour', 1, 'hour'],
    ['MONTH(ts)', 'ts_month', 1, 'month'],
    ['years(ts)', 'ts_year', 1, 'year'],
    ['bucket(16, name)', 'name_bucket', 3, 'bucket[16]'],
    ['bucket(name, 16)', 'name_bucket', 3, 'bucket[16]'],
    ['truncate(4, name)', 'name_trunc', 3, 'truncate[4]'],
    ['identity(name)', 'name', 3, 'identity'],
    ['name', 'name', 3, 'identity'],
    ['bucket(2, "a,b")', 'a,b_bucket', 4, 'bucket[2]'],
    ['`a,b`', 'a,b', 4, 'identity'],
    ['x.y', 'x.y', 5, 'identity'],
    ['day(event.at)', 'event.at_day', 7, 'day'],
    ['day(ts) as d', 'd', 1, 'day'],
    ['bucket(4, id) as shard', 'shard', 2, 'bucket[4]'],
    ['name as "the name"', 'the name', 3, 'identity'],
  ])('reads %s', (text, name, sourceId, transform) => {
    const { fields } = parsePartitionBy([text], schema)
    expect(
      fields.map((field) => ({ ...field, transform: formatTransform(field.transform) })),
    ).toEqual([{ name, sourceId, transform, fieldId: 1000 }])
  })

  it('counts field ids up and gives spec 0', () => {
    const spec = parsePartitionBy(['day(ts)', 'name', 'bucket(4, name)'], schema)
    expect(spec.specId).toBe(0)
    expect(spec.fields.map((field) => field.fieldId)).toEqual([1000, 1001, 1002])
    expect(parsePartitionBy([], schema)).toEqual({ specId: 0, fields: [] })
  })

  it.each([
    [['day(when)'], /partition column does not exist.*column=when/],
    [['day(TS)'], /did you mean ts/],
    [['week(ts)'], /not a partition term.*write day\(ts\)/],
    [['bucket(0, id)'], /not a partition term/],
    [['bucket(id)'], /not a partition term/],
    [['day(ts'], /not a partition term/],
    [[''], /not a partition term/],
    [['day(name)'], /does not fit the type.*column=name type=string/],
    [['bucket(4, score)'], /does not fit the type/],
    [['event'], /does not fit the type/],
    [['list.element'], /list or map/],
    [['day(ts)', 'days(ts)'], /given twice/],
    [['bucket(4, name)', 'bucket(8, name)'], /same name/],
    [['bucket(4, id)'], /name of a column.*name the field: bucket\(4, id\) as …/],
    [['bucket(4, id) as score'], /name of a column.*name the field: bucket\(4, id\) as …/],
    [['day(ts) as ts'], /name of a column/],
    [['name as id'], /name of a column/],
    [['day(ts) as "event.at"'], /name of a column/],
    [['day(ts) as d', 'bucket(4, name) as d'], /same name/],
  ])('refuses %s', (texts, message) => {
    expect(() => parsePartitionBy(texts, schema)).toThrow(message)
  })
})
