/** What is printed for a file is read back as the same columns, whatever they are. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NestedField, Type } from '../../catalog/format/index.ts'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { variableSource } from '../../settings/index.ts'
import { type EpochColumn, epochUnits } from '../decode/json/epoch-unit.ts'
import { type FieldsForm, formatFields } from './format-fields.ts'
import { parseStreamSettings } from './stream-document.ts'
import type { StreamSettings } from './stream-settings.ts'

const rest = `name: s
input: {embedded: {directory: log, topics: [t]}}
output: {iceberg: {table: a.b}}
`

function load(fields: string): StreamSettings['schema'] {
  const variables = variableSource({})
  const text = rest + fields
  return parseStreamSettings({ text, file: 's.yaml', variables, overrides: [], directory: '/p' })
    .settings.schema
}

const name = fc.oneof(
  fc.constantFrom(
    'id',
    'type',
    'doc',
    'required',
    'name',
    'unit',
    'key',
    'a b',
    'a.b',
    'null',
    'x#y',
  ),
  fc.stringMatching(/^[a-zé"':{}[\]#&*!|>%@`-]{1,8}$/),
)
const leaf: fc.Arbitrary<Type> = fc.constantFrom<Type>(
  { type: 'long' },
  { type: 'timestamptz' },
  { type: 'timestamp' },
  { type: 'string' },
  { type: 'decimal', precision: 9, scale: 2 },
)
const { type: anyType } = fc.letrec<{ type: Type; field: NestedField }>((tie) => ({
  field: fc
    .tuple(name, tie('type'), fc.boolean(), fc.option(fc.constantFrom('a note', 'not null: no')))
    .map(([text, type, required, doc]) => ({
      id: 0,
      name: text,
      required,
      type,
      ...(doc === null ? {} : { doc }),
    })),
  type: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc
      .uniqueArray(tie('field'), { minLength: 1, maxLength: 4, selector: (field) => field.name })
      .map((fields): Type => ({ type: 'struct', fields })),
    fc.tuple(tie('type'), fc.boolean()).map(
      ([element, elementRequired]): Type => ({
        type: 'list',
        elementId: 0,
        element,
        elementRequired,
      }),
    ),
    fc.tuple(tie('type'), fc.boolean()).map(
      ([value, valueRequired]): Type => ({
        type: 'map',
        keyId: 0,
        key: { type: 'string' },
        valueId: 0,
        value,
        valueRequired,
      }),
    ),
  ),
}))
const fields = fc
  .uniqueArray(fc.tuple(name, anyType, fc.boolean()), {
    minLength: 1,
    maxLength: 5,
    selector: ([text]) => text.toLowerCase(),
  })
  .map((all) => all.map(([text, type, required]) => ({ id: 0, name: text, type, required })))

/** Every second timestamp is a number. */
function someUnits(of: readonly NestedField[]): readonly EpochColumn[] {
  const found: EpochColumn[] = []
  let count = 0
  const visit = (type: Type, path: readonly string[]): void => {
    if (type.type === 'struct')
      for (const each of type.fields) visit(each.type, [...path, each.name])
    else if (type.type === 'list') visit(type.element, [...path, 'element'])
    else if (type.type === 'map') visit(type.value, [...path, 'value'])
    else if (type.type.startsWith('timestamp') && ++count % 2 === 0) {
      found.push({ path, unit: epochUnits[count % 3] ?? 'unix_s' })
    }
  }
  for (const { name: top, type } of of) visit(type, [top])
  return found
}

describe('formatFields()', () => {
  it.each<FieldsForm>(['short', 'list'])('is read back as the same columns: %s', (form) => {
    fc.assert(
      fc.property(fields, (given) => {
        const epochColumns = someUnits(given)
        const text = formatFields({ fields: given, epochColumns, remarks: [] }, form)
        const { fields: read, epochColumns: units, mode } = load(text)
        expect({ read, mode }, text).toEqual({ read: given, mode: 'declared' })
        expect(new Set(units.map((unit) => JSON.stringify(unit))), text).toEqual(
          new Set(epochColumns.map((unit) => JSON.stringify(unit))),
        )
      }),
      { numRuns: 100 * fuzzEffort },
    )
  })

  it('says what it is unsure of in comments', () => {
    const at = (path: readonly string[], text: string, isOpen = false) => ({ path, text, isOpen })
    const price = { id: 0, name: 'price', required: false, type: { type: 'long' } } as const
    const given = {
      fields: [
        { id: 0, name: 'id', required: true, type: { type: 'long' } },
        {
          id: 0,
          name: 'items',
          required: false,
          type: {
            type: 'list',
            elementId: 0,
            elementRequired: false,
            element: { type: 'struct', fields: [price] },
          },
        },
      ] as const,
      epochColumns: [],
      remarks: [
        at(['id'], 'seen once'),
        at(['items', 'element', 'price'], 'whole numbers in all 3 values'),
        at(['note'], 'no value so far', true),
      ],
    }
    expect(formatFields(given, 'short')).toBe(`schema:
  mode: declared
  fields:
    id: long not null # seen once
    items:
      - price: long # whole numbers in all 3 values
    # note: no value so far
`)
    expect(formatFields(given, 'list')).toBe(`schema:
  mode: declared
  fields:
    - name: id
      type: long # seen once
      required: true
    - name: items
      type:
        - price: long # whole numbers in all 3 values
    # note: no value so far
`)
  })
})
