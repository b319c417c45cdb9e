import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAnswers, type Answers } from '../../tests/support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import type { OutputMode } from './result-writer.ts'
import { runShell, runStatements, type ScriptOptions } from './shell.ts'

let lake: SqlLake
let answers: Answers
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-shell-'))
  lake = await openSqlLake()
  answers = await openAnswers(lake)
  await lake.create(
    'd.t',
    ['id long', 'name string', 'ts timestamptz', 'm decimal(20,2)'],
    ['day(ts)'],
  )
  await lake.append(
    'd.t',
    `SELECT 9007199254740993 AS id, 'a,"b' AS name, TIMESTAMPTZ '2026-01-01 12:00:00.5+00' AS ts, 1.50::DECIMAL(20,2) AS m
     UNION ALL SELECT 2, NULL, NULL, NULL`,
  )
})
afterAll(async () => {
  await lake.close()
  await rm(directory, { recursive: true, force: true })
})

interface Printed {
  readonly output: string
  readonly errors: string
  readonly failures: number
}

class Collected extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function run(
  script: string,
  options: Partial<ScriptOptions> & { mode?: OutputMode } = {},
): Promise<Printed> {
  const output = new Collected()
  const errors = new Collected()
  const failures = await runStatements(
    { engine: answers.engine, output, errors, mode: 'csv', ...options },
    script,
  )
  return { output: output.text, errors: errors.text, failures }
}

const rowsSql = 'SELECT id, name, ts, m FROM d.t ORDER BY id DESC'

