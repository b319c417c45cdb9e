/** Partition specs in JSON (spec, "Appendix C: JSON serialization", "Partition Specs"). */
import type { Json, JsonObject } from '../../common/index.ts'
import { asArray, asInt, asObject, asString, optionalField, requiredField } from './json-fields.ts'
import { formatTransform, parseTransform } from './transform-text.ts'
import type { PartitionField, PartitionSpec } from './types.ts'

/** Ids of partition fields start here, to be distinct from column ids. */
export const firstPartitionFieldId = 1000

export function partitionSpecToJson(spec: PartitionSpec): JsonObject {
  return { 'spec-id': spec.specId, fields: partitionFieldsToJson(spec.fields) }
}

/** Only the fields, as manifests and v1 metadata hold them. */
export function partitionFieldsToJson(fields: readonly PartitionField[]): readonly JsonObject[] {
  return fields.map((field) => ({
    name: field.name,
    transform: formatTransform(field.transform),
    'source-id': field.sourceId,
    'field-id': field.fieldId,
  }))
}

export function partitionSpecFromJson(json: Json | undefined, where = 'spec'): PartitionSpec {
  const object = asObject(json, where)
  return {
    specId: optionalField(object, 'spec-id', where, asInt) ?? 0,
    fields: partitionFieldsFromJson(
      requiredField(object, 'fields', where, asArray),
      `${where}.fields`,
    ),
  }
}

/** v1 leaves field ids out: they count up from 1000 in order of position. */
export function partitionFieldsFromJson(
  json: Json | undefined,
  where: string,
): readonly PartitionField[] {
  return asArray(json, where).map((item, index) => {
    const at = `${where}[${index}]`
    const object = asObject(item, at)
    const fieldId = optionalField(object, 'field-id', at, asInt)
    return {
      sourceId: sourceIdFromJson(object, at),
      fieldId: fieldId ?? firstPartitionFieldId + index,
      name: requiredField(object, 'name', at, asString),
      transform: parseTransform(requiredField(object, 'transform', at, asString)),
    }
  })
}

/** v3 may write `source-ids`; a list of one is the same as `source-id`. */
export function sourceIdFromJson(object: JsonObject, where: string): number {
  const several = optionalField(object, 'source-ids', where, asArray)
  if (object['source-id'] === undefined && several !== undefined) {
    return asInt(several[0], `${where}.source-ids`)
  }
  return requiredField(object, 'source-id', where, asInt)
}
