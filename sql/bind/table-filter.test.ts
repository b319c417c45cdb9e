import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schemaFromJson } from '../../catalog/format/index.ts'
import { type Database, openDatabase } from '../session/database.ts'
import { tableFilter } from './table-filter.ts'

let database: Database

beforeAll(async () => {
  database = await openDatabase({ threads: 1 })
})
afterAll(() => {
  database.close()
})

const schema = schemaFromJson({
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'day', required: false, type: 'date' },
    { id: 2, name: 'region', required: false, type: 'string' },
  ],
})

describe('tableFilter()', () => {
  it('turns conditions on columns into a filter, constants evaluated', async () => {
    expect(
      await tableFilter(database, schema, `day < DATE '1970-01-02' + 1 AND region IN ('a', 'b')`),
    ).toEqual({
      kind: 'and',
      left: { kind: 'comparison', operator: '<', column: ['day'], literal: 2 },
      right: { kind: 'in', column: ['region'], literals: ['a', 'b'] },
    })
  })

  it.each([
    ['true', /no file can be chosen by this condition/],
    [`length(region) = 2`, /no file can be chosen/],
    [`regionn = 'a'`, /no column regionn, did you mean region/],
    [`region IN (SELECT r FROM other)`, /reads no other/],
    [`region = 'a'; DROP TABLE t`, /syntax error/i],
  ])('refuses %s', async (where, message) => {
    await expect(tableFilter(database, schema, where)).rejects.toThrow(message)
  })
})
