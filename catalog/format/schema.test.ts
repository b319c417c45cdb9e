import { describe, expect, it } from 'vitest'
import {
  assignFreshIds,
  fieldById,
  fieldName,
  findField,
  highestFieldId,
  validateSchema,
} from './schema.ts'
import { schemaFromJson, schemaToJson } from './schema-json.ts'
import type { NestedField, Schema, Type } from './types.ts'

const field = (id: number, name: string, type: Type, required = false): NestedField => ({
  id,
  name,
  type,
  required,
})

const nested: Schema = {
  schemaId: 0,
  identifierFieldIds: [10],
  fields: [
    field(10, 'id', { type: 'long' }, true),
    field(20, 'tags', {
      type: 'map',
      keyId: 21,
      key: { type: 'string' },
      valueId: 22,
      valueRequired: false,
      value: {
        type: 'list',
        elementId: 23,
        elementRequired: true,
        element: { type: 'struct', fields: [field(24, 'a.b', { type: 'int' })] },
      },
    }),
    field(30, 'last', { type: 'decimal', precision: 9, scale: 2 }),
  ],
}

describe('assignFreshIds()', () => {
  it('numbers each level before its children, as Java does, and maps identifier fields', () => {
    const fresh = assignFreshIds(nested)
    expect([...fresh.newIds]).toEqual([
      [10, 1],
      [20, 2],
      [30, 3],
      [21, 4],
      [22, 5],
      [23, 6],
      [24, 7],
    ])
    expect(fresh.lastColumnId).toBe(7)
    expect(fresh.schema.identifierFieldIds).toEqual([1])
    expect(fieldName(fresh.schema, 7)).toBe('tags.value.element.a.b')
  })
})

describe('schema lookups', () => {
  it('find nested fields by id and by a path whose names may hold dots', () => {
    expect(fieldById(nested, 24)?.name).toBe('a.b')
    expect(findField(nested, ['tags', 'value', 'element', 'a.b'])?.id).toBe(24)
    expect(findField(nested, ['tags', 'value', 'element', 'a', 'b'])).toBeUndefined()
    expect(highestFieldId(nested)).toBe(30)
  })
})

describe('schemaFromJson()', () => {
  it('reads back what schemaToJson() wrote', () => {
    expect(schemaFromJson(schemaToJson(nested))).toEqual(nested)
  })
  it('names the type it does not support', () => {
    const json = { fields: [{ id: 1, name: 'v', required: false, type: 'variant' }] }
    expect(() => schemaFromJson(json)).toThrow(/variant/)
  })
  it('stops at absurd nesting instead of overflowing the stack', () => {
    let type: unknown = 'long'
    for (let depth = 0; depth < 5000; depth++) {
      type = { type: 'list', 'element-id': depth, 'element-required': true, element: type }
    }
    const json = { fields: [{ id: 1, name: 'v', required: false, type }] }
    expect(() => schemaFromJson(json as never)).toThrow(/levels of nesting/)
  })
})

describe('validateSchema()', () => {
  const one = (...fields: NestedField[]): Schema => ({
    schemaId: 0,
    identifierFieldIds: [],
    fields,
  })
  it('accepts a sound schema', () => expect(() => validateSchema(nested)).not.toThrow())
  it.each([
    ['same name', one(field(1, 'a', { type: 'int' }), field(2, 'a', { type: 'int' })), /same name/],
    [
      'a name that is another joined by dots',
      one(
        field(1, 'a.b', { type: 'int' }),
        field(2, 'a', { type: 'struct', fields: [field(3, 'b', { type: 'int' })] }),
      ),
      /same name, joined by dots/,
    ],
    ['same id', one(field(1, 'a', { type: 'int' }), field(1, 'b', { type: 'int' })), /same id/],
    ['a reserved id', one(field(2147483448, 'a', { type: 'int' })), /field ids lie between/],
    ['no name', one(field(1, '', { type: 'int' })), /empty name/],
    ['a wide decimal', one(field(1, 'a', { type: 'decimal', precision: 39, scale: 2 })), /decimal/],
    [
      'a float identifier',
      { ...one(field(1, 'a', { type: 'float' }, true)), identifierFieldIds: [1] },
      /float nor double/,
    ],
    [
      'an optional identifier',
      { ...one(field(1, 'a', { type: 'int' })), identifierFieldIds: [1] },
      /required/,
    ],
    [
      'an absent identifier',
      { ...one(field(1, 'a', { type: 'int' })), identifierFieldIds: [2] },
      /does not exist/,
    ],
    ['an identifier in a map', { ...nested, identifierFieldIds: [21] }, /list or map/],
  ])('refuses a schema with %s', (_, schema, message) => {
    expect(() => validateSchema(schema)).toThrow(message)
  })
  it('refuses an identifier inside an optional struct and names the struct', () => {
    const inner = field(2, 'k', { type: 'int' }, true)
    const schema = one(field(1, 's', { type: 'struct', fields: [inner] }))
    expect(() => validateSchema({ ...schema, identifierFieldIds: [2] })).toThrow(/optional=s/)
  })
})
