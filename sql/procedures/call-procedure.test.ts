import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { createQueryEngine, type QueryEngine } from '../engine/query-engine.ts'
import { allRows } from '../session/query-result.ts'
import { plainText } from '../session/values.ts'
import { defineProcedure, optional, refused, required, withDefault } from './procedure.ts'

let lake: SqlLake
let engine: QueryEngine
let calls: unknown[] = []

const everything = defineProcedure({
  name: 'take_everything',
  summary: 'takes an argument of each type',
  arguments: {
    table: required('table'),
    text: optional('string'),
    large: optional('long'),
    small: optional('int'),
    moment: optional('timestamp'),
    ids: optional('longs'),
    options: optional('map'),
    dry_run: withDefault('boolean', true),
    threads: refused('int', 'there is one'),
  },
  columns: { answer: 'BIGINT' },
  run: async (values) => {
    calls.push(values)
    return { rows: [[values.large ?? null]], notes: ['done'] }
  },
})

beforeAll(async () => {
  lake = await openSqlLake()
  await lake.create('web.events', ['id long'])
  await lake.create('a.b.deep', ['id long'])
  engine = await createQueryEngine({ ...lake, procedures: [everything] })
})
afterAll(() => lake.close())

async function call(text: string, defaultNamespace?: readonly string[]): Promise<unknown> {
  calls = []
  const result = await engine.query(
    `CALL system.take_everything(${text})`,
    defaultNamespace === undefined ? {} : { defaultNamespace },
  )
  await allRows(result)
  return calls[0]
}

const table = { namespace: ['web'], name: 'events' }

