/** Schemas in JSON (spec, "Appendix C: JSON serialization", "Schemas"). */
import type { Json, JsonObject } from '../../common/index.ts'
import { asInt, JsonFields, listOf } from './json-fields.ts'
import { fieldsFromJson, fieldToJson } from './type-json.ts'
import type { Schema } from './types.ts'

export function schemaToJson(schema: Schema): JsonObject {
  return {
    type: 'struct',
    'schema-id': schema.schemaId,
    ...(schema.identifierFieldIds.length === 0
      ? {}
      : { 'identifier-field-ids': schema.identifierFieldIds }),
    fields: schema.fields.map(fieldToJson),
  }
}

/** A schema without an id (v1, and requests that leave the id to the catalog) gets id 0. */
export function schemaFromJson(json: Json | undefined, where = 'schema'): Schema {
  const fields = new JsonFields(json, where)
  return {
    schemaId: fields.optional('schema-id', asInt) ?? 0,
    identifierFieldIds: fields.optional('identifier-field-ids', listOf(asInt)) ?? [],
    fields: fieldsFromJson(fields),
  }
}
