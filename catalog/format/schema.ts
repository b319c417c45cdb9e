/**
 * Finding fields of a schema by id and by name, assigning fresh ids, and the rules that a schema must keep
 * (spec, "Schemas and Data Types", "Identifier Field IDs", "Reserved Field IDs").
 */
import { ValidationError } from '../../common/index.ts'
import { formatType, isPrimitive } from './type-text.ts'
import type { NestedField, Schema, Type } from './types.ts'

/** Ids above this belong to metadata columns. */
export const fieldIdMax = 2_147_483_447

/** A field with its path; elements, keys and values of lists and maps are fields too. */
export interface IndexedField {
  readonly field: NestedField
  /** Names, outermost first; `element`, `key` and `value` inside lists and maps. */
  readonly path: readonly string[]
  readonly parentId: number | undefined
  /** True below a list or a map, where a row may hold many values. */
  readonly repeated: boolean
}

const indexes = new WeakMap<Schema, ReadonlyMap<number, IndexedField>>()

/** Every field of the schema, nested ones included, by id, in depth-first order. */
export function indexFields(schema: Schema): ReadonlyMap<number, IndexedField> {
  const existing = indexes.get(schema)
  if (existing !== undefined) return existing
  const index = new Map<number, IndexedField>()
  for (const entry of walkFields(schema.fields, [], undefined, false)) {
    index.set(entry.field.id, entry)
  }
  indexes.set(schema, index)
  return index
}

export function fieldById(schema: Schema, id: number): NestedField | undefined {
  return indexFields(schema).get(id)?.field
}

/** The dotted name of a field, for messages and metric properties. */
export function fieldName(schema: Schema, id: number): string | undefined {
  return indexFields(schema).get(id)?.path.join('.')
}

/** Follows names from the top; a dot inside a name is literal, so the path is a list. */
export function findField(schema: Schema, path: readonly string[]): NestedField | undefined {
  let fields: readonly NestedField[] = schema.fields
  let match: NestedField | undefined
  for (const name of path) {
    match = fields.find((field) => field.name === name)
    if (match === undefined) return undefined
    fields = childFields(match.type)
  }
  return match
}

export function highestFieldId(schema: Schema): number {
  return Math.max(0, ...indexFields(schema).keys())
}

/** The direct members of a nested type, seen as fields; none for a primitive one. */
export function childFields(type: Type): readonly NestedField[] {
  if (type.type === 'struct') return type.fields
  if (type.type === 'list') {
    return [
      { id: type.elementId, name: 'element', required: type.elementRequired, type: type.element },
    ]
  }
  if (type.type === 'map') {
    return [
      { id: type.keyId, name: 'key', required: true, type: type.key },
      { id: type.valueId, name: 'value', required: type.valueRequired, type: type.value },
    ]
  }
  return []
}

export interface FreshSchema {
  readonly schema: Schema
  readonly lastColumnId: number
  /** Old id to new id, for the specs and sort orders that name the old ones. */
  readonly newIds: ReadonlyMap<number, number>
}

/**
 * Gives every field a new id, counting from `firstId`: all fields of a level before their children,
 * as Java does, so that both assign the same ids for the same request.
 */
export function assignFreshIds(schema: Schema, firstId = 1): FreshSchema {
  const newIds = new Map<number, number>()
  let nextId = firstId
  const take = (oldId: number): number => {
    const id = nextId++
    newIds.set(oldId, id)
    return id
  }
  const freshFields = (fields: readonly NestedField[]): readonly NestedField[] => {
    const withIds = fields.map((field) => ({ ...field, id: take(field.id) }))
    return withIds.map((field) => ({ ...field, type: freshType(field.type) }))
  }
  const freshType = (type: Type): Type => {
    if (type.type === 'struct') return { ...type, fields: freshFields(type.fields) }
    if (type.type === 'list') {
      const elementId = take(type.elementId)
      return { ...type, elementId, element: freshType(type.element) }
    }
    if (type.type === 'map') {
      const keyId = take(type.keyId)
      const valueId = take(type.valueId)
      return { ...type, keyId, valueId, key: freshType(type.key), value: freshType(type.value) }
    }
    return type
  }
  const fields = freshFields(schema.fields)
  const identifierFieldIds = schema.identifierFieldIds.map((id) => newIds.get(id) ?? id)
  return { schema: { ...schema, identifierFieldIds, fields }, lastColumnId: nextId - 1, newIds }
}

/** Throws ValidationError naming the field and the rule it breaks. */
export function validateSchema(schema: Schema): void {
  const seenIds = new Map<number, string>()
  const seenPaths = new Set<string>()
  for (const { field, path } of walkFields(schema.fields, [], undefined, false)) {
    const name = path.join('.')
    if (field.name === '') throw invalid('a field has an empty name', name)
    // As readers index them (`index_by_name` of Java and Python): `x.y` beside `y` in `x` is one name twice.
    if (seenPaths.has(name)) {
      throw invalid('two fields have the same name, joined by dots; rename or drop one', name)
    }
    seenPaths.add(name)
    const other = seenIds.get(field.id)
    if (other !== undefined) {
      throw invalid('two fields have the same id', name, { id: field.id, other })
    }
    seenIds.set(field.id, name)
    if (field.id < 1 || field.id > fieldIdMax) {
      throw invalid(`field ids lie between 1 and ${fieldIdMax}`, name, { id: field.id })
    }
    validateType(field.type, name)
  }
  for (const id of schema.identifierFieldIds) validateIdentifier(schema, id)
}

function validateType(type: Type, name: string): void {
  if (type.type === 'decimal') {
    const { precision, scale } = type
    if (precision < 1 || precision > 38 || scale > precision) {
      throw invalid('a decimal has a precision of 1 to 38 and a scale within it', name, {
        type: formatType(type),
      })
    }
  }
  if (type.type === 'fixed' && type.length < 1) {
    throw invalid('a fixed has at least one byte', name, { type: formatType(type) })
  }
}

function validateIdentifier(schema: Schema, id: number): void {
  const index = indexFields(schema)
  const entry = index.get(id)
  if (entry === undefined) throw invalid('an identifier field does not exist', `id ${id}`)
  const name = entry.path.join('.')
  const { field } = entry
  if (!isPrimitive(field.type) || field.type.type === 'float' || field.type.type === 'double') {
    throw invalid('an identifier field must be primitive and neither float nor double', name, {
      type: formatType(field.type),
    })
  }
  if (entry.repeated) throw invalid('an identifier field must not lie in a list or map', name)
  for (let at: IndexedField | undefined = entry; at !== undefined; ) {
    if (!at.field.required) {
      throw invalid('an identifier field and the structs around it must be required', name, {
        optional: at.path.join('.'),
      })
    }
    at = at.parentId === undefined ? undefined : index.get(at.parentId)
  }
}

function invalid(
  rule: string,
  field: string,
  facts: Readonly<Record<string, string | number>> = {},
): ValidationError {
  return new ValidationError(`invalid schema: ${rule}`, { facts: { field, ...facts } })
}

function* walkFields(
  fields: readonly NestedField[],
  parents: readonly string[],
  parentId: number | undefined,
  repeated: boolean,
): Generator<IndexedField> {
  for (const field of fields) {
    const path = [...parents, field.name]
    yield { field, path, parentId, repeated }
    const below = repeated || field.type.type === 'list' || field.type.type === 'map'
    yield* walkFields(childFields(field.type), path, field.id, below)
  }
}
