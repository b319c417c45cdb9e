/**
 * Types in JSON (spec, "Appendix C: JSON serialization", "Schemas"): primitive types are text of the
 * type grammar (`type-text.ts`), nested types objects.
 */
import { errorMessage, UnsupportedError, type Json, type JsonObject } from '../../common/index.ts'
import { asBoolean, asInt, asString, JsonFields, listOf, unexpected } from './json-fields.ts'
import { formatType, isPrimitive, parseType } from './type-text.ts'
import type { NestedField, PrimitiveType, Type } from './types.ts'

/** Nesting beyond this is an attack or a mistake, not a table. */
const depthMax = 100

export function typeToJson(type: Type): Json {
  if (type.type === 'struct') return { type: 'struct', fields: type.fields.map(fieldToJson) }
  if (type.type === 'list') {
    return {
      type: 'list',
      'element-id': type.elementId,
      element: typeToJson(type.element),
      'element-required': type.elementRequired,
    }
  }
  if (type.type === 'map') {
    return {
      type: 'map',
      'key-id': type.keyId,
      key: typeToJson(type.key),
      'value-id': type.valueId,
      value: typeToJson(type.value),
      'value-required': type.valueRequired,
    }
  }
  return formatType(type)
}

export function typeFromJson(json: Json | undefined, where = 'type', depth = 0): Type {
  if (typeof json === 'string') return primitiveFromText(json, where)
  const fields = new JsonFields(json, where)
  if (depth > depthMax) throw unexpected(`at most ${depthMax} levels of nesting`, '...', where)
  const kind = fields.required('type', asString)
  const nested = (member: Json | undefined, at: string): Type => typeFromJson(member, at, depth + 1)
  switch (kind) {
    case 'struct':
      return { type: 'struct', fields: fieldsFromJson(fields, depth + 1) }
    case 'list':
      return {
        type: 'list',
        elementId: fields.required('element-id', asInt),
        elementRequired: fields.required('element-required', asBoolean),
        element: fields.required('element', nested),
      }
    case 'map':
      return {
        type: 'map',
        keyId: fields.required('key-id', asInt),
        key: fields.required('key', nested),
        valueId: fields.required('value-id', asInt),
        valueRequired: fields.required('value-required', asBoolean),
        value: fields.required('value', nested),
      }
    default:
      throw unexpected('struct, list or map', kind, where)
  }
}

export function fieldToJson(field: NestedField): JsonObject {
  return {
    id: field.id,
    name: field.name,
    required: field.required,
    type: typeToJson(field.type),
    ...(field.doc === undefined ? {} : { doc: field.doc }),
    ...(field.initialDefault === undefined
      ? {}
      : { 'initial-default': field.initialDefault as Json }),
    ...(field.writeDefault === undefined ? {} : { 'write-default': field.writeDefault as Json }),
  }
}

export function fieldsFromJson(fields: JsonFields, depth = 0): readonly NestedField[] {
  const read = (json: Json | undefined, where: string): NestedField =>
    fieldFromJson(json, where, depth)
  return fields.required('fields', listOf(read))
}

function fieldFromJson(json: Json | undefined, where: string, depth: number): NestedField {
  const fields = new JsonFields(json, where)
  const name = fields.required('name', asString)
  const doc = fields.optional('doc', asString)
  const { 'initial-default': initialDefault, 'write-default': writeDefault } = fields.object
  return {
    id: fields.required('id', asInt),
    name,
    required: fields.required('required', asBoolean),
    type: typeFromJson(fields.object['type'], `${where}(${name}).type`, depth),
    ...(doc === undefined ? {} : { doc }),
    ...(initialDefault === undefined ? {} : { initialDefault }),
    ...(writeDefault === undefined ? {} : { writeDefault }),
  }
}

function primitiveFromText(text: string, where: string): PrimitiveType {
  let reason = 'write a nested type as an object'
  try {
    const type = parseType(text)
    if (isPrimitive(type)) return type
  } catch (error) {
    reason = errorMessage(error)
  }
  throw new UnsupportedError('column type is not supported; supported are the types of spec v2', {
    facts: { where, type: text, reason },
  })
}
