/** The demo's SQL models, as any user would write them. */

const sources = `sources:
  - name: demo
    tables:
      - { name: flights, config: { event_time: ts } }
      - { name: airports }
`

const dailyDelays = `-- Finished days are in the table; with lambda: true the others are computed from the flights when asked.
{{ config(materialized='incremental', schema='demo', lambda=true,
          event_time='day', batch_size='day', begin='2001-01-01', partition_by=['month(day)']) }}
SELECT date_trunc('day', ts)::TIMESTAMP AS day, origin, count(*) AS flights, sum(delay)::BIGINT AS delay_minutes
FROM {{ source('demo', 'flights') }}
WHERE ts >= '{{ start }}' AND ts < '{{ end }}'
GROUP BY ALL
`

const delaysByAirport = `-- An as-of join: each flight with the name that its airport had when it left.
{{ config(schema='demo') }}
SELECT flight.origin, version.name AS airport, count(*) AS flights, sum(flight.delay)::BIGINT AS delay_minutes
FROM {{ source('demo', 'flights') }} AS flight
JOIN {{ ref('airports_history') }} AS version
  ON version.iata = flight.origin AND flight.ts >= version.valid_from
  AND (version.valid_to IS NULL OR flight.ts < version.valid_to)
GROUP BY ALL
`

const airportsHistory = `# SCD Type 2: a row per version, valid from valid_from until before valid_to.
snapshots:
  - name: airports_history
    relation: source('demo', 'airports')
    config: { schema: demo, unique_key: iata, strategy: timestamp, updated_at: updated_at }
`

/** By path below the project's directory. */
export const demoModels: Readonly<Record<string, string>> = {
  'models/sources.yml': sources,
  'models/daily_delays.sql': dailyDelays,
  'models/delays_by_airport.sql': delaysByAirport,
  'snapshots/airports_history.yml': airportsHistory,
}
