import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fuzzEffort as effort } from '../../tests/support/fuzz-effort.ts'
import { openAnswers, type Answers } from '../../tests/support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'

let lake: SqlLake
let answers: Answers

const columns = [
  'i int',
  'l long',
  'f float',
  'd double',
  'm decimal(9,2)',
  'dt date',
  'ts timestamp',
  'tz timestamptz',
  's string',
  'u uuid',
  'b boolean',
  'x binary',
]

/** Values that rows hold and conditions compare with, as SQL. */
const literals: Readonly<Record<string, readonly string[]>> = {
  i: ['0', '-1', '7', '2147483647', '-2147483648', '1.5', '-0.5', "'7'", '7e0', '1e10', '3 + 4'],
  l: [
    '0',
    '-9223372036854775808',
    '9007199254740993',
    '9007199254740992',
    '9223372036854775807',
    '9007199254740992.5',
    '9.007199254740993e15',
    '1e3',
    "'9007199254740993'",
    '170141183460469231731687303715884105727',
  ],
  f: ['0', '0.1', '-0.0', '1.5', '16777217', "'nan'::FLOAT", "'inf'::FLOAT", '1e-3', '0.1::FLOAT'],
  d: ['0', '0.1', '-0.0', '1.5', '9007199254740993', "'nan'::DOUBLE", "'-inf'::DOUBLE", '1e300'],
  m: ['0', '1.25', '-1.25', '1.255', '9999999.99', '10000000', '1', '1.25e0', '1.1999', "'1.25'"],
  dt: [
    "'2026-01-01'",
    "DATE '1969-12-31'",
    "TIMESTAMP '2026-01-01 12:00:00'",
    "DATE '2026-02-28' + INTERVAL 1 DAY",
    "TIMESTAMPTZ '2026-01-01 00:00:00+02'",
    'current_date',
  ],
  ts: [
    "'2026-01-01'",
    "DATE '2026-01-01'",
    "TIMESTAMP '1969-12-31 23:59:59.999999'",
    "TIMESTAMP '2026-01-01 12:00:00'",
    "'2026-01-01 12:00:00.000001'",
    'now()::TIMESTAMP',
  ],
  tz: [
    "'2026-01-01'",
    "TIMESTAMPTZ '2026-01-01 00:00:00+02'",
    "TIMESTAMP '2026-01-01 12:00:00'",
    "'2025-12-31 22:00:00+00'",
    'now()',
    "DATE '2026-01-01'",
  ],
  s: ["''", "'a'", "'abcdefgh'", "'abcdzzzz'", "'\u{1F600}x'", "'\uFF5E'", "'A'"],
  u: [
    "'00000000-0000-0000-0000-000000000001'",
    "'f79c3e09-677c-4bbd-a479-3f349cb785e7'::UUID",
    "'80000000-0000-0000-0000-000000000000'",
  ],
  b: ['true', 'false'],
  x: ["'\\x00'::BLOB", "'\\xFF\\xFF'::BLOB", "'\\xAB'::BLOB", "''::BLOB"],
}
const storable: Readonly<Record<string, readonly string[]>> = {
  ...literals,
  i: ['0', '-1', '7', '2147483647', '-2147483648', '1', '2'],
  l: ['0', '-9223372036854775808', '9007199254740993', '9007199254740992', '9223372036854775807'],
  f: ['0', '0.1', "'-0.0'::FLOAT", '1.5', '16777216', "'nan'::FLOAT", "'inf'::FLOAT"],
  d: ['0', '0.1', "'-0.0'::DOUBLE", '9007199254740992', "'nan'::DOUBLE", "'-inf'::DOUBLE", '0.5'],
  m: ['0', '1.25', '-1.25', '9999999.99', '1', '1.26', '1.19'],
}

const names = columns.map((column) => column.split(' ')[0] ?? '')
const typeOf: Readonly<Record<string, string>> = {
  i: 'INTEGER',
  l: 'BIGINT',
  f: 'FLOAT',
  d: 'DOUBLE',
  m: 'DECIMAL(9,2)',
  dt: 'DATE',
  ts: 'TIMESTAMP',
  tz: 'TIMESTAMPTZ',
  s: 'VARCHAR',
  u: 'UUID',
  b: 'BOOLEAN',
  x: 'BLOB',
}

const cell = (name: string): fc.Arbitrary<string> =>
  fc
    .oneof(
      { weight: 5, arbitrary: fc.constantFrom(...(storable[name] ?? ['NULL'])) },
      { weight: 1, arbitrary: fc.constant('NULL') },
    )
    .map((value) => `CAST(${value} AS ${typeOf[name] ?? ''}) AS ${name}`)
const row = fc.tuple(...names.map(cell)).map((cells) => `SELECT ${cells.join(', ')}`)
const file = fc.array(row, { minLength: 1, maxLength: 3 }).map((rows) => rows.join(' UNION ALL '))

