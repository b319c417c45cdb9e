import { describe, expect, it } from 'vitest'
import { currentSchema, type NestedField, type TableMetadata } from '../../catalog/format/index.ts'
import { columnNamesProperty, newColumnNames } from '../../catalog/table/index.ts'
import { namesAreCertain } from './file-layout.ts'

type Members = Readonly<Record<string, number>>

function struct(members: Members): NestedField {
  const fields = Object.entries(members).map(
    ([name, id]): NestedField => ({ id, name, required: false, type: { type: 'long' } }),
  )
  return { id: 1, name: 's', required: false, type: { type: 'struct', fields } }
}

/** A table that had these schemas, of which only the last is left. */
function after(...history: readonly Members[]) {
  const schemas = history.map((members, schemaId) => ({
    schemaId,
    identifierFieldIds: [],
    fields: [struct(members)],
  }))
  // Of a table only what the question looks at.
  const before = { schemas, currentSchemaId: schemas.length - 1, properties: {} } as unknown
  const metadata = {
    ...(before as TableMetadata),
    schemas: schemas.slice(-1),
    properties: {
      [columnNamesProperty]: newColumnNames(before as TableMetadata) ?? '',
      'tidewater.removed-schemas': `[[0,${schemas.length - 2}]]`,
    },
  }
  return { metadata, schema: currentSchema(metadata) }
}

describe('namesAreCertain()', () => {
  it.each([
    ['members were only added', true, [{ a: 2 }, { a: 2, b: 3 }, { a: 2, b: 3, c: 4 }]],
    ['a member was renamed', false, [{ a: 2 }, { z: 2 }, { z: 2, b: 3 }]],
    ['a member was dropped and added again', false, [{ a: 2, b: 3 }, { a: 2 }, { a: 2, b: 4 }]],
    ['no member of the first is left', false, [{ a: 2 }, { a: 2, b: 3 }, { b: 3 }]],
  ] as const)('after an expiry removed schemas: %s', (_, isCertain, history) => {
    const { metadata, schema } = after(...history)
    expect(namesAreCertain(metadata, schema)).toBe(isCertain)
  })

  it('doubts schemas that another client removed', () => {
    const { metadata, schema } = after({ a: 2 }, { a: 2, b: 3 })
    expect(namesAreCertain({ ...metadata, properties: {} }, schema)).toBe(false)
  })
})
