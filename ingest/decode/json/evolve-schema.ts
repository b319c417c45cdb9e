/**
 * Adds to a schema the fields of records that it lacks, at any depth. Nothing is dropped,
 * renamed or retyped: such changes are never automatic.
 */
import type { NestedField, Schema, Type } from '../../../catalog/format/index.ts'
import { columnNameFault, DottedNames, joinPath } from '../column-names.ts'
import type { EvolvedSchema } from '../row-decoder.ts'
import { inferType, type Shape } from './infer-schema.ts'

/** `shape` describes whole records; ids of added fields begin above `lastColumnId`. */
export function evolveSchema(schema: Schema, lastColumnId: number, shape: Shape): EvolvedSchema {
  const added: { path: string; type: Type }[] = []
  const notes: string[] = []
  const taken = new DottedNames()
  taken.add(schema.fields)
  let lastId = lastColumnId
  const nextId = (): number => ++lastId

  const growFields = (
    fields: readonly NestedField[],
    members: ReadonlyMap<string, Shape>,
    path: string,
    depth: number,
  ): readonly NestedField[] => {
    const names = new Set(fields.map((field) => field.name.toLowerCase()))
    const grown = fields.map((field) => {
      const seen = members.get(field.name)
      if (seen === undefined) return field
      return { ...field, type: growType(field.type, seen, joinPath(path, field.name), depth) }
    })
    for (const [name, seen] of members) {
      if (names.has(name.toLowerCase()) || columnNameFault(name) !== undefined) continue
      const fieldPath = joinPath(path, name)
      const whole = inferType(seen, fieldPath, notes, depth)
      const inferred = whole && taken.claim(whole, fieldPath, (note) => notes.push(note))
      if (inferred === undefined) continue
      names.add(name.toLowerCase())
      // Siblings take their ids before their children, as the spec numbers a new schema.
      const id = nextId()
      grown.push({ id, name, required: false, type: withIds(inferred, nextId) })
      added.push({ path: fieldPath, type: inferred })
    }
    return grown
  }

  const growType = (type: Type, seen: Shape, path: string, depth: number): Type => {
    if (type.type === 'struct')
      return { ...type, fields: growFields(type.fields, seen.members, path, depth + 1) }
    if (type.type === 'list' && seen.element !== undefined) {
      return {
        ...type,
        element: growType(type.element, seen.element, `${path}.element`, depth + 1),
      }
    }
    if (type.type === 'map') {
      let value = type.value
      for (const member of seen.members.values()) {
        value = growType(value, member, `${path}.value`, depth + 1)
      }
      return { ...type, value }
    }
    return type
  }

  const fields = growFields(schema.fields, shape.members, '', 0)
  return { schema: { ...schema, fields }, lastColumnId: lastId, added, notes }
}

/** Gives every nested node of a new type its id. */
function withIds(type: Type, nextId: () => number): Type {
  switch (type.type) {
    case 'struct': {
      const fields = type.fields.map((field) => ({ ...field, id: nextId() }))
      return {
        type: 'struct',
        fields: fields.map((field) => ({ ...field, type: withIds(field.type, nextId) })),
      }
    }
    case 'list': {
      const elementId = nextId()
      return { ...type, elementId, element: withIds(type.element, nextId) }
    }
    case 'map': {
      const keyId = nextId()
      const valueId = nextId()
      return {
        ...type,
        keyId,
        key: withIds(type.key, nextId),
        valueId,
        value: withIds(type.value, nextId),
      }
    }
    default:
      return type
  }
}