describe('output formats', () => {
  it('[Q6] json keeps every digit and writes instants as ISO 8601', async () => {
    const { output } = await run(rowsSql, { mode: 'json' })
    expect(output).toBe(
      '[{"id":9007199254740993,"name":"a,\\"b","ts":"2026-01-01T12:00:00.5Z","m":1.50},\n' +
        '{"id":2,"name":null,"ts":null,"m":null}]\n',
    )
    expect((await run('SELECT 1 WHERE false', { mode: 'json' })).output).toBe('[]\n')
  })

  it('jsonlines writes a row a line, nested values too', async () => {
    const sql = `SELECT [1, NULL] AS l, {'a': 1.10::DECIMAL(3,2), 'b': DATE '2026-01-01'} AS s,
      MAP {'k': 170141183460469231731687303715884105727::HUGEINT} AS m, '\\xAB'::BLOB AS b,
      'nan'::DOUBLE AS n, 0.1::FLOAT AS f, TIME '01:02:03' AS t, true AS o, 1e300 AS d,
      TIMESTAMP '2026-01-01 00:00:00' AS ts, uuid '00000000-0000-0000-0000-00000000000a' AS u`
    const { output } = await run(sql, { mode: 'jsonlines' })
    expect(output).toBe(
      '{"l":[1,null],"s":{"a":1.10,"b":"2026-01-01"},' +
        '"m":{"k":170141183460469231731687303715884105727},"b":"\\\\xAB","n":"NaN","f":0.1,' +
        '"t":"01:02:03","o":true,"d":1e+300,"ts":"2026-01-01T00:00:00",' +
        '"u":"00000000-0000-0000-0000-00000000000a"}\n',
    )
  })

  it('csv quotes what needs it and tells NULL from the empty string', async () => {
    const { output } = await run(
      "SELECT 'a,b' AS x, '' AS y, NULL AS z, 'q\"' AS \"w\"\"\", 'l\nm' AS v",
    )
    expect(output).toBe('x,y,z,"w""",v\n"a,b","",,"q""","l\nm"\n')
  })

  it('markdown and line', async () => {
    expect((await run("SELECT 1 AS a, 'x|y' AS bb", { mode: 'markdown' })).output).toBe(
      '| a | bb   |\n|---|------|\n| 1 | x\\|y |\n',
    )
    expect(
      (await run("SELECT 1 AS a, 'x' AS bb UNION ALL SELECT 2, 'y'", { mode: 'line' })).output,
    ).toBe(' a = 1\nbb = x\n\n a = 2\nbb = y\n')
  })

  it('table draws a box with types and says what was read', async () => {
    const { output } = await run(rowsSql, { mode: 'table' })
    const lines = output.split('\n')
    expect(lines.slice(0, 7)).toEqual([
      '┌──────────────────┬─────────┬──────────────────────────┬───────────────┐',
      '│        id        │  name   │            ts            │       m       │',
      '│      bigint      │ varchar │ timestamp with time zone │ decimal(20,2) │',
      '├──────────────────┼─────────┼──────────────────────────┼───────────────┤',
      '│ 9007199254740993 │ a,"b    │ 2026-01-01 12:00:00.5+00 │          1.50 │',
      '│                2 │ NULL    │ NULL                     │          NULL │',
      '└──────────────────┴─────────┴──────────────────────────┴───────────────┘',
    ])
    expect(lines[7]).toMatch(/^2 rows · d\.t@\d+ 2 of 2 files \d\.\d kB · \d+\.\d{3} s$/)
  })

  it('table shortens long results in the middle, and wide ones to the terminal', async () => {
    const { output } = await run('SELECT range AS r FROM range(100)', { mode: 'table', rowsMax: 4 })
    const cells = output
      .split('\n')
      .slice(4, 11)
      .map((line) => line.replaceAll(/[│ ]/g, ''))
    expect(cells).toEqual(['0', '1', '·', '·', '·', '98', '99'])
    expect(output).toContain('100 rows')
    const narrow = new Collected() as Collected & { columns?: number }
    narrow.columns = 40
    const sql = `SELECT ${Array.from({ length: 12 }, (_, index) => `'long value ${index}' AS c${index}`).join(', ')}`
    await runStatements(
      { engine: answers.engine, output: narrow, errors: new Collected(), mode: 'table' },
      sql,
    )
    const widths = narrow.text
      .split('\n')
      .slice(0, 6)
      .map((line) => line.length)
    expect(Math.max(...widths)).toBeLessThanOrEqual(40)
    expect(narrow.text).toContain('…')
    const unknown = new Collected() as Collected & { columns?: number }
    unknown.columns = 0
    const options = { engine: answers.engine, errors: new Collected(), mode: 'table' } as const
    await runStatements({ ...options, output: unknown }, sql)
    expect(unknown.text).toContain('long value 11')
  })

  it('shows control characters instead of sending them, and aligns wide letters', async () => {
    const { output } = await run("SELECT e'\\x1b[31mred\\n' AS a UNION ALL SELECT '日本'", {
      mode: 'table',
    })
    expect(output).not.toContain('\u001b')
    expect(output).toContain('\\x1B[31mred\\n')
    expect(output).toContain('│ 日本          │')
  })

  it('prints plans as they are drawn', async () => {
    const { output } = await run('EXPLAIN SELECT 1', { mode: 'table' })
    expect(output).toContain('┌───')
    expect(output).not.toContain('explain_key')
  })
})

describe('runStatements()', () => {
  it('runs statements and commands, the last without a semicolon', async () => {
    const { output, failures } = await run(
      'SELECT 1 AS a; SELECT 2 AS a;\n.mode json\nSELECT 3 AS a',
    )
    expect(output).toBe('a\n1\na\n2\n[{"a":3}]\n')
    expect(failures).toBe(0)
  })

  it('goes on after an error unless -bail, and counts', async () => {
    const script = 'SELECT 1 AS a; SELECT nope; SELECT 2 AS a;'
    const through = await run(script)
    expect(through.output).toBe('a\n1\na\n2\n')
    expect(through.errors).toMatch(/^error: binder error: .*nope/)
    expect(through.failures).toBe(1)
    const stopped = await run(script, { bail: true })
    expect(stopped.output).toBe('a\n1\n')
    expect(stopped.failures).toBe(1)
  })

  it('USE lasts for the statements after it', async () => {
    const { output } = await run('USE d; SELECT count(*) AS n FROM t; SHOW TABLES')
    expect(output).toBe('n\n2\nname\nt\n')
  })

  it('runs the -init script first', async () => {
    const initPath = join(directory, 'init.sql')
    await writeFile(initPath, '.mode json\nUSE d;')
    expect((await run('SELECT count(*) AS n FROM t', { initPath })).output).toBe('[{"n":2}]\n')
  })
})

