/**
 * Types in JSON (spec, "Appendix C: JSON serialization", "Schemas"): primitive types are text of the
 * type grammar (`type-text.ts`), nested types objects.
 */
import { errorMessage, UnsupportedError, type Json, type JsonObject } from '../../common/index.ts'
import {
  asArray,
  asBoolean,
  asInt,
  asObject,
  asString,
  optionalField,
  requiredField,
  unexpected,
} from './json-fields.ts'
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
  const object = asObject(json, where)
  if (depth > depthMax) throw unexpected(`at most ${depthMax} levels of nesting`, '...', where)
  const kind = requiredField(object, 'type', where, asString)
  switch (kind) {
    case 'struct':
      return { type: 'struct', fields: fieldsFromJson(object, where, depth + 1) }
    case 'list':
      return {
        type: 'list',
        elementId: requiredField(object, 'element-id', where, asInt),
        elementRequired: requiredField(object, 'element-required', where, asBoolean),
        element: typeFromJson(object['element'], `${where}.element`, depth + 1),
      }
    case 'map':
      return {
        type: 'map',
        keyId: requiredField(object, 'key-id', where, asInt),
        key: typeFromJson(object['key'], `${where}.key`, depth + 1),
        valueId: requiredField(object, 'value-id', where, asInt),
        valueRequired: requiredField(object, 'value-required', where, asBoolean),
        value: typeFromJson(object['value'], `${where}.value`, depth + 1),
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

export function fieldsFromJson(
  object: JsonObject,
  where: string,
  depth = 0,
): readonly NestedField[] {
  return requiredField(object, 'fields', where, asArray).map((json, index) =>
    fieldFromJson(json, `${where}.fields[${index}]`, depth),
  )
}

function fieldFromJson(json: Json, where: string, depth: number): NestedField {
  const object = asObject(json, where)
  const name = requiredField(object, 'name', where, asString)
  const doc = optionalField(object, 'doc', where, asString)
  return {
    id: requiredField(object, 'id', where, asInt),
    name,
    required: requiredField(object, 'required', where, asBoolean),
    type: typeFromJson(object['type'], `${where}(${name}).type`, depth),
    ...(doc === undefined ? {} : { doc }),
    ...(object['initial-default'] === undefined
      ? {}
      : { initialDefault: object['initial-default'] }),
    ...(object['write-default'] === undefined ? {} : { writeDefault: object['write-default'] }),
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
