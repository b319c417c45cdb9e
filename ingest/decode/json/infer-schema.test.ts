/** What a sample of records becomes; above all that one bad record costs no good one. */
import { describe, expect, it } from 'vitest'
import { formatType } from '../../../catalog/format/index.ts'
import { evolveSchema } from './evolve-schema.ts'
import { inferFields } from './infer-schema.ts'
import { DecodeResult } from '../row-decoder.ts'
import { RowScanner } from './row-scanner.ts'
import { compileScanPlan } from './scan-plan.ts'
import { newShape, type Shape, structMembersMax } from './shape.ts'
import { ShapeCursor } from './shape-cursor.ts'

function shapeOf(records: readonly string[]): Shape {
  const shape = newShape()
  const cursor = new ShapeCursor(structMembersMax)
  for (const record of records.map((text) => Buffer.from(text))) {
    if (!cursor.observeRecord(shape, record, 0, record.length)) throw new Error(cursor.fault)
  }
  return shape
}

interface Inferred {
  readonly types: Readonly<Record<string, string>>
  readonly notes: readonly string[]
}

function infer(...records: readonly string[]): Inferred {
  const { fields, notes } = inferFields(shapeOf(records))
  return {
    types: Object.fromEntries(fields.map(({ name, type }) => [name, formatType(type)])),
    notes,
  }
}

/** The type inferred for a key that held these values. */
function typeOf(...values: readonly string[]): string | undefined {
  return infer(...values.map((value) => `{"k":${value}}`)).types['k']
}

const growth = { changesTypes: false, isOpen: () => false }

/** Whether the columns inferred from `sample` take the record. */
function takes(sample: readonly string[], record: string): boolean {
  const { fields } = inferFields(shapeOf(sample))
  const scanner = new RowScanner(compileScanPlan(fields, 'strict', { growth }))
  const bytes = Buffer.from(record)
  return scanner.scan(bytes, 0, bytes.length) === DecodeResult.good
}

