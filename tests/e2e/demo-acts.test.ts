/**
 * What the demo's acts leave behind, against the source files: plain DuckDB on both sides, and a way to
 * the table's files that is not ours (tests/support/foreign-reader.ts).
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../sql/index.ts'
import { type ForeignFiles, foreignFiles, foreignRows } from '../support/foreign-reader.ts'
import { repositoryRoot } from '../support/services/index.ts'

const count = 60_000
const data = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data')
/** As many come last, while somebody asks. */
const live = 6_000
const partitions = 4
/** The demo appends so many records to one partition, then to the next. */
const appended = { early: 1_350, live: 100 }
const flights = `(SELECT * FROM read_parquet('${join(data, 'flights-3m.parquet')}', file_row_number = true)
  WHERE file_row_number < ${count})`
const airports = `read_csv('${join(data, 'airports.csv')}')`

/** Each flight of the source at its place in the log, which is said here and not read from the table. */
const logged = `(SELECT source.*, place % ${partitions} AS p, (CASE WHEN isLive THEN ${(count - live) / partitions} ELSE 0 END)
    + (place // ${partitions}) * size + i % size AS o
  FROM (SELECT date AS ts, delay, distance, origin, destination, file_row_number >= ${count - live} AS isLive,
      CASE WHEN isLive THEN file_row_number - ${count - live} ELSE file_row_number END AS i,
      CASE WHEN isLive THEN ${appended.live} ELSE ${appended.early} END AS size, i // size AS place
    FROM ${flights}) AS source)`

let base: string
let database: Database
let output = ''

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'tide-acts-'))
  database = await openDatabase({ threads: 2 })
  const args = ['--import', 'tsx', 'scripts/demo.ts', '--records', `${count}`, '--dir', base]
  const child = spawn(process.execPath, args, { cwd: repositoryRoot })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, output).toBe(0)
})

afterAll(async () => {
  database?.close()
  await rm(base, { recursive: true, force: true })
})

const filesOf = (table: string): Promise<ForeignFiles> =>
  foreignFiles(join(base, 'warehouse'), table)

async function rowsOf(sql: string): Promise<readonly unknown[]> {
  return database.withConnection(async (connection) =>
    (await connection.runAndReadAll(sql)).getRowsJson(),
  )
}

/** Rows of one and not of the other, both ways. */
async function differences(table: string, columns: string, expected: string): Promise<unknown> {
  const found = `SELECT ${columns} FROM ${foreignRows(await filesOf(table))}`
  const [row] = await rowsOf(`SELECT
    (SELECT count(*) FROM (${found})),
    (SELECT count(*) FROM ((${found}) EXCEPT ALL (${expected}))),
    (SELECT count(*) FROM ((${expected}) EXCEPT ALL (${found})))`)
  return row
}

/** Flights in the order of time: when a third of them has left, and when two thirds have. */
const moment = (share: number): string =>
  `(SELECT date_trunc('second', date)::TIMESTAMP FROM ${flights} ORDER BY date LIMIT 1 OFFSET ${Math.floor(count * share)})`

const versions = `(
  SELECT iata, name, TIMESTAMP '2000-01-01' AS since FROM ${airports}
  UNION ALL SELECT iata, name || ' Regional', ${moment(1 / 3)} FROM (${numbered()}) WHERE n % 10 = 0
  UNION ALL SELECT iata, name || ' International', ${moment(2 / 3)} FROM (${numbered()}) WHERE n % 5 = 0)`

function numbered(): string {
  return `SELECT *, row_number() OVER (ORDER BY iata) AS n FROM ${airports}`
}

