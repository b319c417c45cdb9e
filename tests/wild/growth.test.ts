/**
 * Keys of records that meet a table's partition fields, its metadata column, columns that others dropped,
 * renamed, widened or added, other spellings, and too many of them: the table stays loadable, nothing that was
 * dropped comes back, and each record is a row or a letter that says why.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  currentSchema,
  formatType,
  indexFields,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import {
  commitAction,
  expireSnapshots,
  type SchemaChange,
  type TableUpdate,
  UpdateSchema,
} from '../../catalog/index.ts'
import { NotFoundError, systemClock, systemRandom, ValidationError } from '../../common/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

const identifier = { namespace: ['web'], name: 'events' }
const tools = { clock: systemClock, random: systemRandom }

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
})
afterEach(() => lake.close())

interface StreamKeys {
  readonly schema?: string
  readonly metadata?: string
  readonly partitionBy?: string
  readonly topics?: string
}

const stream = (keys: StreamKeys) => {
  const { schema = 'mode: json_infer', metadata = 'struct', partitionBy, topics = 'events' } = keys
  return lake.settings(`
name: events
input: { embedded: { directory: log, topics: [${topics}] } }
schema: { ${schema} }
metadata: ${metadata}
output: { iceberg: { table: web.events${partitionBy === undefined ? '' : `, partition_by: ['${partitionBy}']`} } }
`)
}

/** Appends the records, runs the stream to the end, and counts what became of them. */
async function feed(records: readonly unknown[], keys: StreamKeys = {}) {
  const values = records.map((record) =>
    record === null ? null : typeof record === 'string' ? record : JSON.stringify(record),
  )
  const at = { topic: 'events', partition: 0 }
  await lake.log.append(
    at,
    values.map((value) => ({ value })),
  )
  const { recordsCommitted, rowsCommitted, deadLetters, recordsSkipped } = await lake.run(
    stream(keys),
  )
  expect(rowsCommitted + deadLetters + recordsSkipped).toBe(recordsCommitted)
  return { rows: rowsCommitted, letters: deadLetters, skipped: recordsSkipped }
}

async function metadata(): Promise<TableMetadata> {
  return (await lake.catalog.loadTable(identifier)).metadata
}

async function columns(): Promise<readonly string[]> {
  return currentSchema(await metadata()).fields.map(
    ({ name, type }) => `${name} ${formatType(type)}`,
  )
}

async function letters(): Promise<readonly string[]> {
  try {
    const rows = await lake.rows('web.events__dlq', '"offset" AS o, error')
    return rows.map(({ o, error }) => `${String(o)}: ${String(error)}`)
  } catch (error) {
    if (error instanceof NotFoundError) return []
    throw error
  }
}

const change = (...changes: readonly SchemaChange[]): Promise<unknown> =>
  commitAction(lake.catalog, identifier, new UpdateSchema(changes), tools)

const update = (...updates: readonly TableUpdate[]): Promise<unknown> =>
  lake.catalog.commitTable({ identifier, requirements: [], updates })

/** As Java's PartitionSpec.Builder asks for each spec of a table that it loads. */
async function expectLoadableByJava(): Promise<void> {
  const table = await metadata()
  const columnIds = new Map(
    [...indexFields(currentSchema(table)).values()].map(({ field, path }) => [
      path.join('.'),
      field.id,
    ]),
  )
  const clashes = table.partitionSpecs
    .flatMap((spec) => spec.fields)
    .filter(({ name, sourceId }) => (columnIds.get(name) ?? sourceId) !== sourceId)
  expect(clashes).toEqual([])
}

