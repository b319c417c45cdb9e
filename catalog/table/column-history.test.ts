import { describe, expect, it } from 'vitest'
import type { NestedField, Schema, TableMetadata } from '../format/types.ts'
import {
  columnNames,
  columnNamesProperty,
  newColumnNames,
  removedSchemaIds,
  removedSchemas,
  removedSchemasProperty,
  topLevel,
} from './column-history.ts'
import { blankMetadata } from './new-table-metadata.ts'

const long = (id: number, name: string): NestedField => ({
  id,
  name,
  required: false,
  type: { type: 'long' },
})

function table(
  schemas: readonly (readonly NestedField[])[],
  properties: Readonly<Record<string, string>> = {},
): TableMetadata {
  const made = schemas.map(
    (fields, schemaId): Schema => ({ schemaId, identifierFieldIds: [], fields }),
  )
  return { ...blankMetadata, schemas: made, currentSchemaId: made.length - 1, properties }
}

const idsOf = (metadata: TableMetadata, structId = topLevel): Record<string, number[]> =>
  Object.fromEntries(
    [...(columnNames(metadata).get(structId) ?? [])].map(([name, ids]) => [name, [...ids]]),
  )

describe('the names of columns', () => {
  const nested: NestedField = {
    id: 3,
    name: 's',
    required: false,
    type: {
      type: 'list',
      elementId: 4,
      elementRequired: false,
      element: { type: 'struct', fields: [long(5, 'x')] },
    },
  }

  it('are those of all schemas, by the struct that has them', () => {
    const metadata = table([[long(1, 'a'), nested], [long(1, 'b'), nested], [long(2, 'a')]])
    expect(idsOf(metadata)).toEqual({ a: [1, 2], b: [1], s: [3] })
    expect(idsOf(metadata, 4)).toEqual({ x: [5] })
  })

  it('stay in the property when the schemas are gone, and are written once', () => {
    const before = table([[long(1, 'a'), nested], [long(2, 'a')], [long(2, 'c')]])
    const properties = removedSchemas(before, [0, 1])
    const after = table([[], [], [long(2, 'c')]], properties)
    expect(idsOf(after)).toEqual({ a: [1, 2], c: [2], s: [3] })
    expect(idsOf(after, 4)).toEqual({ x: [5] })
    expect(newColumnNames(after)).toBeUndefined()
    expect([...removedSchemaIds(after)]).toEqual([0, 1])
    const more = removedSchemas(after, [2, 7])
    expect(more).toEqual({ [removedSchemasProperty]: '[[0,2],[7,7]]' })
  })

  it.each(['', 'x', '[]', '{"": 5, "4": {"a": "b"}}'])('ignore a property of %s', (text) => {
    const metadata = table([[long(1, 'a')]], {
      [columnNamesProperty]: text,
      [removedSchemasProperty]: text,
    })
    expect(idsOf(metadata)).toEqual({ a: [1] })
    expect([...removedSchemaIds(metadata)]).toEqual([])
    expect(newColumnNames(metadata)).toBe('{"":{"a":1}}')
  })
})
