/**
 * Adds to a schema the fields of records that it lacks, at any depth. Nothing is dropped,
 * renamed or retyped: such changes are never automatic.
 */
import type { NestedField, Schema, Type } from '../../../catalog/format/index.ts'
import { columnNameFault, DottedNames } from '../column-names.ts'
import type { AddedColumn, SchemaAdditions } from '../row-decoder.ts'
import { inferType } from './infer-schema.ts'
import type { Shape } from './shape.ts'

/** `shape` describes whole records. */
export function evolveSchema(
  schema: Schema,
  shape: Shape,
): Pick<SchemaAdditions, 'added' | 'notes'> {
  const added: AddedColumn[] = []
  const notes: string[] = []
  const taken = new DottedNames()
  taken.add(schema.fields)

  const growFields = (
    fields: readonly NestedField[],
    members: ReadonlyMap<string, Shape>,
    parent: readonly string[],
    depth: number,
  ): readonly NestedField[] => {
    const names = new Set(fields.map((field) => field.name.toLowerCase()))
    const grown = fields.map((field) => {
      const seen = members.get(field.name)
      if (seen === undefined) return field
      return { ...field, type: growType(field.type, seen, [...parent, field.name], depth) }
    })
    for (const [name, seen] of members) {
      if (names.has(name.toLowerCase()) || columnNameFault(name) !== undefined) continue
      const fieldPath = [...parent, name].join('.')
      const whole = inferType(seen, fieldPath, notes, depth)
      const inferred = whole && taken.claim(whole, fieldPath, (note) => notes.push(note))
      if (inferred === undefined) continue
      names.add(name.toLowerCase())
      grown.push({ id: 0, name, required: false, type: inferred })
      added.push({ kind: 'add-column', parent, name, type: inferred })
    }
    return grown
  }

  /** The type with what was added, so that the next value of a map does not add it again. */
  const growType = (type: Type, seen: Shape, path: readonly string[], depth: number): Type => {
    if (type.type === 'struct')
      return { ...type, fields: growFields(type.fields, seen.members, path, depth + 1) }
    if (type.type === 'list' && seen.element !== undefined) {
      return {
        ...type,
        element: growType(type.element, seen.element, [...path, 'element'], depth + 1),
      }
    }
    if (type.type === 'map') {
      let value = type.value
      const members = seen.values === undefined ? seen.members.values() : [seen.values]
      for (const member of members) value = growType(value, member, [...path, 'value'], depth + 1)
      return { ...type, value }
    }
    return type
  }

  growFields(schema.fields, shape.members, [], 0)
  return { added, notes }
}
