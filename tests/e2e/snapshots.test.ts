/**
 * SCD Type 2 over a local warehouse, example by example; what holds for all sources is in
 * snapshot-properties.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'

/** A version of somebody; `at` in minutes since the epoch. */
interface Version {
  readonly id: number
  readonly at: number
  readonly value: string | null
}

let project: BatchProject

beforeEach(async () => {
  project = await openBatchProject({ now: '2026-01-01T00:00:00Z' })
})

afterEach(() => project.close())

const minutes = (column: string): string => `CAST(epoch(${column}) / 60 AS BIGINT)`

/** Makes the table be the rows of a SELECT and nothing else. */
async function source(select: string): Promise<void> {
  await project.files({ 'models/people.sql': select })
  await project.build({ select: ['people'] })
}

async function snapshot(config: string): Promise<void> {
  await project.files({
    'snapshots/people_history.yml': `
snapshots:
  - name: people_history
    relation: ref('people')
    config: { unique_key: id, ${config} }`,
  })
}

async function observe(select: string): Promise<string> {
  await source(select)
  project.clock.advance(60_000)
  const { results } = await project.run({ verb: 'snapshot' })
  const [run, check] = results
  expect(check, JSON.stringify(results.map(({ message }) => message))).toMatchObject({
    name: 'one_current_row_people_history',
    status: 'pass',
  })
  return run?.status ?? ''
}

function history(columns = 'id, value'): Promise<readonly string[]> {
  return project.rows(
    `SELECT ${columns}, strftime(valid_from, '%H:%M') AS f, strftime(valid_to, '%H:%M') AS t, is_deleted FROM models.people_history`,
  )
}

describe('strategy: check', () => {
  const people = (rows: string): string => `SELECT * FROM (VALUES ${rows}) t(id, value, note)`

  it('[B8] begins a version where a checked column changed, nulls included, and not elsewhere', async () => {
    await snapshot('strategy: check, check_cols: [value]')
    expect(await observe(people("(1, 'a', 'x'), (2, NULL, 'x'), (3, 'c', 'x')"))).toBe('success')
    expect(await observe(people("(1, 'a', 'y'), (2, 'b', 'x'), (3, NULL, 'x')"))).toBe('success')
    expect(await observe(people("(1, 'a', 'y'), (2, 'b', 'x'), (3, NULL, 'x')"))).toBe('skipped')
    expect(await observe(people("(1, 'b', 'y'), (2, 'b', 'x'), (4, 'd', 'x')"))).toBe('success')
    expect(await history()).toEqual([
      '1|a|00:01|00:04|false',
      '1|b|00:04|NULL|false',
      '2|b|00:02|NULL|false',
      '2|NULL|00:01|00:02|false',
      '3|c|00:01|00:02|false',
      '3|NULL|00:02|NULL|false',
      '4|d|00:04|NULL|false',
    ])
  })

  it('[B8] compares all columns when told so, new ones too', async () => {
    await snapshot('strategy: check, check_cols: all, meta_columns: dbt')
    await observe("SELECT 1 AS id, 'a' AS value")
    await observe("SELECT 1 AS id, 'a' AS value, 7 AS extra")
    const columns = 'id, value, extra, dbt_valid_to IS NULL, dbt_is_deleted, length(dbt_scd_id)'
    expect(await project.rows(`SELECT ${columns} FROM models.people_history`)).toEqual([
      '1|a|7|true|false|32',
      '1|a|NULL|false|false|32',
    ])
    // A column that is gone from the source stays in the history.
    await observe("SELECT 1 AS id, 'b' AS value")
    expect(await project.rows('SELECT value, extra FROM models.people_history')).toEqual([
      'a|7',
      'a|NULL',
      'b|NULL',
    ])
  })

  it('[B9] invalidates what is gone and begins anew what is back', async () => {
    await snapshot('strategy: check, check_cols: [value], hard_deletes: invalidate')
    await observe("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, value)")
    await observe("SELECT 1 AS id, 'a' AS value")
    expect(await history()).toEqual(['1|a|00:01|NULL|false', '2|b|00:01|00:02|false'])
    await observe("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, value)")
    expect(await history()).toEqual([
      '1|a|00:01|NULL|false',
      '2|b|00:01|00:02|false',
      '2|b|00:03|NULL|false',
    ])
  })

  it('[B9] writes a row for a deletion where asked for one', async () => {
    await snapshot('strategy: check, check_cols: [value], hard_deletes: new_record')
    await observe("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, value)")
    await observe("SELECT 1 AS id, 'a' AS value")
    await observe("SELECT 1 AS id, 'z' AS value")
    await observe("SELECT * FROM (VALUES (1, 'z'), (2, 'b')) t(id, value)")
    expect(await history()).toEqual([
      '1|a|00:01|00:03|false',
      '1|z|00:03|NULL|false',
      '2|b|00:01|00:02|false',
      '2|b|00:02|00:04|true',
      '2|b|00:04|NULL|false',
    ])
  })

  it('[B9] goes on when the clock has gone back', async () => {
    await snapshot('strategy: check, check_cols: [value]')
    await observe("SELECT 1 AS id, 'a' AS value")
    project.clock.advance(-3_600_000)
    await observe("SELECT 1 AS id, 'b' AS value")
    const rows = await project.rows(
      'SELECT value, epoch_us(valid_to) - epoch_us(valid_from) FROM models.people_history',
    )
    expect(rows).toEqual(['a|1', 'b|NULL'])
  })
})

