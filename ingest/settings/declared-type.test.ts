import { describe, expect, it } from 'vitest'
import { parseDeclaredType } from './declared-type.ts'

describe('parseDeclaredType()', () => {
  it("reads the shape of Iceberg's type json", () => {
    const type = parseDeclaredType({
      type: 'struct',
      fields: [
        { name: 'id', type: 'long', required: 'true', doc: 'key' },
        { name: 'tags', type: { type: 'list', element: 'string', 'element-required': 'true' } },
      ],
    })
    expect(type).toEqual({
      type: 'struct',
      fields: [
        { id: 0, name: 'id', type: { type: 'long' }, required: true, doc: 'key' },
        {
          id: 0,
          name: 'tags',
          type: { type: 'list', elementId: 0, element: { type: 'string' }, elementRequired: true },
          required: false,
        },
      ],
    })
  })

  it('refuses unknown and missing keys of the json shape', () => {
    expect(() => parseDeclaredType({ type: 'list' })).toThrow('"element" is missing')
    expect(() => parseDeclaredType({ type: 'list', elemnt: 'int' })).toThrow(
      'unknown key "elemnt" in a type, did you mean element',
    )
  })
})
