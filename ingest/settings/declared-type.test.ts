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
      epochColumns: [],
      type: {
        type: 'struct',
        fields: [
          { id: 0, name: 'id', type: { type: 'long' }, required: true, doc: 'key' },
          {
            id: 0,
            name: 'tags',
            type: {
              type: 'list',
              elementId: 0,
              element: { type: 'string' },
              elementRequired: true,
            },
            required: false,
          },
        ],
      },
    })
  })

  it('reads the short form: a map of members is a struct, a list of one type a list', () => {
    const short = {
      at: 'timestamptz unix_ms not null',
      lines: [
        { sku: 'string NOT NULL', price: { type: 'decimal(9,2)', doc: 'net' }, tags: ['string'] },
      ],
      seen: ['timestamp unix_s'],
    }
    const { type, epochColumns } = parseDeclaredType(short)
    expect(epochColumns).toEqual([
      { path: ['at'], unit: 'unix_ms' },
      { path: ['seen', 'element'], unit: 'unix_s' },
    ])
    const long = parseDeclaredType({
      type: 'struct',
      fields: [
        { name: 'at', type: 'timestamptz', required: 'true', unit: 'unix_ms' },
        {
          name: 'lines',
          type: {
            type: 'list',
            element: {
              type: 'struct',
              fields: [
                { name: 'sku', type: 'string', required: 'true' },
                { name: 'price', type: 'decimal(9,2)', doc: 'net' },
                { name: 'tags', type: 'list<string>' },
              ],
            },
          },
        },
        { name: 'seen', type: ['timestamp unix_s'] },
      ],
    })
    expect({ type, epochColumns }).toEqual(long)
  })

  it.each([
    [[], 'a list of one type'],
    [['int', 'long'], 'a list of one type'],
    [{}, 'a struct needs a list or map of fields'],
    [{ type: 'string', x: 'long' }, 'unknown key "x" in a type'],
    [
      { a: { type: 'string', requierd: 'true' } },
      'unknown key "requierd" in a type, did you mean required',
    ],
    [{ a: 'lonk' }, 'unknown type "lonk", did you mean long'],
    [{ a: 'long unix_ms' }, 'a unit belongs to a timestamp or timestamptz, not to long'],
    [{ a: 'timestamp unix_ns' }, 'unit is unix_s | unix_ms | unix_us, found "unix_ns"'],
    [{ a: 'long null' }, 'type'],
  ])('refuses %j', (value, message) => {
    expect(() => parseDeclaredType(value)).toThrow(message)
  })

  it('refuses unknown and missing keys of the json shape', () => {
    expect(() => parseDeclaredType({ type: 'list' })).toThrow('"element" is missing')
    expect(() => parseDeclaredType({ type: 'list', elemnt: 'int' })).toThrow(
      'unknown key "elemnt" in a type, did you mean element',
    )
  })
})
