/**
 * What a stream's file says of a table that exists already is applied to it, or refused with the way out. What
 * others changed in the meantime does not stop the stream where Iceberg allows the change.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, formatType, type TableMetadata } from '../../catalog/format/index.ts'
import {
  commitAction,
  partitionTerms,
  type SchemaChange,
  UpdateSchema,
} from '../../catalog/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

const identifier = { namespace: ['web'], name: 'events' }

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
  await lake.log.createTopic('more', 1)
})
afterEach(() => lake.close())

interface Keys {
  readonly fields?: string
  readonly schema?: string
  readonly metadata?: string
  readonly topics?: string
  readonly output?: string
}

const stream = ({ fields, schema, metadata, topics = 'events', output = '' }: Keys) =>
  lake.settings(`
name: events
input: { embedded: { directory: log, topics: [${topics}] } }
schema: { ${schema ?? (fields === undefined ? 'mode: json_infer' : `fields: [${fields}]`)} }
${metadata === undefined ? '' : `metadata: ${metadata}`}
output: { iceberg: { table: web.events${output === '' ? '' : `, ${output}`} } }
`)

async function feed(records: readonly (string | object)[], keys: Keys = {}) {
  const values = records.map((record) =>
    typeof record === 'string' ? record : JSON.stringify(record),
  )
  await lake.log.appendValues({ topic: 'events', partition: 0 }, values)
  const { rowsCommitted, deadLetters } = await lake.run(stream(keys))
  return { rows: rowsCommitted, letters: deadLetters }
}

async function metadata(): Promise<TableMetadata> {
  return (await lake.catalog.loadTable(identifier)).metadata
}

async function columns(): Promise<readonly string[]> {
  return currentSchema(await metadata()).fields.map(
    ({ name, type, required }) => `${name} ${formatType(type)}${required ? ' required' : ''}`,
  )
}

const change = (...changes: readonly SchemaChange[]): Promise<unknown> =>
  commitAction(lake.catalog, identifier, new UpdateSchema(changes), {
    clock: systemClock,
    random: systemRandom,
  })

const id = '{ name: id, type: int }'
const widened: readonly (readonly [string, string, string])[] = [
  ['int', 'long', '5000000000'],
  ['float', 'double', '0.1234567890123'],
  ['"decimal(5,2)"', 'decimal(9,2)', '1234567.25'],
]

describe('C8 a declared column that another engine widened', () => {
  it.each(widened)(
    'C8 %s to %s: the stream goes on, with the wider values',
    async (type, to, value) => {
      const fields = `{ name: n, type: ${type} }`
      await feed(['{"n":1}'], { fields })
      const wide = /decimal/.test(to)
        ? ({ type: 'decimal', precision: 9, scale: 2 } as const)
        : ({ type: to as 'long' | 'double' } as const)
      await change({ kind: 'widen-column', path: ['n'], type: wide })
      expect(await feed([`{"n":${value}}`], { fields })).toEqual({ rows: 1, letters: 0 })
      expect((await columns())[0]).toBe(`n ${formatType(wide)}`)
    },
  )

  it('C8 members that others, or the stream itself, added to a declared struct', async () => {
    const schema =
      'fields: [{ name: s, type: "struct<a: int>" }, { name: l, type: "list<struct<x: int>>" }], unknown_fields: add'
    await feed([{ s: { a: 1 } }, { s: { a: 1, b: 2 }, l: [{ x: 1, y: 2 }] }], { schema })
    expect(await feed([{ s: { a: 2, b: 3 } }], { schema })).toEqual({ rows: 1, letters: 0 })
  })

  it('C8 a column that became optional', async () => {
    const fields = `${id}, { name: n, type: long, required: true }`
    await feed([{ id: 1, n: 1 }], { fields })
    await change({ kind: 'make-optional', path: ['n'] })
    // The stream still asks its own records for a value.
    expect(await feed([{ id: 2 }, { id: 3, n: 3 }], { fields })).toEqual({ rows: 1, letters: 1 })
  })

  it('C8 a column that was renamed', async () => {
    await feed([{ id: 1 }], { fields: id })
    await change({ kind: 'rename-column', path: ['id'], name: 'number' })
    expect(await feed([{ id: 2 }], { fields: id })).toEqual({ rows: 1, letters: 0 })
    expect(await columns()).toEqual(['number int', expect.stringMatching('^_kafka ')])
  })
})

interface Case {
  readonly situation: string
  readonly before: Keys
  readonly after: Keys
  readonly first?: object
  readonly record: object
  /** What the table has afterwards. */
  readonly columns?: readonly string[]
  readonly terms?: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
}