describe('B1 [J22] a key that has the name of a partition field', () => {
  const first = { id: 1, ts: '2024-06-20T10:00:00Z', name: 'a' }
  it.each([
    ['day(ts)', 'ts_day'],
    ['bucket(4, id)', 'id_bucket'],
    ['truncate(2, name)', 'name_trunc'],
    ['day(ts) as d', 'd'],
    ['name as n', 'n'],
  ])('B1 %s: makes its record a dead letter that says so', async (partitionBy, key) => {
    await feed([first], { partitionBy })
    const counts = await feed(
      [
        { ...first, [key]: 5, id: 2 },
        { ...first, id: 3 },
      ],
      { partitionBy },
    )
    expect(counts).toMatchObject({ rows: 1, letters: 1 })
    expect(await letters()).toEqual([
      expect.stringMatching(`^1: field ${key} has the name of a partition field of the table`),
    ])
    await expectLoadableByJava()
  })

  it('B1 also of a spec that is no longer the default, and of one that comes while the stream runs', async () => {
    await feed([first], { partitionBy: 'day(ts)' })
    const named = (name: string, fieldId: number) => ({
      specId: 9,
      fields: [{ sourceId: 1, fieldId, name, transform: { kind: 'bucket', buckets: 4 } as const }],
    })
    await update(
      { action: 'add-spec', spec: named('shard', 1001) },
      { action: 'set-default-spec', specId: -1 },
    )
    const keys = { partitionBy: 'bucket(4, id) as shard' }
    expect(
      await feed(
        [
          { id: 2, ts_day: 1 },
          { id: 3, shard: 1 },
        ],
        keys,
      ),
    ).toMatchObject({
      rows: 0,
      letters: 2,
    })
    await expectLoadableByJava()
  })

  it('B1 an identity field whose column another client renamed', async () => {
    await feed([first], { partitionBy: 'name' })
    await change({ kind: 'rename-column', path: ['name'], name: 'title' })
    // Its own key follows the rename; the partition field keeps the old name.
    expect(await feed([{ id: 2, name: 'b' }])).toMatchObject({ rows: 1, letters: 0 })
    expect(await lake.rows('web.events', 'id, title')).toEqual([
      { id: '1', title: null },
      { id: '2', title: 'b' },
    ])
    await expectLoadableByJava()
  })

  it('B1 a topic with ts and ts_day is partitioned by day(ts), under a free name', async () => {
    const records = [{ ...first, ts_day: 'Thursday' }]
    expect(await feed(records, { partitionBy: 'day(ts)' })).toMatchObject({ rows: 1 })
    expect((await metadata()).partitionSpecs[0]?.fields[0]?.name).toBe('ts_day_2')
    await expectLoadableByJava()
  })

  it('B1 declared fields are refused with the way to name the partition field', async () => {
    const schema = 'fields: [{ name: ts, type: timestamptz }, { name: ts_day, type: string }]'
    await expect(feed([], { schema, partitionBy: 'day(ts)' })).rejects.toThrow(
      'name the field: day(ts) as …',
    )
    const record = { ts: '2024-06-20T10:00:00Z', ts_day: 'Thursday' }
    const keys = { schema, partitionBy: 'day(ts) as d' }
    expect(await feed([record], keys)).toMatchObject({ rows: 1, letters: 0 })
    await expectLoadableByJava()
  })

  it('B1 [C28] no client of ours can add such a column', async () => {
    await feed([first], { partitionBy: 'day(ts)' })
    const add = { kind: 'add-column', parent: [], name: 'ts_day', type: { type: 'int' } } as const
    await expect(change(add)).rejects.toThrow('a column and a partition field')
    const schema = currentSchema(await metadata())
    const field = { id: 99, name: 'ts_day', required: false, type: { type: 'int' } } as const
    const grown = { ...schema, fields: [...schema.fields, field] }
    await expect(
      update(
        { action: 'add-schema', schema: grown, lastColumnId: 99 },
        { action: 'set-current-schema', schemaId: -1 },
      ),
    ).rejects.toThrow('a column and a partition field')
  })
})

