import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, type NestedField, type Schema } from '../../catalog/format/index.ts'
import { openAnswers, type Answers } from '../../tests/support/sql-answers.ts'
import { columnsSchema, openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { quoteIdentifier } from '../text/sql-text.ts'

let lake: SqlLake
let answers: Answers

beforeEach(async () => {
  lake = await openSqlLake()
  answers = await openAnswers(lake)
})
afterEach(() => lake.close())

async function rows(sql: string): Promise<readonly string[]> {
  return (await answers.ask(sql)).rows
}

/** Replaces the schema; ids are kept as given. */
async function evolve(
  name: string,
  change: (fields: readonly NestedField[]) => readonly NestedField[],
): Promise<void> {
  const { metadata } = await lake.load(name)
  const schemaId = Math.max(...metadata.schemas.map((schema) => schema.schemaId)) + 1
  const schema: Schema = {
    ...currentSchema(metadata),
    schemaId,
    fields: change(currentSchema(metadata).fields),
  }
  await lake.update(name, [
    { action: 'add-schema', schema },
    { action: 'set-current-schema', schemaId: -1 },
  ])
}

function field(id: number, text: string): NestedField {
  const [only] = columnsSchema([text]).fields
  if (only === undefined) throw new Error(text)
  return { ...only, id }
}

const struct = (...members: readonly string[]): string => {
  const fields = members.map((member) => {
    const [id, name, type] = member.split(' ')
    return { id: Number(id), name, required: false, type }
  })
  return JSON.stringify({ type: 'struct', fields })
}

describe('[Q2] schema evolution', () => {
  it('[Q4] a branch is read with the current schema, a tag and a snapshot with their own', async () => {
    await lake.create('d.t', ['a int', 'b string'])
    const { metadata } = await lake.append('d.t', "SELECT 1 AS a, 'x' AS b")
    const snapshotId = metadata.currentSnapshotId ?? 0n
    await lake.append('d.t', "SELECT 2 AS a, 'y' AS b", { branch: 'audit' })
    await lake.update('d.t', [
      { action: 'set-snapshot-ref', refName: 'then', ref: { type: 'tag', snapshotId } },
    ])
    await evolve('d.t', ([a, b]) => [{ ...a!, name: 'a2' }, b!])
    for (const [ref, found] of [
      ['audit', ['1|x', '2|y']],
      ['main', ['1|x']],
    ] as const) {
      const from = `d.t AT (VERSION => '${ref}')`
      expect(await rows(`SELECT a2, b FROM ${from} ORDER BY 1`), ref).toEqual(found)
      expect(await rows(`SELECT b FROM ${from} WHERE a2 = 1`), ref).toEqual(['x'])
      await expect(rows(`SELECT a FROM ${from}`)).rejects.toThrow(/"a" not found/)
    }
    for (const version of ["'then'", `'${snapshotId}'`, String(snapshotId)]) {
      expect(await rows(`SELECT a, b FROM d.t AT (VERSION => ${version})`)).toEqual(['1|x'])
    }
  })

  it('a renamed column keeps its rows', async () => {
    await lake.create('d.t', ['a int', 'b string'])
    await lake.append('d.t', "SELECT 1 AS a, 'x' AS b")
    await evolve('d.t', ([a, b]) => [{ ...a!, name: 'a2' }, b!])
    await lake.append('d.t', "SELECT 2 AS a2, 'y' AS b")
    expect(await rows('SELECT a2, b FROM d.t ORDER BY 1')).toEqual(['1|x', '2|y'])
    expect(await rows('SELECT b FROM d.t WHERE a2 = 1')).toEqual(['x'])
  })

  it('a column dropped and added again under its name starts empty', async () => {
    await lake.create('d.t', ['a int', 'b string'])
    await lake.append('d.t', "SELECT 1 AS a, 'old' AS b")
    await evolve('d.t', ([a]) => [a!, field(3, 'b string')])
    await lake.append('d.t', "SELECT 2 AS a, 'new' AS b")
    expect(await rows('SELECT * FROM d.t ORDER BY a')).toEqual(['1|NULL', '2|new'])
    expect(await rows("SELECT a FROM d.t WHERE b = 'old'")).toEqual([])
    expect(await rows('SELECT a FROM d.t WHERE b IS NULL')).toEqual(['1'])
  })

  it('columns that swap names swap nothing else', async () => {
    await lake.create('d.t', ['a int', 'b int'])
    await lake.append('d.t', 'SELECT 1 AS a, 2 AS b')
    await evolve('d.t', ([a, b]) => [
      { ...a!, name: 'b' },
      { ...b!, name: 'a' },
    ])
    await lake.append('d.t', 'SELECT 3 AS a, 4 AS b')
    expect(await rows('SELECT a, b FROM d.t ORDER BY a')).toEqual(['2|1', '3|4'])
    expect(await rows('SELECT a FROM d.t WHERE b = 1')).toEqual(['2'])
  })

  it('reordered columns come in their new order', async () => {
    await lake.create('d.t', ['a int', 'b string', 'c int'])
    await lake.append('d.t', "SELECT 1 AS a, 'x' AS b, 3 AS c")
    await evolve('d.t', ([a, b, c]) => [c!, a!, b!])
    expect(await rows('SELECT * FROM d.t')).toEqual(['3|1|x'])
  })

  it('widened types read old and new files, and prune by bounds of the old width', async () => {
    await lake.create('d.t', ['i int', 'f float', 'm decimal(5,2)'])
    await lake.append('d.t', 'SELECT 1::INT AS i, 0.5::FLOAT AS f, 1.25::DECIMAL(5,2) AS m')
    await evolve('d.t', ([i, f, m]) => [
      { ...i!, type: { type: 'long' } },
      { ...f!, type: { type: 'double' } },
      { ...m!, type: { type: 'decimal', precision: 20, scale: 2 } },
    ])
    await lake.append(
      'd.t',
      'SELECT 9007199254740993::BIGINT AS i, 0.1::DOUBLE AS f, 123456789012345678.25::DECIMAL(20,2) AS m',
    )
    expect(await rows('SELECT * FROM d.t ORDER BY i')).toEqual([
      '1|0.5|1.25',
      '9007199254740993|0.1|123456789012345678.25',
    ])
    for (const condition of ['i <= 1', 'i = 1', 'f >= 0.4', 'm < 2', 'm = 1.25']) {
      const { rows: found, summary } = await answers.ask(`SELECT i FROM d.t WHERE ${condition}`)
      expect(found, condition).toEqual(['1'])
      expect(summary.tables[0], condition).toMatchObject({ filesRead: 1, filesTotal: 2 })
    }
    expect(await rows('SELECT m FROM d.t WHERE i > 9007199254740992')).toEqual([
      '123456789012345678.25',
    ])
  })

  it('a column that no file has yet is NULL, and can be filtered', async () => {
    await lake.create('d.t', ['a int'])
    await lake.append('d.t', 'SELECT 1 AS a')
    await evolve('d.t', ([a]) => [a!, field(2, 'n decimal(9,2)'), field(3, 'filename string')])
    expect(await rows('SELECT * FROM d.t')).toEqual(['1|NULL|NULL'])
    expect(await rows('SELECT a FROM d.t WHERE n IS NULL')).toEqual(['1'])
    expect(await rows('SELECT a FROM d.t WHERE n > 0')).toEqual([])
  })

  it('members of structs are renamed, added, dropped, swapped and widened by id', async () => {
    await lake.create('d.t', [`k int`, `s ${struct('3 x int', '4 y string', '5 z int')}`])
    await lake.append('d.t', "SELECT 1 AS k, {'x': 10, 'y': 'old', 'z': 7} AS s")
    await lake.append('d.t', 'SELECT 2 AS k, NULL::STRUCT(x INT, y VARCHAR, z INT) AS s')
    await evolve('d.t', ([k]) => [k!, field(2, `s ${struct('5 x int', '3 w long', '6 n string')}`)])
    await lake.append('d.t', "SELECT 3 AS k, {'x': 8, 'w': 9007199254740993, 'n': 'new'} AS s")
    expect(await rows('SELECT k, s FROM d.t ORDER BY k')).toEqual([
      "1|{'x': 7, 'w': 10, 'n': NULL}",
      '2|NULL',
      "3|{'x': 8, 'w': 9007199254740993, 'n': new}",
    ])
    expect(await rows('SELECT k FROM d.t WHERE s.w = 10')).toEqual(['1'])
    expect(await rows('SELECT k FROM d.t WHERE s IS NULL')).toEqual(['2'])
  })

  it('a struct none of whose old members is left keeps only its nulls', async () => {
    await lake.create('d.t', ['k int', `s ${struct('3 x int')}`])
    await lake.append('d.t', "SELECT 1 AS k, {'x': 10} AS s UNION ALL SELECT 2, NULL ORDER BY k")
    await evolve('d.t', ([k]) => [k!, field(2, `s ${struct('4 y int')}`)])
    await lake.append('d.t', "SELECT 3 AS k, {'y': 5} AS s")
    expect(await rows('SELECT k, s FROM d.t ORDER BY k')).toEqual([
      "1|{'y': NULL}",
      '2|NULL',
      "3|{'y': 5}",
    ])
  })

  it('members are matched by id when the schema that a file was written with is gone', async () => {
    await lake.create('d.t', [`s ${struct('2 x int')}`])
    await lake.append('d.t', "SELECT {'x': 1} AS s")
    await evolve('d.t', () => [field(1, `s ${struct('2 y int')}`)])
    await lake.append('d.t', "SELECT {'y': 2} AS s")
    await lake.update('d.t', [{ action: 'remove-schemas', schemaIds: [0] }])
    expect((await lake.load('d.t')).metadata.schemas).toHaveLength(1)
    expect(await rows('SELECT s.y FROM d.t ORDER BY 1')).toEqual(['1', '2'])
  })

  it('members are matched by id when the writer spelled their names its own way', async () => {
    const table = await lake.create(
      'd.t',
      [
        '{"type":"struct","fields":[{"id":2,"name":"a b","required":false,"type":"int"},{"id":3,"name":"c","required":false,"type":"int"}]}',
      ].map((type) => `s ${type}`),
    )
    const { metadata } = table
    const java = field(1, `s ${struct('2 a_x20b int', '3 c int')}`)
    const schema: Schema = { ...currentSchema(metadata), fields: [java] }
    await lake.append('d.t', "SELECT {'a_x20b': 1, 'c': 2} AS s", { schema })
    await lake.append('d.t', "SELECT {'a b': 3, 'c': 4} AS s")
    expect(await rows('SELECT s FROM d.t ORDER BY s.c')).toEqual([
      "{'a b': 1, 'c': 2}",
      "{'a b': 3, 'c': 4}",
    ])
  })

  it('structs inside lists and maps evolve by id', async () => {
    const list = (member: string): string =>
      `l {"type":"list","element-id":4,"element-required":false,"element":${struct(member)}}`
    const map = (member: string): string =>
      `m {"type":"map","key-id":6,"key":"string","value-id":7,"value-required":false,"value":${struct(member)}}`
    await lake.create('d.t', ['k int', list('5 x int'), map('8 x int')])
    const { metadata } = await lake.load('d.t')
    const [, l, m] = currentSchema(metadata).fields
    const listType = l?.type
    const mapType = m?.type
    if (listType?.type !== 'list' || mapType?.type !== 'map') throw new Error('types')
    await lake.append(
      'd.t',
      "SELECT 1 AS k, [{'x': 1}, NULL, {'x': 2}] AS l, MAP {'a': {'x': 3}, 'b': NULL} AS m",
    )
    await lake.append(
      'd.t',
      'SELECT 2 AS k, NULL::STRUCT(x INT)[] AS l, NULL::MAP(VARCHAR, STRUCT(x INT)) AS m',
    )
    const renamed = (type: typeof listType.element): typeof listType.element =>
      type.type === 'struct'
        ? { ...type, fields: type.fields.map((member) => ({ ...member, name: 'y' })) }
        : type
    await evolve('d.t', ([k]) => [
      k!,
      { ...l!, type: { ...listType, element: renamed(listType.element) } },
      { ...m!, type: { ...mapType, value: renamed(mapType.value) } },
    ])
    expect(await rows('SELECT k, l, m FROM d.t ORDER BY k')).toEqual([
      "1|[{'y': 1}, NULL, {'y': 2}]|{a={'y': 3}, b=NULL}",
      '2|NULL|NULL',
    ])
  })

  it('[Q5] a file without field ids is refused, not read as NULL', async () => {
    await lake.create('d.t', ['a int'])
    const { metadata } = await lake.load('d.t')
    const nameless = { ...currentSchema(metadata), fields: [] }
    await lake.append('d.t', 'SELECT 1 AS a', { schema: nameless })
    const updates = { 'schema.name-mapping.default': '[{"field-id":1,"names":["a"]}]' }
    await lake.update('d.t', [{ action: 'set-properties', updates }])
    await expect(rows('SELECT a FROM d.t')).rejects.toThrow(/has no field ids.*file=memory:/)
  })

  it('time travel reads a snapshot with its own schema', async () => {
    await lake.create('d.t', ['a int', 'b string'])
    const before = await lake.append('d.t', "SELECT 1 AS a, 'x' AS b")
    await evolve('d.t', ([a]) => [{ ...a!, name: 'renamed' }])
    await lake.append('d.t', 'SELECT 2 AS renamed')
    const id = before.metadata.currentSnapshotId
    expect(await rows(`SELECT a, b FROM d.t AT (VERSION => ${id})`)).toEqual(['1|x'])
    expect(await rows(`SELECT b FROM d.t AT (VERSION => ${id}) WHERE a = 1`)).toEqual(['x'])
    expect((await answers.ask('SELECT * FROM d.t')).columns.map(({ name }) => name)).toEqual([
      'renamed',
    ])
  })
})

describe('[Q2] hostile names', () => {
  it('columns, tables and namespaces with any letters are read', async () => {
    const columns = ["a'b", 'c"d', 'select', 'x y', 'é€😀', '$x', 'a.b', ';--', 'per%cent']
    await lake.create(
      'd-1.we ird',
      columns.map((name) => `${name} int`),
    )
    const quoted = columns.map(quoteIdentifier)
    await lake.append(
      'd-1.we ird',
      `SELECT ${quoted.map((name, index) => `${index} AS ${name}`).join(', ')}`,
    )
    expect(await rows(`SELECT ${quoted.join(', ')} FROM "d-1"."we ird"`)).toEqual([
      columns.map((_, index) => index).join('|'),
    ])
    const { rows: found, summary } = await answers.ask(
      `SELECT 1 FROM "d-1"."we ird" AS "o'f" WHERE "o'f"."c""d" = 9 OR "a.b" = 9`,
    )
    expect(found).toEqual([])
    expect(summary.tables[0]).toMatchObject({ filesRead: 0, filesTotal: 1 })
  })

  it('members of structs with odd names are matched by id', async () => {
    await lake.create('d.t', [
      `s {"type":"struct","fields":[{"id":2,"name":"a b","required":false,"type":"int"},{"id":3,"name":"c'd","required":false,"type":"int"}]}`,
    ])
    await lake.append('d.t', `SELECT {'a b': 1, 'c''d': 2} AS s`)
    expect(await rows(`SELECT s."a b", s."c'd" FROM d.t`)).toEqual(['1|2'])
  })

  it('says so when two columns differ only in case', async () => {
    await lake.create('d.t', ['a int', 'A int'])
    await expect(rows('SELECT * FROM d.t')).rejects.toThrow(/differ only in case.*column=A other=a/)
  })
})
