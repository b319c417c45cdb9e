import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadProject } from '../project/load-project.ts'
import { dataTests } from './data-tests.ts'
import { uniquelyKeyed } from './uniquely-keyed.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-data-tests-'))
})

afterEach(() => rm(directory, { recursive: true, force: true }))

async function namesOf(
  files: Readonly<Record<string, string>>,
  select?: readonly string[],
): Promise<readonly string[]> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
  const project = await loadProject({ directory, namespace: 'models' })
  const models = project.models.filter(({ name }) => select?.includes(name) ?? true)
  return dataTests(project, models).map(({ name }) => name)
}

const several = {
  'models/p1.sql': 'SELECT 1 AS id',
  'models/p2.sql': 'SELECT 1 AS id',
  'models/a.sql': "SELECT 1 AS id, 'x' AS b_c",
  'models/a_b.sql': "SELECT 'x' AS c",
  'models/schema.yml': `
models:
  - name: a
    columns:
      - name: id
        tests:
          - unique
          - accepted_values: { values: [7, 'in transit'] }
          - accepted_values: { values: [1] }
          - accepted_values: { values: [1] }
          - relationships: { to: "ref('p1')", field: id }
          - relationships: { to: "ref('p2')", field: id }
        data_tests: [unique]
      - { name: b_c, tests: [not_null] }
  - name: a_b
    columns: [{ name: c, tests: [not_null, accepted_values: { values: [x, y] }] }]`,
}

describe('dataTests()', () => {
  it('[B13] gives each test a name of its own, that of dbt where no other has it', async () => {
    expect(await namesOf(several)).toEqual([
      'unique_a_id',
      'accepted_values_a_id__7__in_transit',
      'accepted_values_a_id__1',
      'accepted_values_a_id__1_2',
      'relationships_a_id__id__ref_p1_',
      'relationships_a_id__id__ref_p2_',
      'unique_a_id_2',
      'not_null_a_b_c',
      'not_null_a_b_c_2',
      'accepted_values_a_b_c',
    ])
  })

  it('gives a test the same name whatever else is chosen', async () => {
    expect(await namesOf(several, ['a_b'])).toEqual(['not_null_a_b_c_2', 'accepted_values_a_b_c'])
  })

  it('leaves a test of tests/ the name of its file', async () => {
    const names = await namesOf({
      'models/a.sql': 'SELECT 1 AS id',
      'models/a.yml': 'models: [{ name: a, columns: [{ name: id, tests: [unique] }] }]',
      'snapshots/h.sql':
        "{{ config(strategy='check', unique_key='id', check_cols='all') }} SELECT * FROM {{ ref('a') }}",
      'tests/unique_a_id.sql': "SELECT * FROM {{ ref('a') }} WHERE false",
      'tests/one_current_row_h.sql': "SELECT * FROM {{ ref('h') }} WHERE false",
    })
    expect(names).toEqual([
      'unique_a_id_2',
      'one_current_row_h_2',
      'one_current_row_h',
      'unique_a_id',
    ])
  })

  it('keeps names short, however many values are accepted', async () => {
    const values = (last: string) => [...Array.from({ length: 50 }, (_, n) => `value ${n}`), last]
    const tests = ['x', 'y'].map((last) => ({ accepted_values: { values: values(last) } }))
    const names = await namesOf({
      'models/a.sql': 'SELECT 1 AS id',
      'models/a.yml': JSON.stringify({ models: [{ name: 'a', columns: [{ name: 'id', tests }] }] }),
    })
    expect(names).toHaveLength(2)
    expect(names[1]).toBe(`${names[0]}_2`)
    expect(names[0]).toMatch(/^accepted_values_a_id__value_0__value_1__.{1,60}$/)
  })
})

describe('uniquelyKeyed()', () => {
  it('[B13] refuses two of one key, so that none takes the place of another', () => {
    expect(() =>
      uniquelyKeyed([
        ['test.a', 1],
        ['test.b', 2],
        ['test.a', 3],
      ]),
    ).toThrow(/two nodes.*test\.a/)
    expect([
      ...uniquelyKeyed([
        ['a', 1],
        ['b', 2],
      ]),
    ]).toEqual([
      ['a', 1],
      ['b', 2],
    ])
  })
})
