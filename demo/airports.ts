/**
 * The demo's slowly changing dimension: 3,376 airports of the npm package vega-datasets. That file has
 * one version of each, so the later ones are made up: a fifth of them is renamed when two thirds of the
 * flights have left, and half of those had another name since the first third. The record of that earlier
 * name arrives last.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NotFoundError } from '../common/index.ts'
import { quoteLiteral } from '../sql/index.ts'
import { flightRows } from './flights.ts'

/** Beside this module once it is compiled. */
export const packagedAirportsName = 'airports.parquet'

/** The airports are in a file beside the flights, or in this package. */
export function findAirports(flightsFile: string): string {
  const packaged = fileURLToPath(new URL(packagedAirportsName, import.meta.url))
  const file = [join(dirname(flightsFile), 'airports.csv'), packaged].find(existsSync)
  if (file !== undefined) return file
  throw new NotFoundError('the demo needs airports.csv of vega-datasets beside its flights', {
    facts: { flightsFile },
  })
}

/** The columns that the demo uses, from either file. */
export function airportRows(file: string): string {
  const from = file.endsWith('.csv')
    ? `read_csv(${quoteLiteral(file)})`
    : `read_parquet(${quoteLiteral(file)})`
  return `SELECT iata, name, city, state FROM ${from}`
}

/** The flights and airports that are the input of the demo. */
export interface Sources {
  readonly flights: string
  /** How many of them, from the first, have been produced. */
  readonly records: number
  /** How many will have been produced at the end. The times of renames are fractions of this number. */
  readonly recordsInTheEnd: number
  readonly airports: string
}

/** In the order of their arrival, which is not the order of their times. */
export const airportWaves = ['as the file has them', 'renames', 'corrections, late'] as const

/** Airports as of one wave: `iata, name, city, state, updated_at`. */
export function airportVersions(
  { airports, flights, recordsInTheEnd }: Sources,
  wave: number,
): string {
  const numbered = `SELECT *, row_number() OVER (ORDER BY iata) AS n FROM (${airportRows(airports)})`
  const versions = [
    { every: 1, suffix: '', share: 0 },
    { every: 5, suffix: ' International', share: 2 / 3 },
    { every: 10, suffix: ' Regional', share: 1 / 3 },
  ]
  const { every = 1, share = 0, suffix = '' } = versions[wave] ?? {}
  // The files are in the order of time.
  const leaves = `SELECT ts FROM (${flightRows(flights, recordsInTheEnd)}) ORDER BY ts
    LIMIT 1 OFFSET ${Math.floor(recordsInTheEnd * share)}`
  const time = share === 0 ? "TIMESTAMP '2000-01-01 00:00:00'" : `date_trunc('second', (${leaves}))`
  return `SELECT iata, name || '${suffix}' AS name, city, state, ${time}::TIMESTAMP AS updated_at
    FROM (${numbered}) WHERE n % ${every} = 0`
}

/** The same as records of a topic. */
export function airportRecords(sources: Sources, wave: number): string {
  return `SELECT * REPLACE (strftime(updated_at, '%Y-%m-%dT%H:%M:%S') AS updated_at)
    FROM (${airportVersions(sources, wave)}) ORDER BY iata`
}

/** The expected history, computed from the files alone. */
export function expectedHistory(sources: Sources): string {
  const waves = airportWaves.map((_, wave) => airportVersions(sources, wave))
  return `SELECT iata, name, city, state, updated_at AS valid_from,
      lead(updated_at) OVER (PARTITION BY iata ORDER BY updated_at) AS valid_to
    FROM (${waves.join(' UNION ALL ')})`
}

/** Delays by the name that the airport had when the flight left. */
export function expectedDelaysByAirport(sources: Sources): string {
  const { flights, records } = sources
  return `SELECT origin, name AS airport, count(*) AS flights, sum(delay)::BIGINT AS delay_minutes
    FROM (${flightRows(flights, records)}) AS flight
    ASOF JOIN (${expectedHistory(sources)}) AS version
      ON iata = origin AND ts >= valid_from
    GROUP BY ALL`
}

export function expectedDailyDelays({ flights, records }: Sources): string {
  return `SELECT date_trunc('day', ts)::TIMESTAMP AS day, origin, count(*) AS flights,
      sum(delay)::BIGINT AS delay_minutes
    FROM (${flightRows(flights, records)}) GROUP BY ALL`
}
