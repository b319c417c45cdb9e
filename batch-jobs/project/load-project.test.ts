import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatIdentifier } from '../../catalog/format/index.ts'
import { loadProject } from './load-project.ts'
import type { Project } from './model.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-project-'))
})

afterEach(() => rm(directory, { recursive: true, force: true }))

async function load(files: Readonly<Record<string, string>>): Promise<Project> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
  return loadProject({ directory, namespace: 'models', environment: { NS: 'raw' } })
}

describe('loadProject()', () => {
  it('finds models, snapshots and tests, in the order they are built', async () => {
    const project = await load({
      'models/marts/daily.sql': "{{ config(alias='per_day') }} SELECT * FROM {{ ref('clean') }}",
      'models/clean.sql': "SELECT * FROM {{ source('web', 'events') }}",
      'models/schema.yml': `
models:
  - name: clean
    description: without robots
    config: { schema: staging, tags: [nightly] }
    columns:
      - name: id
        tests: [unique, not_null]
      - name: kind
        data_tests:
          - accepted_values: { values: [a, b] }
          - relationships: { arguments: { to: "ref('daily')", field: id } }
sources:
  - name: web
    schema: "\${NS}"
    tables: [{ name: events, identifier: web_events }]
`,
      'snapshots/people.yml': `
snapshots:
  - name: people
    relation: source('crm', 'people')
    config: { strategy: timestamp, unique_key: id, updated_at: changed_at, hard_deletes: invalidate }
`,
      'tests/no_negatives.sql': "SELECT * FROM {{ ref('daily') }} WHERE n < 0",
    })
    expect(project.models.map(({ name, table }) => [name, formatIdentifier(table)])).toEqual([
      ['clean', 'staging.clean'],
      ['daily', 'models.per_day'],
      ['people', 'models.people'],
    ])
    const [clean, , people] = project.models
    expect(clean?.sourceTables.map(formatIdentifier)).toEqual(['raw.web_events'])
    expect(clean?.config).toMatchObject({ description: 'without robots', tags: ['nightly'] })
    expect(clean?.columns.map(({ tests }) => tests.map(({ kind }) => kind))).toEqual([
      ['unique', 'not_null'],
      ['accepted_values', 'relationships'],
    ])
    expect(people?.config.snapshot).toEqual({
      strategy: 'timestamp',
      uniqueKey: ['id'],
      updatedAt: 'changed_at',
      checkCols: 'all',
      hardDeletes: 'invalidate',
      metaColumns: 'plain',
    })
    expect(project.tests.map(({ name, dependsOn }) => [name, dependsOn])).toEqual([
      ['no_negatives', ['daily']],
    ])
  })

  it('lets the config of the SQL win over that of the YAML', async () => {
    const project = await load({
      'models/a.sql': "{{ config(materialized='table', tags=['own']) }} SELECT 1 AS x",
      'models/a.yml':
        'models: [{ name: a, config: { materialized: incremental, cron: "0 * * * *" } }]',
    })
    expect(project.models[0]?.config).toMatchObject({
      materialized: 'table',
      tags: ['own'],
      cron: '0 * * * *',
    })
  })

  it.each([
    [
      "{{ config(materialised='table') }} SELECT 1",
      /models\/m\.sql:1:4 materialised: unknown key.*did you mean "?materialized/,
    ],
    ["{{ config(materialized='view') }} SELECT 1", /"view" is not in this release/],
    [
      "{{ config(materialized='incremental', event_time='ts') }} SELECT 1",
      /batch_size: is required.*\n.*begin: is required/,
    ],
    ["{{ config(materialized='incremental', lambda=true) }} SELECT 1", /lambda: needs event_time/],
    ["{{ config(begin='2024-01-01') }} SELECT 1", /begin: is for materialized: incremental/],
    ['{{ config(lambda=true) }} SELECT 1', /lambda: is for materialized: incremental/],
    ['{{ config(lookback=2) }} SELECT 1', /lookback: is for materialized: incremental/],
    [
      "{{ config(materialized='incremental', lookback=2, batch_size='day') }} SELECT 1",
      /batch_size: needs event_time.*\n.*lookback: needs event_time/,
    ],
    [
      "{{ config(materialized='incremental', incremental_strategy='append', event_time='ts', lookback=2) }} SELECT 1",
      /lookback: is not for incremental_strategy: append/,
    ],
    [
      "{{ config(materialized='incremental', unique_key='id') }} SELECT 1",
      /models\/m\.sql:1:4 unique_key: needs merge, which is not in this release: .*batch_size.*snapshot/,
    ],
    [
      "{{ config(materialized='incremental', event_time='ts', batch_size='day', begin='2024-01-01', unique_key='id') }} SELECT 1",
      /unique_key: needs merge/,
    ],
    ["{{ config(unique_key='id') }} SELECT 1", /unique_key: is for snapshots/],
    ["{{ config(hard_deletes='ignore') }} SELECT 1", /hard_deletes: is for snapshots/],
    [
      "{{ config(materialized='incremental', meta_columns='dbt') }} SELECT 1",
      /meta_columns: is for snapshots/,
    ],
    [
      "{{ config(materialized='snapshot', strategy='check', unique_key='a', check_cols='all', lambda=true) }} SELECT 1",
      /lambda: is for materialized: incremental/,
    ],
    ["{{ config(materialized='snapshot') }} SELECT 1", /strategy: is required/],
    [
      "{{ config(materialized='snapshot', strategy='check', unique_key='a') }} SELECT 1",
      /check_cols: is required/,
    ],
    ["SELECT * FROM {{ ref('x') }}", /ref\('x'\): that model does not exist/],
    ["SELECT * FROM {{ ref('m') }}", /in a circle: m -> m/],
  ])('refuses %s', async (text, message) => {
    await expect(load({ 'models/m.sql': text })).rejects.toThrow(message)
  })

  it('refuses two models of one name or one table, and YAML about nothing', async () => {
    await expect(
      load({ 'models/a.sql': 'SELECT 1', 'models/b/a.sql': 'SELECT 1' }),
    ).rejects.toThrow(/two models are named a/)
    await rm(join(directory, 'models/b'), { recursive: true })
    await expect(load({ 'models/b.sql': "{{ config(alias='a') }} SELECT 1" })).rejects.toThrow(
      /write the same table models\.a/,
    )
    await expect(
      load({ 'models/b.sql': 'SELECT 1', 'models/x.yml': 'models: [{ name: bb }]' }),
    ).rejects.toThrow(/models\/x\.yml:1:\d+: there is no model bb/)
  })

  it('fills in what a model and a snapshot leave out', async () => {
    const project = await load({
      'models/days.sql':
        "{{ config(materialized='incremental', event_time='ts', batch_size='day', begin='2024-01-01') }} SELECT 1",
      'models/log.sql':
        "{{ config(materialized='incremental', incremental_strategy='append', event_time='ts') }} SELECT 1",
      'models/past.sql':
        "{{ config(materialized='snapshot', strategy='check', unique_key='a', check_cols='all') }} SELECT 1 AS a",
    })
    const [days, log, past] = project.models.map(({ config }) => config)
    expect(days?.intervals).toMatchObject({ lookback: 1, lambda: false, allowPartials: true })
    expect([log?.intervals, log?.eventTime]).toEqual([undefined, 'ts'])
    expect(past?.snapshot).toMatchObject({ hardDeletes: 'ignore', metaColumns: 'plain' })
  })

  it.each([
    ['not_null: { where: "id > 1" }', /not_null: where is not in this release.*tests\/\*\.sql/],
    ['unique: { severity: warn }', /unique: severity is not in this release/],
    ['unique: { config: { severity: warn } }', /unique: config is not in this release/],
    ['unique: { arguments: { where: x } }', /unique: where is not in this release/],
    [
      'accepted_values: { values: [1], quote: false }',
      /accepted_values: quote.*as text: leave it out/,
    ],
    [
      'accepted_values: { value: [1] }',
      /accepted_values: unknown key "value", did you mean values/,
    ],
    [
      'accepted_values: { arguments: { values: [1] }, values: [2] }',
      /accepted_values: values.*inside arguments/,
    ],
    ['accepted_values: { arguments: [1] }', /accepted_values: arguments.*keys and values/],
    [
      'relationships: { to: "ref(\'m\')", field: id, fields: id }',
      /relationships: unknown key "fields", did you mean field/,
    ],
    ['not_null: { values: [1] }', /not_null: unknown key "values" \(it takes none\)/],
  ])('refuses what a test would pass over: %s', async (test, message) => {
    const yaml = `models:\n  - name: m\n    columns:\n      - name: id\n        tests:\n          - ${test}\n`
    const loading = load({ 'models/m.sql': 'SELECT 1 AS id', 'models/m.yml': yaml })
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toThrow(/^models\/m\.yml:6:\d+ models/)
  })

  it('lets a test have a description, and its arguments in either place', async () => {
    const tests = [
      { unique: {} },
      { not_null: { description: 'always there', arguments: {} } },
      { accepted_values: { arguments: { values: ['1'] }, description: 'known' } },
    ]
    const project = await load({
      'models/m.sql': 'SELECT 1 AS id',
      'models/m.yml': JSON.stringify({ models: [{ name: 'm', columns: [{ name: 'id', tests }] }] }),
    })
    expect(project.models[0]?.columns[0]?.tests).toEqual([
      { kind: 'unique' },
      { kind: 'not_null' },
      { kind: 'accepted_values', values: ['1'] },
    ])
  })

  it('[B13] refuses two tests of one name', async () => {
    await expect(
      load({ 'tests/x/check.sql': 'SELECT 1', 'tests/y/check.sql': 'SELECT 1 WHERE false' }),
    ).rejects.toThrow(/two tests are named check: tests\/x\/check\.sql and tests\/y\/check\.sql/)
  })

  it('[B11] refuses a lambda view over a lambda view, by ref or as a source, and over nothing else', async () => {
    const model = (lambda: boolean, from: string): string =>
      `{{ config(materialized='incremental', event_time='day', batch_size='day', begin='2026-01-01', lambda=${lambda}) }} SELECT day, sum(n) AS n FROM {{ ${from} }} GROUP BY ALL`
    const daily = model(true, "source('web', 'events')")
    for (const from of ["ref('daily')", "source('models', 'daily')"]) {
      await expect(
        load({ 'models/daily.sql': daily, 'models/weekly.sql': model(true, from) }),
      ).rejects.toThrow(
        /models\/weekly\.sql: lambda: true over daily, .*models\/daily\.sql.*select from daily's own sources, or leave lambda off/,
      )
    }
    const batch = model(false, "ref('daily')")
    expect((await load({ 'models/weekly.sql': batch })).models).toHaveLength(2)
    const between = { 'models/yearly.sql': model(true, "ref('weekly')") }
    expect((await load(between)).models).toHaveLength(3)
  })

  it('is empty where there are no folders', async () => {
    expect((await load({})).models).toEqual([])
  })
})