describe('CALL', () => {
  it('[Q13] answers with the columns of the procedure, exact numbers, and its notes', async () => {
    const result = await engine.query(
      "call SYSTEM.Take_Everything(table => 'web.events', large => 9007199254740993);",
    )
    expect(result.columns).toEqual([{ name: 'answer', type: 'BIGINT' }])
    expect((await allRows(result)).map((row) => row.map(plainText))).toEqual([['9007199254740993']])
    expect(result.notes).toEqual(['done'])
  })

  it('[Q14] takes arguments by name in any order, or by position', async () => {
    expect(await call("Text => 'x', TABLE => 'web.events'")).toMatchObject({ table, text: 'x' })
    expect(await call("'web.events', 'it''s', -5, 7")).toMatchObject({
      table,
      text: "it's",
      large: -5n,
      small: 7,
    })
    expect(await call("'web.events', NULL, NULL, 7")).toMatchObject({
      text: undefined,
      large: undefined,
      small: 7,
    })
  })

  it('[Q14] gives defaults, and undefined for what is left out', async () => {
    expect(await call("'web.events'")).toEqual({ table, dry_run: true })
    expect(await call("table => 'web.events', dry_run => false")).toMatchObject({ dry_run: false })
  })

  it.each([
    ["moment => TIMESTAMP '2026-01-31 12:00:00.000001'", { moment: 1_769_860_800_000_001n }],
    ["moment => timestamp '2026-01-31T12:00:00+02:00'", { moment: 1_769_853_600_000_000n }],
    ["moment => TIMESTAMP '2026-01-31'", { moment: 1_769_817_600_000_000n }],
    ["moment => DATE '2026-01-31'", { moment: 1_769_817_600_000_000n }],
    ['ids => ARRAY(1, 9223372036854775807)', { ids: [1n, 9_223_372_036_854_775_807n] }],
    ['ids => [-1, 2]', { ids: [-1n, 2n] }],
    ['ids => ARRAY[3]', { ids: [3n] }],
    ["options => MAP('a', '1', 'b', 2, 'c', true)", { options: { a: '1', b: '2', c: 'true' } }],
    ["options => map {'a': '1', 'b-c': 'd'}", { options: { a: '1', 'b-c': 'd' } }],
    ['options => map()', { options: {} }],
    ['text => $$it\'s "so"$$', { text: 'it\'s "so"' }],
    ['small => 1_000', { small: 1000 }],
  ])('[Q14] reads %s', async (argument, expected) => {
    expect(await call(`table => 'web.events', ${argument}`)).toMatchObject(expected)
  })

  it.each([
    ["'events'", ['web'], table],
    ["'web.events'", ['other'], table],
    ['\'"web"."events"\'', undefined, table],
    ["'a.b.deep'", undefined, { namespace: ['a', 'b'], name: 'deep' }],
  ])('[Q14] finds the table %s with the namespace %j', async (name, namespace, expected) => {
    expect(await call(`table => ${name}`, namespace)).toMatchObject({ table: expected })
  })

  it.each([
    ['CALL system.take_everythin()', 'no procedure system.take_everythin, did you mean', 5],
    ['CALL take_everything()', 'write CALL system.take_everything(...)', 5],
    ['CALL prod.system.take_everything()', 'write CALL system.take_everything(...)', 5],
    ['CALL system.take_everything()', 'needs the argument table', 5],
    [
      "CALL system.take_everything(tabel => 'web.events')",
      'no argument tabel, did you mean table',
      28,
    ],
    ["CALL system.take_everything(table => 'web.event')", 'did you mean web.events', 37],
    ["CALL system.take_everything(table => 'web.events$batch')", "write 'web.events'", 37],
    ['CALL system.take_everything(table => 5)', 'the name of a table as a string', 37],
    ['CALL system.take_everything(table => "web.events")', 'single quotes', 37],
    ["CALL system.take_everything('web.events', large => 1)", 'cannot be mixed', 42],
    ["CALL system.take_everything(large => 1, 'web.events')", 'cannot be mixed', 40],
    ['CALL system.take_everything(large => 1, large => 2)', 'large is given twice', 40],
    ["CALL system.take_everything('web.events', 'x', 1.5)", 'whole number of 64 bits', 47],
    ["CALL system.take_everything('web.events', 'x', 9223372036854775808)", '64 bits', 47],
    ["CALL system.take_everything('web.events', 'x', 1, 2147483648)", '32 bits', 50],
    ["CALL system.take_everything('web.events', moment => '2026-01-01')", 'cannot be mixed', 42],
    [
      "CALL system.take_everything(table => 'web.events', moment => '2026-01-01')",
      "such as TIMESTAMP '2026-01-31 12:00:00'",
      61,
    ],
    [
      "CALL system.take_everything(table => 'web.events', moment => TIMESTAMP '2026-02-30 00:00:00')",
      'expected a time such as',
      71,
    ],
    [
      "CALL system.take_everything(table => 'web.events', threads => 2)",
      'threads: there is one',
      51,
    ],
    [
      "CALL system.take_everything(table => 'web.events', ids => ARRAY('x'))",
      'an array of whole numbers',
      58,
    ],
    [
      "CALL system.take_everything(table => 'web.events', options => map('a'))",
      'value is missing',
      62,
    ],
    ["CALL system.take_everything(table => 'web.events', text => lower('A'))", 'a literal', 59],
    ["CALL system.take_everything('web.events') AND", 'the end of the statement', 42],
    ["CALL system.take_everything('web.events'", 'expected ,', 40],
    [
      "CALL system.take_everything('web.events', '', 1, 1, NULL, NULL, NULL, true, NULL, 1)",
      'at most 9 arguments',
      82,
    ],
  ])('[Q15] refuses %s', async (sql, message, position) => {
    calls = []
    const error = (await engine.query(sql).catch((thrown: unknown) => thrown)) as Error
    expect(error.message).toContain(message)
    expect(error.message.split('\n').at(-1)?.length).toBe('line 1: '.length + position + 1)
    expect(calls).toEqual([])
  })

  it('[Q16] is refused where the engine only reads', async () => {
    const reader = await createQueryEngine(lake)
    await expect(reader.query("CALL system.expire_snapshots('web.events')")).rejects.toThrow(
      "CALL system.expire_snapshots may change a table, which POST /query, tide sql --server and tide sql --readonly refuse: run it with tide sql -c 'CALL system.expire_snapshots(...)'",
    )
    await expect(reader.query('CALL')).rejects.toThrow('may change a table')
  })
})