describe('B2 [J22] a key that has the name of a metadata column', () => {
  it.each([
    ['struct', '_kafka', { x: 1 }],
    ['struct', '_KAFKA', { x: 1 }],
    ['struct', '_kafka', 5],
    ['columns', '_kafka_offset', 5],
    ['columns', '_Kafka_Topic', 'other'],
  ])('B2 metadata %s: %s makes its record a dead letter', async (mode, key, value) => {
    await feed([{ id: 1 }], { metadata: mode })
    const before = await columns()
    const keys = { metadata: mode }
    expect(await feed([{ id: 2, [key]: value }, { id: 3 }], keys)).toMatchObject({
      rows: 1,
      letters: 1,
    })
    expect((await letters())[0]).toMatch(`1: field ${key} has the name of a column that the stream`)
    expect(await columns()).toEqual(before)
    expect(await feed([{ id: 4, nested: { [key]: value } }], keys)).toMatchObject({ rows: 1 })
  })

  it('B2 in the first record of all', async () => {
    expect(await feed([{ id: 1, _kafka: { x: 1 } }, { id: 2 }])).toMatchObject({
      rows: 1,
      letters: 1,
    })
    expect(await columns()).toContain('id long')
  })

  it('B2 is a column like any other where the stream has none of its own', async () => {
    expect(await feed([{ id: 1, _kafka: { x: 1 } }], { metadata: 'none' })).toMatchObject({
      rows: 1,
    })
    expect(await columns()).toEqual(['id long', '_kafka struct<x: long>'])
  })

  it('B2 a name that queries of streaming rows need', async () => {
    await feed([{ id: 1 }])
    expect(await feed([{ id: 2, $live_offset: 1 }])).toMatchObject({ letters: 1 })
  })
})

const nested = { id: 1, user: { name: 'a', mail: 'm' }, items: [{ sku: 'x', note: 'n' }] }
const dropped: readonly (readonly [string, readonly string[], object, string])[] = [
  ['a column', ['email'], { id: 2, email: 'm' }, 'email'],
  [
    'a member of a struct',
    ['user', 'mail'],
    { id: 2, user: { name: 'b', mail: 'm' } },
    'user.mail',
  ],
  [
    'a member inside a list',
    ['items', 'element', 'note'],
    { id: 2, items: [{ sku: 'y', note: 'n' }] },
    'items.element.note',
  ],
]

describe('A13 [J20] a column that another client dropped', () => {
  it.each(dropped)('A13 stays dropped: %s', async (_, path, record, name) => {
    await feed([{ ...nested, email: 'm' }])
    await change({ kind: 'drop-column', path })
    const before = await columns()
    expect(await feed([record, { id: 3 }])).toMatchObject({ rows: 1, letters: 1 })
    expect((await letters())[0]).toContain(`field ${name} was a column that was dropped`)
    expect(await columns()).toEqual(before)
    const schema = `mode: json_infer, ignore_fields: [${name}]`
    expect(await feed([record], { schema })).toMatchObject({ rows: 1, letters: 0 })
    expect(await columns()).toEqual(before)
  })

  it.each([
    ['ignore', { rows: 2, letters: 0 }],
    ['dead_letter', { rows: 1, letters: 1 }],
  ])('A13 its values go where unknown_fields: %s says', async (policy, counts) => {
    await feed([{ id: 1, email: 'm' }])
    await change({ kind: 'drop-column', path: ['email'] })
    const schema = `mode: json_infer, unknown_fields: ${policy}`
    expect(await feed([{ id: 2, email: 'm' }, { id: 3 }], { schema })).toMatchObject(counts)
    expect(await columns()).not.toContain('email string')
  })

  it('A13 between a record and its commit', async () => {
    await feed([{ id: 1, email: 'm' }])
    const { commitTable } = lake.catalog
    let isDone = false
    lake.catalog.commitTable = async (...commit) => {
      if (!isDone && commit[0].identifier.name === 'events') {
        isDone = true
        await change({ kind: 'drop-column', path: ['email'] })
      }
      return commitTable.apply(lake.catalog, commit)
    }
    expect(await feed([{ id: 2, email: 'm', more: 1 }, { id: 3 }])).toMatchObject({
      rows: 1,
      letters: 1,
    })
    expect(await columns()).not.toContain('email string')
  })

  it('A13 is remembered when expiry has removed the schema that had it', async () => {
    await feed([{ id: 1, email: 'm', name: 'a' }])
    await change({ kind: 'drop-column', path: ['email'] })
    await change({ kind: 'rename-column', path: ['name'], name: 'title' })
    await feed([{ id: 2 }])
    const { table } = await expireSnapshots(
      lake.catalog,
      identifier,
      { ...tools, io: lake.io },
      { olderThanMs: BigInt(systemClock.now() + 1), retainLast: 1 },
    )
    expect(table.metadata.schemas.map(({ schemaId }) => schemaId)).toEqual([
      table.metadata.currentSchemaId,
    ])
    expect(
      await feed([
        { id: 3, email: 'm' },
        { id: 4, name: 'b' },
      ]),
    ).toMatchObject({
      rows: 1,
      letters: 1,
    })
    expect(await columns()).toEqual(expect.not.arrayContaining(['email string', 'name string']))
    expect(await lake.rows('web.events', 'id, title')).toContainEqual({ id: '4', title: 'b' })
  })

  it('A13 comes back when a client adds it again', async () => {
    await feed([{ id: 1, email: 'm' }])
    await change({ kind: 'drop-column', path: ['email'] })
    await change({ kind: 'add-column', parent: [], name: 'email', type: { type: 'string' } })
    expect(await feed([{ id: 2, email: 'n' }])).toMatchObject({ rows: 1, letters: 0 })
    expect(await lake.rows('web.events', 'id, email')).toContainEqual({ id: '2', email: 'n' })
  })
})

