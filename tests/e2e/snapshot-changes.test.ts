/** What a history does when its definition or its source changes shape: refused in clear words, never lost. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'

let project: BatchProject

beforeEach(async () => {
  project = await openBatchProject({ now: '2026-01-10T00:00:00Z' })
})

afterEach(() => project.close())

interface Observed {
  readonly config: string
  /** The rows of the source, as a SELECT. */
  readonly source: string
  readonly flags?: { readonly fullRefresh: boolean; readonly discardHistory: boolean }
}

/** One run of the history; its message. */
async function observe({ config, source, flags }: Observed): Promise<string> {
  await project.files({
    'models/shops.sql': source,
    'snapshots/shop_history.sql': `{{ config(${config}) }} SELECT * FROM {{ ref('shops') }}`,
  })
  await project.build({ select: ['shops'] })
  project.clock.advance(60_000)
  const { results } = await project.run({ verb: 'snapshot', ...flags })
  return `${results[0]?.status}: ${results[0]?.message}`
}

const history = (columns: string): Promise<readonly string[]> =>
  project.rows(`SELECT ${columns} FROM models.shop_history`)

const shops = (rows: string): string => `SELECT * FROM (VALUES ${rows}) t(id, region, v)`
const three = shops("(1, 'eu', 'a'), (2, 'eu', 'b'), (3, 'us', 'c')")

describe('a changed unique_key', () => {
  const check = (key: string): string => `strategy='check', unique_key=${key}, check_cols='all'`

  it('[B9] is refused for a history of the check strategy, with the way out', async () => {
    await observe({ config: check("'id'"), source: three })
    const before = await history('*')
    const fewer = shops("(1, 'eu', 'a'), (3, 'us', 'c')")
    const message = await observe({ config: check("'region'"), source: fewer })
    expect(message).toMatch(/^error: snapshots\/shop_history\.sql: unique_key was id .* is region/)
    expect(message).toMatch(/another name.*--full-refresh --discard-history/)
    expect(await history('*')).toEqual(before)
    expect(await observe({ config: check("'id'"), source: fewer })).toMatch(/^skipped/)
    const flags = { fullRefresh: true, discardHistory: true }
    const once = shops("(1, 'eu', 'a'), (3, 'us', 'c')")
    expect(await observe({ config: check("'region'"), source: once, flags })).toMatch(/^success/)
    expect(await observe({ config: check("'region'"), source: shops("(1, 'eu', 'z')") })).toMatch(
      /^success/,
    )
    expect(await history('region, v')).toEqual(['eu|a', 'eu|z', 'us|c'])
  })

  it('[B9] is refused for a history of the timestamp strategy', async () => {
    const config = (key: string): string =>
      `strategy='timestamp', unique_key='${key}', updated_at='u'`
    const rows = `SELECT *, TIMESTAMP '2026-01-01' AS u FROM (${three})`
    await observe({ config: config('id'), source: rows })
    const later = "SELECT 1 AS id, 'eu' AS region, 'c' AS v, TIMESTAMP '2026-01-05' AS u"
    expect(await observe({ config: config('region'), source: later })).toMatch(
      /^error: .*unique_key was id .* is region/,
    )
    expect(await history('id, region, v, valid_to')).toEqual([
      '1|eu|a|NULL',
      '2|eu|b|NULL',
      '3|us|c|NULL',
    ])
  })

  it('is none when only the order of its columns is another', async () => {
    await observe({ config: check("['id', 'region']"), source: three })
    const source = shops("(1, 'eu', 'a'), (2, 'eu', 'b'), (3, 'us', 'z')")
    expect(await observe({ config: check("['region', 'id']"), source })).toMatch(/^success/)
    expect(await history('id, v, valid_to IS NULL')).toEqual([
      '1|a|true',
      '2|b|true',
      '3|c|false',
      '3|z|true',
    ])
  })

  it('[B9] is refused where the table does not say what it was, when rows would fall together', async () => {
    // As a table that was made before its state named the key, or by another tool.
    const times = "TIMESTAMPTZ '2026-01-01 00:00:00+00'"
    const rows = `SELECT *, md5(id::VARCHAR) AS scd_id, ${times} AS updated_at, ${times} AS valid_from,
      NULL::TIMESTAMPTZ AS valid_to, false AS is_deleted FROM (${three})`
    await project.files({ 'models/made.sql': `{{ config(alias='shop_history') }} ${rows}` })
    await project.build({ select: ['made'] })
    await project.files({ 'models/made.sql': 'SELECT 1 AS x' })
    const message = await observe({ config: check("'region'"), source: shops("(1, 'eu', 'a')") })
    expect(message).toMatch(/^error: .*unique_key region is not that of the stored history/)
    expect(message).toMatch(/\{"region":"eu"\} \(2 rows\)/)
    const renamed = 'SELECT 1 AS shop'
    expect(await observe({ config: check("'shop'"), source: renamed })).toMatch(
      /^error: .*not that of the stored history, which has no column shop/,
    )
    expect(await history('id, v')).toEqual(['1|a', '2|b', '3|c'])
    expect(await observe({ config: check("'id'"), source: three })).toMatch(/^(success|skipped)/)
  })
})

describe('a history whose definition or source has changed', () => {
  it('says that its strategy was another one', async () => {
    const source = `SELECT 1 AS id, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS u, 'a' AS v`
    await observe({ config: "strategy='timestamp', unique_key='id', updated_at='u'", source })
    const message = await observe({
      config: "strategy='check', unique_key='id', check_cols=['v']",
      source: source.replace("'a'", "'b'"),
    })
    expect(message).toMatch(/^error: .*strategy was timestamp .* is check/)
    expect(message).toMatch(/another name.*--full-refresh --discard-history/)
    expect(await history('v')).toEqual(['a'])
  })

  it.each([
    ['plain', 'dbt'],
    ['dbt', 'plain'],
  ])('says that its columns have the names of meta_columns: %s', async (before, after) => {
    const config = (names: string): string =>
      `strategy='check', unique_key='id', check_cols='all', meta_columns='${names}'`
    await observe({ config: config(before), source: three })
    const message = await observe({ config: config(after), source: shops("(1, 'eu', 'z')") })
    expect(message).toMatch(
      new RegExp(
        `^error: .*meta_columns: ${before}.* (dbt_)?scd_id.*write meta_columns: ${before}`,
      ),
    )
  })

  it('does not advise a rebuild when a column comes with another type', async () => {
    const config = "strategy='check', unique_key='id', check_cols='all'"
    await observe({ config, source: three })
    const source = "SELECT 'x' AS id, 'eu' AS region, 'a' AS v"
    const message = await observe({ config, source })
    expect(message).toMatch(/^error: .*another type than in the history: cast it in the query/)
    expect(message).toMatch(/column=id actual=string expected=int/)
    expect(message).not.toMatch(/rebuild/)
    expect(await history('id, v')).toEqual(['1|a', '2|b', '3|c'])
  })

  it('keeps columns that have the names used inside', async () => {
    const config = "strategy='check', unique_key='id', check_cols='all'"
    const source = (v: string): string =>
      `SELECT 1 AS id, '${v}' AS "IS_SOURCE", 2 AS _is_source, 3 AS k, 4 AS kind, 5 AS attributes`
    expect(await observe({ config, source: source('a') })).toMatch(/^success/)
    expect(await observe({ config, source: source('b') })).toMatch(/^success/)
    expect(await history('"IS_SOURCE", _is_source, valid_to IS NULL')).toEqual([
      'a|2|false',
      'b|2|true',
    ])
  })
})
