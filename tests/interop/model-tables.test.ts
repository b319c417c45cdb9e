/** Tables of models as PyIceberg and DuckDB's iceberg extension see them, straight from the metadata file. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { currentSnapshot } from '../../catalog/format/index.ts'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'
import { requirePart } from '../support/services/index.ts'
import { tableReaders, tableSummary, type TableReader } from '../support/table-judge.ts'

describe.skipIf(!requirePart('python'))('tables of models', () => {
  let project: BatchProject

  beforeAll(async () => {
    project = await openBatchProject({ now: '2026-02-01T00:00:00Z' })
    await project.lake.create('web.events', ['id long', 'ts timestamptz', 'price decimal(9,2)'])
    await project.files({
      'models/daily.sql': `{{ config(materialized='incremental', event_time='day', batch_size='day',
          begin='2026-01-01', partition_by=['month(day)']) }}
        SELECT date_trunc('day', ts) AS day, count(*) AS n, sum(price) AS total, list(id ORDER BY id) AS ids
        FROM {{ source('web', 'events') }} WHERE ts >= '{{ start }}' AND ts < '{{ end }}' GROUP BY ALL`,
      'models/sources.yml':
        'sources: [{ name: web, tables: [{ name: events, config: { event_time: ts } }] }]',
      'models/hourly.sql': `{{ config(materialized='incremental', event_time='hour', batch_size='hour', begin='2026-01-01',
          lookback=0, properties={'write.delete.mode': 'merge-on-read'}, partition_by=['bucket(3, n)']) }}
        SELECT date_trunc('hour', ts) AS hour, count(*) AS n, sum(price) AS total
        FROM {{ source('web', 'events') }} WHERE ts >= '{{ start }}' AND ts < '{{ end }}' GROUP BY ALL`,
      'snapshots/prices.sql': `{{ config(strategy='check', unique_key='id', check_cols=['price'], partition_by=['bucket(4, id)'],
          properties={'write.update.mode': 'merge-on-read'}) }} SELECT * FROM {{ ref('people') }}`,
      'models/people.sql': people(0),
      'models/all_events.sql': "SELECT * FROM {{ source('web', 'events') }}",
      'snapshots/buckets.sql': `{{ config(strategy='check', unique_key='bucket', check_cols=['n'], hard_deletes='new_record') }}
        SELECT id % 7 AS bucket, count(*) AS n FROM {{ source('web', 'events') }} WHERE id < 1000 OR id % 7 < 5 GROUP BY ALL`,
    })
    for (const batch of [0, 1, 2]) {
      await project.lake.append(
        'web.events',
        `SELECT (${batch} * 500 + i)::BIGINT AS id, TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (i * 89) MINUTE AS ts,
          (i * 1.25)::DECIMAL(9,2) AS price FROM range(500) t(i)`,
      )
      project.clock.advance(60_000)
      await project.files({ 'models/people.sql': people(batch * 7) })
      await project.build()
    }
    const window = { startMs: Date.parse('2026-01-05'), endMs: Date.parse('2026-01-07') }
    await project.build({ select: ['hourly'], window })
  })
  afterAll(() => project.close())

  /** A thousand people, of whom some have another price. */
  function people(changed: number): string {
    return `SELECT i::BIGINT AS id, CASE WHEN i % 200 < ${changed} THEN ${changed} ELSE i END::DECIMAL(9,2) AS price FROM range(1000) t(i)`
  }

  async function judged(reader: TableReader, table: string, sums: readonly string[]) {
    const { metadataLocation } = await project.lake.load(table)
    return tableSummary(reader, { metadataLocation }, { sums })
  }

  it.each(tableReaders)(
    'hold what DuckDB alone computes from the source, by %s',
    async (reader) => {
      expect(await judged(reader, 'models.all_events', ['id', 'price'])).toMatchObject({
        count: 1500,
        sums: { id: String((1499 * 1500) / 2), price: '467812.50' },
      })
      const days = await judged(reader, 'models.daily', ['n', 'total'])
      expect(days).toMatchObject({ count: 31, sums: { n: '1500', total: '467812.50' } })
      expect(days.columns).toEqual(['day', 'n', 'total', 'ids'])
    },
  )

  it.each(tableReaders)('hold every version of a history, by %s', async (reader) => {
    const [expected = ''] = await project.rows(
      'SELECT count(*), sum(n), count(*) FILTER (valid_to IS NULL) FROM models.buckets',
    )
    const [count, total, current] = expected.split('|')
    expect(current).toBe('7')
    expect(await judged(reader, 'models.buckets', ['n'])).toMatchObject({
      count: Number(count),
      sums: { n: total },
    })
    expect(Number(count)).toBeGreaterThan(14)
  })
  it.each(tableReaders)(
    '[B12] hold what is left beside position deletes, by %s',
    async (reader) => {
      for (const table of ['models.prices', 'models.hourly']) {
        const summary = currentSnapshot((await project.lake.load(table)).metadata)?.summary
        expect(Number(summary?.['total-position-deletes'])).toBeGreaterThan(20)
      }
      expect(await judged(reader, 'models.prices', ['id', 'price'])).toMatchObject({
        count: 1000 + 35 + 70,
        sums: { id: String(499500 + 14105 + 28455), price: '500725.00' },
      })
      const [hours] = await project.rows(
        "SELECT count(DISTINCT date_trunc('hour', ts)) FROM web.events",
      )
      expect(await judged(reader, 'models.hourly', ['n', 'total'])).toMatchObject({
        count: Number(hours),
        sums: { n: '1500', total: '467812.50' },
      })
    },
  )
})