describe('A13 [J21] a column that another client renamed', () => {
  it.each([
    ['flat', { id: 2, email: 'n' }, ['email'], 'mail', 'mail'],
    ['nested', { id: 2, user: { name: 'b', mail: 'n' } }, ['user', 'mail'], 'post', '"user".post'],
    ['a struct', { id: 2, user: { name: 'b', mail: 'n' } }, ['user'], 'who', 'who.mail'],
    [
      'in a list',
      { id: 2, items: [{ sku: 'y', note: 'n' }] },
      ['items', 'element', 'note'],
      'remark',
      'items[1].remark',
    ],
  ])('A13 takes the values of its old key: %s', async (_, record, path, name, column) => {
    await feed([_ === 'flat' ? { id: 1, email: 'm' } : nested])
    await change({ kind: 'rename-column', path, name })
    const before = await columns()
    expect(await feed([record])).toMatchObject({ rows: 1, letters: 0 })
    expect(await columns()).toEqual(before)
    expect(await lake.rows('web.events', `id, ${column} AS v`)).toContainEqual({ id: '2', v: 'n' })
  })

  it('A13 grows inside a renamed struct', async () => {
    await feed([nested])
    await change({ kind: 'rename-column', path: ['user'], name: 'who' })
    expect(await feed([{ id: 2, user: { age: 7 } }])).toMatchObject({ rows: 1, letters: 0 })
    expect(await lake.rows('web.events', 'id, who.age AS v')).toContainEqual({ id: '2', v: '7' })
    expect((await columns()).some((column) => column.startsWith('user '))).toBe(false)
  })

  it('A13 refuses a record that has both keys', async () => {
    await feed([{ id: 1, email: 'm' }])
    await change({ kind: 'rename-column', path: ['email'], name: 'mail' })
    expect(await feed([{ id: 2, email: 'a', mail: 'b' }])).toMatchObject({ rows: 0, letters: 1 })
    expect((await letters())[0]).toContain('duplicate key mail')
  })

  it('A13 leaves the old name to a column that another client gave it', async () => {
    await feed([{ id: 1, at: '2024-06-20T10:00:00Z' }])
    await change(
      { kind: 'rename-column', path: ['at'], name: 'at_old' },
      { kind: 'add-column', parent: [], name: 'at', type: { type: 'string' } },
    )
    expect(await feed([{ id: 2, at: 'x' }])).toMatchObject({ rows: 1, letters: 0 })
    expect(await lake.rows('web.events', 'id, "at"')).toContainEqual({ id: '2', at: 'x' })
  })

  it('A13 keeps the whole record of a row that the engine refuses', async () => {
    const schema = 'mode: json_infer, coercion: lenient'
    await feed([{ id: 1, n: 1 }], { schema })
    await change({ kind: 'rename-column', path: ['n'], name: 'number' })
    const bad = '{ "id": 2, "n": "12x" }'
    expect(await feed([{ id: 3, n: 3 }, bad], { schema })).toMatchObject({ rows: 1, letters: 1 })
    const kept = await lake.rows('web.events__dlq', 'decode(value) AS v')
    expect(kept).toEqual([{ v: bad }])
  })
})