describe('what the demo leaves behind', () => {
  it('is every flight of the source once, in few files, its offsets still there', async () => {
    const files = await filesOf('demo.flights')
    const columns = 'ts, delay, distance, origin, destination'
    const source = `SELECT date, delay, distance, origin, destination FROM ${flights}`
    expect(await differences('demo.flights', columns, source)).toEqual([`${count}`, '0', '0'])
    const [places] = await rowsOf(`SELECT count(DISTINCT (_kafka.partition, _kafka."offset")),
      max(_kafka."offset") FROM ${foreignRows(files)}`)
    expect(places).toEqual([`${count}`, `${count / 4 - 1}`])
    const [, before = '', after = ''] = /(\d+) data files of .* became (\d+) of/.exec(output) ?? []
    expect(Number(after)).toBeLessThan(Number(before))
    const next = { 0: 15_000, 1: 15_000, 2: 15_000, 3: 15_000 }
    expect(JSON.parse(files.properties['tidewater.offsets.main'] ?? '{}')).toMatchObject({
      flights: { topics: { flights: { 'next-offsets': next } } },
    })
  })

  it('is delays by day as DuckDB counts them', async () => {
    const expected = `SELECT date_trunc('day', date)::TIMESTAMP, origin, count(*), sum(delay)::BIGINT
      FROM ${flights} GROUP BY ALL`
    const [rows, ...others] = (await differences(
      'demo.daily_delays',
      'day, origin, flights, delay_minutes',
      expected,
    )) as readonly string[]
    expect(Number(rows)).toBeGreaterThan(500)
    expect(others).toEqual(['0', '0'])
  })

  it('is a history of airports in which what came late has its place', async () => {
    // Another way to say it than the demo's: the end is the least later beginning.
    const expected = `SELECT iata, name, since, (SELECT min(later.since) FROM ${versions} AS later
        WHERE later.iata = one.iata AND later.since > one.since)
      FROM ${versions} AS one`
    const columns = 'iata, name, valid_from, valid_to'
    expect(await differences('demo.airports_history', columns, expected)).toEqual([
      '4388',
      '0',
      '0',
    ])
  })

  it('is each flight under the name that its airport had that day', async () => {
    const expected = `SELECT origin, name, count(*), sum(delay)::BIGINT
      FROM (SELECT origin, delay, arg_max(name, since) AS name
        FROM ${flights} AS flight JOIN ${versions} AS one ON iata = origin AND since <= date
        GROUP BY flight.file_row_number, origin, delay) GROUP BY ALL`
    const [rows, ...others] = (await differences(
      'demo.delays_by_airport',
      'origin, airport, flights, delay_minutes',
      expected,
    )) as readonly string[]
    // More names than airports: some were called differently on different days.
    const [[origins] = []] = (await rowsOf(
      `SELECT count(DISTINCT origin) FROM ${flights}`,
    )) as readonly (readonly string[])[]
    expect(Number(rows)).toBeGreaterThan(Number(origins))
    expect(others).toEqual(['0', '0'])
  })

  it('is a range read again, with not a row of it different from before', async () => {
    const number = (text = ''): number => Number(text.replaceAll(',', ''))
    const [, read] = /replay +([\d,]+) records into branch/.exec(output) ?? []
    const [, same, differing, onlyMain, onlyBranch] =
      /diff +([\d,]+) rows the same +(\d+) differ, (\d+) only in main, (\d+) only in/.exec(
        output,
      ) ?? []
    // The middle third of what each partition held.
    const held = (count - live) / partitions
    const inRange = `o >= ${Math.floor(held / 3)} AND o < ${Math.floor((held * 2) / 3)}`
    const [wanted] = await rowsOf(`SELECT count(*) FROM ${logged} WHERE ${inRange} AND NOT isLive`)
    expect(wanted).toEqual([`${number(read)}`])

    const [, fork = ''] = /main stayed at snapshot (\d+) until/.exec(output) ?? []
    const before = await foreignFiles(join(base, 'warehouse'), 'demo.flights', fork)
    const { history } = await filesOf('demo.flights')
    const next = history[history.indexOf(fork) - 1] ?? 'nothing was published'
    const published = await foreignFiles(join(base, 'warehouse'), 'demo.flights', next)
    // Rows were really read again: the files of the range are others.
    expect(before.data.filter((file) => published.data.includes(file)).length).toBeLessThan(
      before.data.length,
    )
    const columns = 'p, o, ts, delay, distance, origin, destination'
    const rows = (files: ForeignFiles): string => `SELECT ${columns}
      FROM (SELECT *, _kafka.partition AS p, _kafka."offset" AS o FROM ${foreignRows(files)})
      WHERE ${inRange}`
    const source = `SELECT ${columns} FROM ${logged} WHERE ${inRange}`
    for (const [left, right] of [
      [rows(before), rows(published)],
      [rows(published), rows(before)],
      [rows(published), source],
      [source, rows(published)],
    ] as const) {
      const both = `SELECT (SELECT count(*) FROM (${left})), (SELECT count(*) FROM ((${left}) EXCEPT ALL (${right})))`
      const [[total, others] = []] = (await rowsOf(both)) as readonly (readonly string[])[]
      expect([Number(total), Number(others)]).toEqual([number(same), 0])
    }
    expect([number(same), differing, onlyMain, onlyBranch]).toEqual([number(read), '0', '0', '0'])
  })

  it('answered at its offsets what DuckDB counts below them', async () => {
    const answers = `read_json('${join(base, 'answers.jsonl')}', format = 'newline_delimited',
      columns = {count: 'BIGINT', "delaySum": 'BIGINT', committed: 'BIGINT', offsets: 'MAP(INTEGER, BIGINT)'})`
    const compared = `SELECT given.n, given.count, given."delaySum", count(*) AS wanted, sum(delay)::BIGINT AS minutes
      FROM (SELECT *, row_number() OVER () AS n FROM ${answers}) AS given
      JOIN ${logged} AS one ON one.o < given.offsets[one.p::INTEGER] GROUP BY ALL`
    const [figures] = await rowsOf(`SELECT (SELECT count(*) FROM ${answers}), count(*),
        count(*) FILTER (count <> wanted OR "delaySum" <> minutes), max(wanted) FROM (${compared})`)
    const [, given = ''] = /ok +answers +(\d+) answers, 0 differ/.exec(output) ?? []
    expect(figures).toEqual([given, given, '0', `${count}`])
    const [[ahead, places] = []] = (await rowsOf(`SELECT count(*) FILTER (count > committed),
        count(DISTINCT offsets) FROM ${answers}`)) as readonly (readonly string[])[]
    expect(/ok +live rows +(\d+) of them/.exec(output)?.[1]).toBe(ahead)
    // Asked while data flowed: not all at one place.
    expect(Number(places)).toBeGreaterThan(5)
  })

  it('showed a lambda view of all flights, those included that were never built', async () => {
    const [, ...shown] =
      /over HTTP: ([\d,]+) rows of ([\d,]+) flights, (-?[\d,]+) minutes/.exec(output) ?? []
    const [wanted] = await rowsOf(`SELECT count(*), sum(n)::BIGINT, sum(delays)::BIGINT FROM (
        SELECT count(*) AS n, sum(delay) AS delays FROM ${flights} GROUP BY date_trunc('day', date), origin)`)
    expect(shown.map((text) => text.replaceAll(',', ''))).toEqual(wanted)
  })

  it('fails none of its checks', () => {
    expect(output).not.toContain('FAIL')
    for (const name of [
      'lost 0',
      'fewer files',
      'same place',
      'lambda view',
      'as-of join',
      'row by row',
      'published',
    ]) {
      expect(output).toMatch(new RegExp(`ok +${name}`))
    }
  })
})