describe('commands', () => {
  it('.tables and .schema describe the catalog', async () => {
    expect((await run('.tables')).output).toBe('d.t\n')
    expect((await run('.tables zzz')).output).toBe('')
    expect((await run('.schema d.t')).output).toBe(
      `CREATE TABLE d.t (
  "id" long,
  "name" string,
  "ts" timestamptz,
  "m" decimal(20, 2)
)
PARTITIONED BY (day(ts))
LOCATION 'memory://lake/warehouse/d/t';
`,
    )
  })

  it('.output writes to a file until it is turned back', async () => {
    const path = join(directory, 'out file.csv')
    const { output } = await run(`.output "${path}"\nSELECT 1 AS a;\n.output\nSELECT 2 AS a;`)
    expect(output).toBe('a\n2\n')
    expect(await readFile(path, 'utf8')).toBe('a\n1\n')
  })

  it('.read runs a file, and a file that reads itself ends', async () => {
    const path = join(directory, 'script.sql')
    await writeFile(path, 'SELECT 7 AS a;\n')
    expect((await run(`.read ${path}`)).output).toBe('a\n7\n')
    const loop = join(directory, 'loop.sql')
    await writeFile(loop, `.read ${loop}\n`)
    expect((await run(`.read ${loop}`)).errors).toContain('too many files read one from another')
    expect((await run('.read /nowhere.sql')).errors).toMatch(/cannot read \/nowhere.sql/)
  })

  it('.timer shows the time, .quit stops, mistakes are named', async () => {
    expect((await run('.timer on\nSELECT 1;')).errors).toMatch(
      /^run time: \d+\.\d{3} s, of it planning/,
    )
    expect((await run('.quit\nSELECT 1;')).output).toBe('')
    const { errors, failures } = await run('.tabels\n.mode xml\n.timer maybe\n.maxrows 0')
    expect(errors.split('\n')).toEqual([
      'error: there is no command .tabels; did you mean .tables?',
      'error: expected .mode table|json|jsonlines|csv|markdown|line: mode=xml',
      'error: expected .timer on or off',
      'error: expected .maxrows N, N > 0',
      '',
    ])
    expect(failures).toBe(4)
    expect((await run('.help')).output).toContain('.schema [TABLE]')
  })
})

describe('runShell()', () => {
  it('reads statements from a pipe', async () => {
    const output = new Collected()
    const failures = await runShell({
      engine: answers.engine,
      input: Readable.from(['SELECT\n 1 AS', ' a;\nSELECT 2', ' AS a']),
      output,
      errors: new Collected(),
      mode: 'csv',
      interactive: false,
    })
    expect(output.text).toBe('a\n1\na\n2\n')
    expect(failures).toBe(0)
  })

  it('prompts, completes and keeps a history for a person', async () => {
    const input = new PassThrough()
    const output = new Collected()
    const historyPath = join(directory, 'home', 'history')
    const ended = runShell({
      engine: answers.engine,
      input,
      output,
      errors: new Collected(),
      mode: 'csv',
      interactive: true,
      historyPath,
    })
    input.write('USE d;\n')
    input.write('SELECT count(*) AS n\n')
    input.write('FROM t;\n')
    input.write('.quit\n')
    expect(await ended).toBe(0)
    expect(output.text).toContain('tide> ')
    expect(output.text).toContain('tide d> ')
    expect(output.text).toContain('  ...> ')
    expect(output.text).toContain('n\n2\n')
    expect((await readFile(historyPath, 'utf8')).split('\n')).toEqual([
      'USE d;',
      'SELECT count(*) AS n',
      'FROM t;',
      '.quit',
      '',
    ])
  })
})
