/**
 * The demo's real input: 3,000,000 US flights of 2001 from the npm package vega-datasets, one JSON
 * record each. The file has no zone for its times, so neither have the records.
 *
 * A clone has that package. What is installed from the registry has every twelfth of the flights in
 * itself (scripts/build.ts), and takes all of them where vega-datasets is installed beside it.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NotFoundError } from '../common/index.ts'
import { quoteLiteral } from '../sql/index.ts'

export const flightsTotal = 3_000_000
export const packagedFlightsTotal = 250_000
/** Beside this module once it is compiled. */
export const packagedFlightsName = 'flights.parquet'
export const flightColumns = ['ts', 'delay', 'distance', 'origin', 'destination'] as const

export interface Flights {
  readonly file: string
  readonly total: number
}

/** Searches where the program is installed, then the user's directory, then this package. */
export function findFlights(directory: string): Flights {
  for (const base of [import.meta.url, join(directory, 'package.json')]) {
    try {
      const entry = createRequire(base).resolve('vega-datasets')
      const file = join(dirname(entry), '..', 'data', 'flights-3m.parquet')
      if (existsSync(file)) return { file, total: flightsTotal }
    } catch {
      // Not installed there; the next place may have it.
    }
  }
  const packaged = fileURLToPath(new URL(packagedFlightsName, import.meta.url))
  if (existsSync(packaged)) return { file: packaged, total: packagedFlightsTotal }
  throw new NotFoundError(
    'the demo replays a file of the npm package vega-datasets, which is not installed here: npm install vega-datasets@3.2.1',
    { facts: { directory } },
  )
}

/** The flights that go into the package, of the whole file, still in the order of time. */
export function packagedFlights(file: string): string {
  const every = flightsTotal / packagedFlightsTotal
  return `SELECT date, delay, distance, origin, destination
    FROM read_parquet(${quoteLiteral(file)}, file_row_number = true)
    WHERE file_row_number % ${every} = 0 ORDER BY file_row_number`
}

/** Flights from `first` until before `count` as records, in the order of the file, which is that of time. */
export function flightRecords(file: string, count: number, first = 0): string {
  return `SELECT strftime(ts, '%Y-%m-%dT%H:%M:%S') AS ts, delay, distance, origin, destination
    FROM (${flightRows(file, count, first)})`
}

/** The same, typed as the table has them. */
export function flightRows(file: string, count: number, first = 0): string {
  return `SELECT date AS ts, delay, distance, origin, destination
    FROM read_parquet(${quoteLiteral(file)}, file_row_number = true) 
    WHERE file_row_number >= ${first} AND file_row_number < ${count}`
}