const unfillable: readonly (readonly [string, SchemaChange])[] = [
  ['fixed', { kind: 'add-column', parent: [], name: 'f', type: { type: 'fixed', length: 3 } }],
  [
    'a map with keys that are no strings',
    {
      kind: 'add-column',
      parent: [],
      name: 'f',
      type: {
        type: 'map',
        keyId: 0,
        key: { type: 'long' },
        valueId: 0,
        valueRequired: false,
        value: { type: 'string' },
      },
    },
  ],
  [
    'a struct that holds one',
    {
      kind: 'add-column',
      parent: [],
      name: 'f',
      type: {
        type: 'struct',
        fields: [
          { id: 0, name: 'a', required: false, type: { type: 'fixed', length: 3 } },
          { id: 0, name: 'b', required: false, type: { type: 'long' } },
        ],
      },
    },
  ],
]

describe('B9 [J26] another client adds a column that JSON cannot fill', () => {
  it.each(unfillable)('B9 %s: it is NULL, and the stream goes on', async (_, add) => {
    await feed([{ id: 1 }])
    await change(add)
    expect(await feed([{ id: 2 }, { id: 3, f: null }])).toMatchObject({ rows: 2, letters: 0 })
    expect(await feed([{ id: 4, f: 'abc' }, { id: 5 }])).toMatchObject({ rows: 1, letters: 1 })
    expect((await lake.rows('web.events', 'id')).map(({ id }) => id)).toEqual(['1', '2', '3', '5'])
  })

  it('B9 the readable members of a struct are filled', async () => {
    await feed([{ id: 1 }])
    await change((unfillable[2] as (typeof unfillable)[number])[1])
    expect(await feed([{ id: 2, f: { b: 7 } }])).toMatchObject({ rows: 1, letters: 0 })
    expect(await lake.rows('web.events', 'id, f.b AS b')).toContainEqual({ id: '2', b: '7' })
  })

  it('B9 a required one stops the stream before anything is read', async () => {
    await feed([{ id: 1 }])
    const schema = currentSchema(await metadata())
    const field = { id: 50, name: 'f', required: true, type: { type: 'fixed', length: 3 } } as const
    await update(
      { action: 'add-schema', schema: { ...schema, fields: [...schema.fields, field] } },
      { action: 'set-current-schema', schemaId: -1 },
    )
    await expect(feed([{ id: 2 }])).rejects.toThrow(/fixed columns cannot be filled.*column=f/)
  })
})