/** Random conditions whose columns are written with one of `prefixes`. */
function conditions(prefixes: readonly string[]): fc.Arbitrary<string> {
  const leaf = fc.constantFrom(...names).chain((name) => {
    const column = fc.constantFrom(...prefixes).map((prefix) => prefix + name)
    const literal = fc.constantFrom(...(literals[name] ?? []))
    const operator = fc.constantFrom('=', '<', '<=', '>', '>=', '<>', 'IS NOT DISTINCT FROM')
    const forms: fc.Arbitrary<string>[] = [
      fc.tuple(column, operator, literal).map((parts) => parts.join(' ')),
      fc.tuple(literal, operator, column).map((parts) => parts.join(' ')),
      fc.tuple(column, literal, literal).map(([n, low, high]) => `${n} BETWEEN ${low} AND ${high}`),
      fc.tuple(column, literal, literal).map(([n, one, two]) => `${n} IN (${one}, ${two})`),
      fc.tuple(column, literal).map(([n, one]) => `${n} NOT IN (${one})`),
      column.map((n) => `${n} IS NULL`),
      column.map((n) => `${n} IS NOT NULL`),
    ]
    if (name === 's') {
      const pattern = ["'a%'", "'abcde%'", "'abcd_fgh'", "'A'", "'%'", "'\u{1F600}%'"]
      const prefix = ["''", "'ab'", "'\uFF5E'"]
      forms.push(
        fc.tuple(column, fc.constantFrom(...pattern)).map(([n, text]) => `${n} LIKE ${text}`),
        fc
          .tuple(column, fc.constantFrom(...prefix))
          .map(([n, text]) => `starts_with(${n}, ${text})`),
      )
    }
    if (name === 'b')
      forms.push(
        column,
        column.map((n) => `NOT ${n}`),
      )
    if (name === 'ts' || name === 'tz') {
      const day = ["'2026-01-01'", "DATE '1969-12-31'", "TIMESTAMP '2026-01-01 06:00:00'"]
      forms.push(
        fc
          .tuple(column, operator, fc.constantFrom(...day))
          .map(([n, compared, text]) => `${n}::DATE ${compared} ${text}`),
      )
    }
    return fc.oneof(...forms)
  })
  return fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      leaf,
      fc.tuple(tie('condition'), tie('condition')).map(([one, two]) => `(${one} AND ${two})`),
      fc.tuple(tie('condition'), tie('condition')).map(([one, two]) => `(${one} OR ${two})`),
      tie('condition').map((one) => `NOT (${one})`),
    ),
  })).condition
}

const specs = [
  [],
  ['s', 'bucket(3, l)'],
  ['month(ts)', 'truncate(2, s)'],
  ['day(tz)', 'truncate(10, i)'],
  ['identity(d)', 'bucket(2, u)'],
  ['year(dt)', 'f', 'truncate(1, m)'],
]

beforeAll(async () => {
  lake = await openSqlLake()
  answers = await openAnswers(lake)
  const contents = fc.sample(file, { numRuns: 4 * specs.length, seed: 11 })
  for (const [index, spec] of specs.entries()) {
    await lake.create(`f.t${index}`, columns, spec)
    for (const select of contents.slice(4 * index, 4 * index + 4)) {
      await lake.append(`f.t${index}`, select)
    }
  }
}, 60_000)
afterAll(() => lake.close())

/** Rows, or the error: pruning may save DuckDB from an error, never cause another. */
async function outcome(
  sql: string,
  prune: boolean,
): Promise<{ rows: string; files: number; isError: boolean }> {
  try {
    const { rows, summary } = await answers.ask(sql, { prune })
    const files = summary.tables.reduce((sum, table) => sum + table.filesRead, 0)
    return { rows: [...rows].sort().join('\n'), files, isError: false }
  } catch (error) {
    return { rows: String(error), files: 0, isError: true }
  }
}

describe('[Q3] pruned and unpruned answers agree', () => {
  it(
    'for random conditions over random files and partitionings',
    async () => {
      let saved = 0
      let errors = 0
      await fc.assert(
        fc.asyncProperty(fc.nat(specs.length - 1), conditions(['', 't.']), async (table, where) => {
          const sql = `SELECT * FROM f.t${table} t WHERE ${where}`
          const [pruned, whole] = [await outcome(sql, true), await outcome(sql, false)]
          if (whole.isError) {
            errors++
            return
          }
          expect(pruned.rows, where).toBe(whole.rows)
          if (pruned.files < whole.files) saved++
        }),
        { numRuns: 20 * effort, seed: effort },
      )
      // The property must not hold because nothing is ever pruned, or nothing ever runs.
      expect(saved).toBeGreaterThan(6 * effort)
      expect(errors).toBeLessThan(5 * effort)
    },
    60_000 * effort,
  )

  it(
    'for random conditions above and in joins',
    async () => {
      const kinds = ['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'SEMI JOIN', 'ANTI JOIN']
      let saved = 0
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...kinds),
          conditions(['o.', 't.']),
          conditions(['t.']),
          conditions(['o.']),
          async (kind, on, where, other) => {
            const isHalf = kind === 'SEMI JOIN' || kind === 'ANTI JOIN'
            const sql = `SELECT t.l, t.s FROM f.t0 t ${kind} f.t1 o ON t.b = o.b OR ${on}
            WHERE ${where}${isHalf ? '' : ` AND ${other}`}`
            const [pruned, whole] = [await outcome(sql, true), await outcome(sql, false)]
            if (whole.isError) return
            expect(pruned.rows, sql).toBe(whole.rows)
            if (pruned.files < whole.files) saved++
          },
        ),
        { numRuns: 10 * effort, seed: effort },
      )
      expect(saved).toBeGreaterThan(2 * effort)
    },
    60_000 * effort,
  )
})
