/**
 * The demo's real input: 3,000,000 US flights of 2001 from the npm package vega-datasets, one JSON
 * record each. The file has no zone for its times, so neither have the records.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { NotFoundError } from '../../common/index.ts'

export const flightsTotal = 3_000_000
export const flightColumns = ['ts', 'delay', 'distance', 'origin', 'destination'] as const

/** Looks where the program is installed, then where the user stands. Throws NotFoundError. */
export function findFlightsFile(directory: string): string {
  for (const base of [import.meta.url, join(directory, 'package.json')]) {
    try {
      const entry = createRequire(base).resolve('vega-datasets')
      return join(dirname(entry), '..', 'data', 'flights-3m.parquet')
    } catch {
      // Not installed there; the next place may have it.
    }
  }
  throw new NotFoundError(
    'the demo replays a file of the npm package vega-datasets, which is not installed here: npm install vega-datasets@3.2.1',
    { facts: { directory } },
  )
}

/** The first `count` flights as records, in the order of the file, which is that of time. */
export function flightRecords(file: string, count: number): string {
  return `SELECT strftime(ts, '%Y-%m-%dT%H:%M:%S') AS ts, delay, distance, origin, destination
    FROM (${flightRows(file, count)})`
}

/** The first `count` flights, typed as the table has them. */
export function flightRows(file: string, count: number): string {
  return `SELECT date AS ts, delay, distance, origin, destination
    FROM read_parquet(${quoted(file)}, file_row_number = true) WHERE file_row_number < ${count}`
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