describe('C7 [J23, J24] what a policy decides', () => {
  const insensitive = 'mode: json_infer, field_case: insensitive'
  it('C7 field_case: exact makes another spelling a dead letter, as before', async () => {
    expect(await feed([{ userId: 1 }, { UserID: 2 }])).toMatchObject({ rows: 1, letters: 1 })
    expect((await letters())[0]).toContain('schema.field_case: insensitive')
  })

  it.each([
    ['flat', { userId: 1 }, { UserID: 2 }, 'userId', 'userId'],
    ['nested', { u: { Id: 1 } }, { U: { ID: 2 } }, 'u', 'u.Id'],
    ['in a list', { l: [{ Id: 1 }] }, { L: [{ id: 2 }] }, 'l', 'l[1].Id'],
  ])('C7 field_case: insensitive takes both: %s', async (_, one, other, name, column) => {
    const keys = { schema: insensitive }
    expect(await feed([one, other], keys)).toMatchObject({ rows: 2, letters: 0 })
    expect(await feed([other], keys)).toMatchObject({ rows: 1, letters: 0 })
    expect((await columns()).map((each) => each.split(' ')[0])).toEqual([name, '_kafka'])
    const values = await lake.rows('web.events', `${column} AS v`)
    expect(values.map(({ v }) => v)).toEqual(['1', '2', '2'])
  })

  it('C7 field_case: insensitive refuses both spellings in one record, and grows by one', async () => {
    const keys = { schema: insensitive }
    await feed([{ id: 1 }], keys)
    expect(await feed([{ Extra: 1 }, { extra: 2 }, { Extra: 1, EXTRA: 2 }], keys)).toMatchObject({
      rows: 2,
      letters: 1,
    })
    expect((await columns()).filter((each) => /^extra/i.test(each))).toEqual(['Extra long'])
  })

  it('C7 tombstones: skip leaves them out and counts them', async () => {
    const schema = 'mode: json_infer, tombstones: skip'
    expect(await feed([{ id: 1 }, null, { id: 2 }, null], { schema })).toEqual({
      rows: 2,
      letters: 0,
      skipped: 2,
    })
    expect(await feed([null], { schema })).toEqual({ rows: 0, letters: 0, skipped: 1 })
    expect(await feed([null])).toMatchObject({ letters: 1 })
  })

  it.each(['flat', 'nested', 'lenient'])(
    'C7 unknown_fields: ignore keeps the rest: %s',
    async (kind) => {
      const fields =
        kind === 'nested'
          ? '[{ name: id, type: long }, { name: n, type: "struct<a: long>" }]'
          : '[{ name: id, type: long }]'
      const coercion = kind === 'lenient' ? 'lenient' : 'strict'
      const schema = `fields: ${fields}, unknown_fields: ignore, coercion: ${coercion}`
      const records = [
        '{"id":1,"x":{"y":\n[1]},"$o":9,"$p":8,"$O":1,"_kafka":{"offset":7}}',
        '{"$t":null,"$r":null,"$o":null,"id":2,"n":{"a":1,"b":2}}',
      ]
      expect(await feed(records, { schema })).toMatchObject({ rows: 2, letters: 0 })
      expect(await lake.rows('web.events', 'id, _kafka."offset" AS o')).toEqual([
        { id: '1', o: '0' },
        { id: '2', o: '1' },
      ])
    },
  )

  it('C7 unknown_fields: fail stops the stream, and names the field and the ways out', async () => {
    const schema = 'mode: json_infer, unknown_fields: fail'
    await feed([{ id: 1 }], { schema })
    await expect(feed([{ id: 2, a: { b: 1 } }], { schema })).rejects.toThrow(
      /field a is not in the schema; add the column .* topic=events partition=0 offset=1/,
    )
    expect(await feed([], { schema: `${schema}, ignore_fields: [a]` })).toMatchObject({ rows: 1 })
  })

  it('C7 ignore_fields leaves values out, in the first sample and later', async () => {
    const schema = 'mode: json_infer, ignore_fields: [debug, user.mail, items.element.note]'
    const record = { ...nested, debug: { deep: [1] } }
    expect(await feed([record], { schema })).toMatchObject({ rows: 1, letters: 0 })
    expect(await feed([{ ...record, id: 2, more: 1 }], { schema })).toMatchObject({ rows: 1 })
    expect((await columns()).filter((each) => !each.startsWith('_kafka'))).toEqual([
      'id long',
      'user struct<name: string>',
      'items list<struct<sku: string>>',
      'more long',
    ])
  })

  it.each(['flat', 'nested'])('C7 ignore_fields empties a column that exists: %s', async (kind) => {
    const one = kind === 'flat' ? { id: 1, email: 'm' } : { ...nested, email: 'm' }
    await feed([one])
    const schema = 'mode: json_infer, ignore_fields: [email]'
    expect(await feed([{ ...one, id: 2 }, '{"id":3,"email":\n5}'], { schema })).toMatchObject({
      rows: 2,
    })
    expect(await lake.rows('web.events', 'id, email')).toEqual([
      { id: '1', email: 'm' },
      { id: '2', email: null },
      { id: '3', email: null },
    ])
  })
})