const place = 'struct<partition: int, offset: long, timestamp: timestamptz>'
const applied: readonly Case[] = [
  {
    situation: 'a declared field that the table lacks',
    before: { fields: id },
    after: { fields: `${id}, { name: n, type: "struct<a: long>", doc: new }` },
    record: { id: 2, n: { a: 1 } },
    columns: ['id int', `_kafka ${place}`, 'n struct<a: long>'],
  },
  {
    situation: 'a wider type, at any depth',
    before: { fields: `${id}, { name: s, type: "struct<a: int>" }` },
    after: { fields: '{ name: id, type: long }, { name: s, type: "struct<a: long, b: string>" }' },
    record: { id: 5_000_000_000, s: { a: 5_000_000_000, b: 'x' } },
    columns: ['id long', 's struct<a: long, b: string>', `_kafka ${place}`],
  },
  {
    situation: 'required: false, written out',
    before: { fields: '{ name: id, type: int, required: true }, { name: n, type: int }' },
    after: { fields: '{ name: id, type: int, required: false }, { name: n, type: int }' },
    record: { n: 1 },
    columns: ['id int', 'n int', `_kafka ${place}`],
  },
  {
    situation: 'metadata: columns after none',
    before: { metadata: 'none' },
    after: { metadata: 'columns' },
    record: { id: 2 },
    columns: [
      'id long',
      '_kafka_partition int',
      '_kafka_offset long',
      '_kafka_timestamp timestamptz',
    ],
  },
  {
    situation: 'metadata: struct of several topics after one',
    before: { metadata: 'struct' },
    after: { metadata: 'struct', topics: 'events, more' },
    record: { id: 2 },
    columns: ['id long', `_kafka ${place.replace('>', ', topic: string>')}`],
  },
  {
    situation: 'partition_by',
    before: { output: 'partition_by: [id]' },
    after: { output: 'partition_by: ["bucket(4, id) as shard"]' },
    record: { id: 2 },
    terms: ['bucket(4, id) as shard'],
  },
  {
    situation: 'partition_by of nothing',
    before: { output: 'partition_by: [id]' },
    after: { output: 'partition_by: [void(id)]' },
    record: { id: 2 },
    terms: ['void(id)'],
  },
  {
    situation: 'no partition_by leaves the partitions as they are',
    before: { output: 'partition_by: [id]' },
    after: {},
    record: { id: 2 },
    terms: ['id'],
  },
  {
    situation: 'properties',
    before: { output: 'properties: { write.parquet.compression-codec: snappy }' },
    after: { output: 'properties: { write.parquet.compression-codec: zstd, owner: me }' },
    record: { id: 2 },
    properties: { 'write.parquet.compression-codec': 'zstd', owner: 'me' },
  },
]

describe('D [E16] declared for a table that exists', () => {
  it.each(applied)('D is applied: $situation', async (each) => {
    await feed(
      [each.first ?? { id: 1, s: { a: 1 }, n: 1 }].map((record) => pick(record, each)),
      each.before,
    )
    expect(await feed([each.record], each.after)).toEqual({ rows: 1, letters: 0 })
    if (each.columns !== undefined) expect(await columns()).toEqual(each.columns)
    const table = await metadata()
    if (each.terms !== undefined) expect(partitionTerms(table)).toEqual(each.terms)
    if (each.properties !== undefined) expect(table.properties).toMatchObject(each.properties)
    // Once.
    const { metadataLog } = table
    expect(await feed([], each.after)).toEqual({ rows: 0, letters: 0 })
    expect((await metadata()).metadataLog).toEqual(metadataLog)
  })

  it.each([
    ['another type', { fields: '{ name: id, type: string }' }, /declared=string actual=int/],
    [
      'a required column that the table lacks',
      { fields: `${id}, { name: n, type: int, required: true }` },
      /a required column that the table lacks.*field=n/,
    ],
    [
      'a partition term of no column',
      { schema: 'mode: json_infer', output: 'partition_by: [nothing]' },
      /partition column does not exist.*column=nothing/,
    ],
    [
      'another format version',
      { fields: id, output: 'properties: { format-version: "3" }' },
      /format-version is for new tables/,
    ],
    [
      'raw keys and values over columns of json',
      { schema: 'mode: key_value' },
      /the table disagree.*field=key/,
    ],
  ] as const)('D is refused, with the way out: %s', async (_, keys, message) => {
    await feed([{ id: 1 }], { fields: id })
    const before = await metadata()
    await expect(feed([{ id: 2 }], keys)).rejects.toThrow(message)
    expect(await metadata()).toEqual(before)
  })

  it('D is refused: a declared column that another client dropped', async () => {
    const fields = `${id}, { name: email, type: string }`
    await feed([{ id: 1, email: 'm' }], { fields })
    await change({ kind: 'drop-column', path: ['email'] })
    await expect(feed([{ id: 2 }], { fields })).rejects.toThrow(
      /field email was a column that was dropped.*or take it out of schema\.fields/,
    )
    expect(await feed([], { fields: id })).toEqual({ rows: 1, letters: 0 })
  })

  it('D a metadata column that another client dropped stays dropped', async () => {
    await feed([{ id: 1 }], { metadata: 'struct' })
    await change({ kind: 'drop-column', path: ['_kafka'] })
    expect(await feed([{ id: 2 }], { metadata: 'struct' })).toEqual({ rows: 1, letters: 0 })
    expect(await columns()).toEqual(['id long'])
  })

  it('D a table of others gets no metadata column that nobody asked for', async () => {
    await feed([{ id: 1 }], { metadata: 'none' })
    expect(await feed([{ id: 2 }])).toEqual({ rows: 1, letters: 0 })
    expect(await columns()).toEqual(['id long'])
  })
})

/** Of the first record, what the declared fields have; all of it where the columns are inferred. */
function pick(record: object, { before }: Case): object {
  if (before.fields === undefined) return { id: 1 }
  const { fields } = before
  return Object.fromEntries(
    Object.entries(record).filter(([name]) => fields.includes(`name: ${name},`)),
  )
}