describe('inferFields()', () => {
  it.each([
    [['true', 'false'], 'boolean'],
    [['1', '-9223372036854775808', '9223372036854775807'], 'long'],
    [['1', '2.5'], 'double'],
    [['1.0'], 'double'],
    [['1', '9223372036854775808'], 'decimal(38, 0)'],
    [['1', '9223372036854775808', '0.5'], 'double'],
    [['"a"', '""'], 'string'],
    [['"2024-05-01"'], 'date'],
    [['"2024-05-01T10:00:00"', '"2024-05-01 10:00:00.5"'], 'timestamp'],
    [['"2024-05-01T10:00:00Z"', '"2024-05-01T10:00:00+02:00"'], 'timestamptz'],
    [['"2024-05-01"', '"2024-05-01T10:00:00"'], 'string'],
    [['"2024-05-01T10:00:00"', '"2024-05-01T10:00:00Z"'], 'string'],
    [['"2024-05-01T10:00:00Z"', '"soon"'], 'string'],
    [['"2024-02-30"'], 'string'],
    [['[1,2]', '[3.5]', '[]', 'null'], 'list<double>'],
    [['[]', '[null]'], undefined],
    [['[[]]', '[{}]'], undefined],
    [['[[]]', '[[1]]'], 'list<list<long>>'],
    [['[]', '[]', '"x"'], 'string'],
    [['{"a":1}', '{"b":"x"}'], 'struct<a: long, b: string>'],
    [['{}', '{"a":null}', '{"a":[]}'], undefined],
    [['{}', '{"a":null,"b":2}'], 'struct<b: long>'],
  ])('takes %j as %s', (values, type) => {
    expect(typeOf(...values)).toBe(type)
  })

  it('[J10] chooses the kind of the most values and says which will be dead letters', () => {
    const { types, notes } = infer(
      '{"id":1}',
      '{"id":9007199254740993}',
      '{"id":3}',
      '{"id":"four"}',
    )
    expect(types).toEqual({ id: 'long' })
    expect(notes).toEqual([
      'id: long, because most of its values are; it holds long (3), string (1), and records with the ' +
        'others will be dead letters unless schema.fields says otherwise',
    ])
  })

  it.each([
    [['1', '2.5', '"x"', 'true'], 'double'],
    [['{"a":1}', '{"a":2}', '[1]'], 'struct<a: long>'],
    [['[1]', '[2]', '{"a":1}'], 'list<long>'],
    [['true', 'false', '0'], 'boolean'],
    [['null', 'null', 'null', '1'], 'long'],
    [['[1,2,3,"x"]'], 'list<long>'],
    // As many of each: the order of the records must not decide.
    [['1', '"x"'], 'string'],
    [['"x"', '1'], 'string'],
    [['true', '1'], 'long'],
    [['1', 'true'], 'long'],
  ])('[J10] of %j chooses %s', (values, type) => {
    expect(typeOf(...values)).toBe(type)
  })

  it('[J10] takes every sampled record of the chosen kind', () => {
    const good = ['{"k":1}', '{"k":2.5}', '{"k":null}', '{}', '{"k":-7}']
    const bad = ['{"k":"x"}', '{"k":true}']
    const sample = [...good, ...bad]
    expect(good.filter((record) => takes(sample, record))).toEqual(good)
    expect(bad.filter((record) => takes(sample, record))).toEqual([])
  })

  it('[J12] gives no column to what holds nothing yet, and takes its records', () => {
    const sample = ['{"id":1,"tags":[],"meta":{}}', '{"id":2,"tags":[[null]],"meta":{"z":null}}']
    expect(infer(...sample)).toEqual({
      types: { id: 'long' },
      notes: [
        'tags: no column yet, because nothing in it has a value so far',
        'meta: no column yet, because nothing in it has a value so far',
      ],
    })
    expect(sample.filter((record) => takes(sample, record))).toEqual(sample)
  })

  it('notes what a person may want to overrule', () => {
    const { types, notes } = infer(
      '{"big":9223372036854775808,"when":"2024-05-01","mixed":"2024-05-01","Name":1,"name":2,"no":null}',
      '{"big":1,"when":"2024-05-01T00:00:00","mixed":"x"}',
    )
    expect(types).toEqual({ big: 'decimal(38, 0)', when: 'string', mixed: 'string', Name: 'long' })
    expect(notes).toEqual([
      'big: decimal(38,0), because it holds integers beyond 64 bits',
      'when: string, because it holds date (1), timestamp (1)',
      'mixed: string, because only some of its values are times: date (1), string (1)',
      'name: left out, because another key differs only in upper and lower case',
      'no: no column yet, because nothing in it has a value so far',
    ])
  })

  it('takes objects of very many keys as maps', () => {
    const object = (count: number): string =>
      `{"m":{${Array.from({ length: count }, (_, index) => `"k${index}":${index}`).join(',')}}}`
    expect(infer(object(200)).types['m']).toMatch(/^struct</)
    const { types, notes } = infer(object(201))
    expect(types).toEqual({ m: 'map<string, long>' })
    expect(notes).toEqual(['m: map, because it has more than 200 different keys'])
    expect(infer(object(300).replace('"k7":7', '"k7":"x"')).types).toEqual({
      m: 'map<string, long>',
    })
  })

  it('infers nothing below 16 levels, now or later', () => {
    const nested = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels)
    expect(infer(nested(17)).types['a']).toMatch(/a: long>+$/)
    expect(takes([nested(17)], nested(17))).toBe(true)
    expect(takes([nested(64)], nested(64))).toBe(false)
    const lists = `{"a":${'['.repeat(64)}1${']'.repeat(64)}}`
    expect(infer(lists)).toEqual({
      types: {},
      notes: ['a: left out, because it lies too deep'],
    })
    const { fields } = inferFields(shapeOf([nested(17)]))
    const schema = { schemaId: 0, identifierFieldIds: [], fields }
    const deeper = shapeOf([nested(16).replace('1', '{"b":1}'), nested(15).replace('1', '{"b":1}')])
    const { added } = evolveSchema(schema, deeper)
    expect(added.map(({ parent, name }) => [...parent, name].join('.'))).toEqual([
      `${'a.'.repeat(16)}b`,
      `${'a.'.repeat(15)}b`,
    ])
    expect(evolveSchema(schema, shapeOf([nested(17).replace('1', '{"b":1}')])).added).toEqual([])
  })
})