describe('C5 [J25, C29] one new key per record', () => {
  const keyed = (count: number): readonly object[] =>
    Array.from({ length: count }, (_, index) => ({ id: index, attrs: { [`k${index}`]: index } }))

  it('C5 under a struct: letters that name the limit and the way out', async () => {
    const schema = 'mode: json_infer, max_struct_fields: 5'
    await feed([{ id: 0, attrs: { k0: 0 } }], { schema })
    expect(await feed(keyed(9), { schema })).toMatchObject({ rows: 5, letters: 4 })
    expect((await letters())[0]).toBe(
      '6: field attrs.k5 is not in the schema: attrs has 5 members, and schema.max_struct_fields is 5: so many ' +
        'different keys are data; declare it in schema.fields as map<string, …>, or raise the limit',
    )
    expect(await feed([{ id: 9, attrs: { k1: 1 } }], { schema })).toMatchObject({ rows: 1 })
  })

  it('C5 of the table: letters that name the limit', async () => {
    const schema = 'mode: json_infer, max_columns: 10'
    await feed([{ id: 0 }], { schema })
    const many = Array.from({ length: 9 }, (_, index) => ({ id: index, [`k${index}`]: index }))
    const { rows, letters: refused } = await feed(many, { schema })
    expect([rows > 0, refused > 0]).toEqual([true, true])
    expect((await letters())[0]).toContain('the table has 10 columns')
  })

  it('C5 makes one schema and one commit of all that a batch brings', async () => {
    const keys = { topics: 'events, wide' }
    await lake.log.createTopic('wide', 5)
    await feed([{ id: 0, attrs: { k0: 0 } }], keys)
    const before = await metadata()
    // More records than may wait for a column at once, so the schema evolves several times within the batch.
    for (let partition = 0; partition < 5; partition++) {
      const records = Array.from({ length: 600 }, (_, id) =>
        JSON.stringify({ id, attrs: { [`k${partition}_${id % 10}`]: 1 } }),
      )
      await lake.log.appendValues({ topic: 'wide', partition }, records)
    }
    expect(await feed([], keys)).toMatchObject({ rows: 3_000, letters: 0 })
    const after = await metadata()
    expect(after.snapshots.length - before.snapshots.length).toBe(1)
    expect(after.schemas.length - before.schemas.length).toBe(1)
    expect(after.metadataLog.length - before.metadataLog.length).toBe(1)
  })

  it('C5 expiry removes the schemas that no snapshot needs, and keeps those that a tag does', async () => {
    for (let index = 0; index < 4; index++) await feed([{ id: index, [`k${index}`]: 1 }])
    const { snapshots } = await metadata()
    const [, second] = snapshots
    await update({
      action: 'set-snapshot-ref',
      refName: 'kept',
      ref: { type: 'tag', snapshotId: second?.snapshotId ?? 0n },
    })
    const options = { olderThanMs: BigInt(systemClock.now() + 1), retainLast: 1 }
    const expiry = { ...tools, io: lake.io }
    const dry = await expireSnapshots(lake.catalog, identifier, expiry, {
      ...options,
      dryRun: true,
    })
    const { table } = await expireSnapshots(lake.catalog, identifier, expiry, options)
    expect(table.metadata.schemas.map(({ schemaId }) => schemaId)).toEqual([
      second?.schemaId,
      table.metadata.currentSchemaId,
    ])
    expect(dry.schemaIds).toHaveLength(2)
    expect(await feed([{ id: 9, k0: 1, k9: 1 }])).toMatchObject({ rows: 1 })
    expect(await lake.rows('web.events', 'id')).toHaveLength(5)
  })

  it('C5 snapshots expire where the catalog does not know how to remove schemas', async () => {
    for (let index = 0; index < 3; index++) await feed([{ id: index, [`k${index}`]: 1 }])
    const { commitTable } = lake.catalog
    lake.catalog.commitTable = (...commit) => {
      const isUnknown = commit[0].updates.some(({ action }) => action === 'remove-schemas')
      if (isUnknown) return Promise.reject(new ValidationError('unknown table update'))
      return commitTable.apply(lake.catalog, commit)
    }
    const options = { olderThanMs: BigInt(systemClock.now() + 1), retainLast: 1 }
    const expire = (more: object) =>
      expireSnapshots(lake.catalog, identifier, { ...tools, io: lake.io }, { ...options, ...more })
    await expect(expire({ cleansMetadata: true })).rejects.toThrow('unknown table update')
    const { snapshotIds, schemaIds, table } = await expire({})
    expect([snapshotIds.length, schemaIds, table.metadata.schemas.length]).toEqual([2, [], 3])
  })
})
