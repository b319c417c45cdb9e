/** Compares the demo's models with what plain DuckDB computes from the source files alone. */
import type { Database } from '../sql/index.ts'
import type { Lake } from '../app/index.ts'
import {
  expectedDailyDelays,
  expectedDelaysByAirport,
  expectedHistory,
  type Sources,
} from './airports.ts'
import type { DemoCheck } from './demo-reporter.ts'
import { grouped } from './grouped.ts'
import { differenceOf, listDataFiles, parquet } from './table-accounts.ts'

interface ModelExpectation {
  readonly table: string
  readonly name: string
  readonly columns: string
  readonly expected: string
  readonly says: string
}

export async function checkModels(
  database: Database,
  lake: Lake,
  sources: Sources,
): Promise<readonly DemoCheck[]> {
  const expectations: readonly ModelExpectation[] = [
    {
      table: 'daily_delays',
      name: 'daily',
      columns: 'day, origin, flights, delay_minutes',
      expected: expectedDailyDelays(sources),
      says: 'delays by day and airport',
    },
    {
      table: 'airports_history',
      name: 'history',
      columns: 'iata, name, city, state, valid_from, valid_to',
      expected: expectedHistory(sources),
      says: 'versions of airports, the late ones in their place',
    },
    {
      table: 'delays_by_airport',
      name: 'as-of join',
      columns: 'origin, airport, flights, delay_minutes',
      expected: expectedDelaysByAirport(sources),
      says: 'delays by the name the airport had that day',
    },
  ]
  const checks: DemoCheck[] = []
  for (const each of expectations) checks.push(await checkModel(database, lake, each))
  return checks
}

async function checkModel(
  database: Database,
  { catalog, io }: Lake,
  { columns, expected, name, says, table }: ModelExpectation,
): Promise<DemoCheck> {
  const loaded = await catalog.loadTable({ namespace: ['demo'], name: table })
  const files = await listDataFiles(io, loaded)
  const actual = `SELECT ${columns} FROM ${parquet(files)}`
  const { missing, rows, unexpected } = await differenceOf(database, actual, expected)
  const isSame = rows > 0n && missing === 0n && unexpected === 0n
  const verdict = isSame
    ? 'as computed from the source files'
    : `${grouped(missing)} missing, ${grouped(unexpected)} that should not be there`
  return { name, passed: isSame, detail: `${grouped(rows)} ${says}: ${verdict}` }
}