describe('strategy: timestamp', () => {
  const config = 'strategy: timestamp, updated_at: updated_at'
  const row = ({ id, at, value }: Version): string => {
    const text = value === null ? 'NULL' : `'${value}'`
    return `(${id}, make_timestamp(${at * 60_000_000}), ${text}::VARCHAR)`
  }
  const people = (versions: readonly Version[]): string =>
    `SELECT * FROM (VALUES ${versions.map(row).join(', ')}) t(id, updated_at, value)`
  const stored = (): Promise<readonly string[]> =>
    project.rows(
      `SELECT id, value, ${minutes('valid_from')} AS f, ${minutes('valid_to')} AS t FROM models.people_history`,
    )

  it('[B6] puts a late correction where it belongs in time', async () => {
    await snapshot(config)
    await observe(people([{ id: 1, at: 10, value: 'a' }]))
    await observe(people([{ id: 1, at: 30, value: 'c' }]))
    await observe(people([{ id: 1, at: 20, value: 'b' }]))
    expect(await stored()).toEqual(['1|a|10|20', '1|b|20|30', '1|c|30|NULL'])
    expect(await observe(people([{ id: 1, at: 20, value: 'b' }]))).toBe('skipped')
    await observe(people([{ id: 1, at: 5, value: null }]))
    expect(await stored()).toEqual(['1|a|10|20', '1|b|20|30', '1|c|30|NULL', '1|NULL|5|10'])
  })

  it('[B6] keeps a deletion in its place among versions that are learned later', async () => {
    await snapshot(`${config}, hard_deletes: invalidate`)
    const start = project.clock.now() / 60_000
    const other = { id: 2, at: 1, value: 'x' }
    await observe(people([{ id: 1, at: start - 20, value: 'a' }, other]))
    await observe(people([other]))
    await observe(people([{ id: 1, at: start - 10, value: 'b' }, other]))
    const mine = (await stored()).filter((each) => each.startsWith('1|'))
    expect(mine).toEqual([
      `1|a|${start - 20}|${start - 10}`,
      `1|b|${start - 10}|${start + 2}`,
      `1|b|${start + 3}|NULL`,
    ])
  })

  it('[B7] refuses a source that contradicts itself, and says which keys', async () => {
    await snapshot(config)
    await source(
      people([
        { id: 7, at: 1, value: 'a' },
        { id: 7, at: 1, value: 'b' },
      ]),
    )
    const { results } = await project.run({ verb: 'snapshot' })
    expect(results[0]?.message).toMatch(
      /several versions of one moment: keys=1 such as \{"id":7\} \(2 rows\)/,
    )
    await source("SELECT NULL::INTEGER AS id, now()::TIMESTAMP AS updated_at, 'a' AS value")
    expect((await project.run({ verb: 'snapshot' })).results[0]?.message).toMatch(
      /must not be null: rows=1/,
    )
    await snapshot('strategy: check, check_cols: [value]')
    await source('SELECT * FROM (VALUES (1, 2), (1, 2), (3, 3)) t(id, value)')
    expect((await project.run({ verb: 'snapshot' })).results[0]?.message).toMatch(
      /not unique in the source: keys=1 such as \{"id":1\} \(2 rows\)/,
    )
    await snapshot('strategy: check, check_cols: [valuee]')
    expect((await project.run({ verb: 'snapshot' })).results[0]?.message).toMatch(
      /no column valuee/,
    )
    await source('SELECT 1 AS id, 2 AS valid_to')
    await snapshot('strategy: check, check_cols: all')
    expect((await project.run({ verb: 'snapshot' })).results[0]?.message).toMatch(
      /meta_columns: dbt/,
    )
  })

  it('[B9] finds a second current row that somebody else has written', async () => {
    await snapshot(config)
    await observe(people([{ id: 1, at: 10, value: 'a' }]))
    await project.lake.append(
      'models.people_history',
      `SELECT 1 AS id, make_timestamp(20000000) AS updated_at, 'z' AS value, 'x' AS scd_id,
        make_timestamp(20000000) AS valid_from, NULL::TIMESTAMP AS valid_to, false AS is_deleted`,
    )
    const { results, ok } = await project.run({ verb: 'test', select: ['people_history'] })
    expect(ok).toBe(false)
    expect(results.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'one_current_row_people_history fail',
    ])
  })

  it('refuses to throw a history away unless told twice', async () => {
    await snapshot(config)
    await observe(people([{ id: 1, at: 10, value: 'a' }]))
    await source(people([{ id: 1, at: 20, value: 'b' }]))
    const refused = await project.run({ verb: 'snapshot', fullRefresh: true })
    expect(refused.results[0]?.message).toMatch(/--discard-history/)
    expect(await stored()).toEqual(['1|a|10|NULL'])
    await project.run({ verb: 'snapshot', fullRefresh: true, discardHistory: true })
    expect(await stored()).toEqual(['1|b|20|NULL'])
  })

  it('[B5] lets one of two snapshots at once win', async () => {
    await snapshot(config)
    await source(people([{ id: 1, at: 10, value: 'a' }]))
    await Promise.all([project.run({ verb: 'snapshot' }), project.run({ verb: 'snapshot' })])
    expect(await stored()).toEqual(['1|a|10|NULL'])
  })
})
