/** Partition specs in JSON (spec, "Appendix C: JSON serialization", "Partition Specs"). */
import type { Json, JsonObject } from '../../common/index.ts'
import { asArray, asInt, asString, JsonFields } from './json-fields.ts'
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
  const fields = new JsonFields(json, where)
  return {
    specId: fields.optional('spec-id', asInt) ?? 0,
    fields: fields.required('fields', partitionFieldsFromJson),
  }
}

/** v1 leaves field ids out: they count up from 1000 in order of position. */
export function partitionFieldsFromJson(
  json: Json | undefined,
  where: string,
): readonly PartitionField[] {
  return asArray(json, where).map((item, index) => {
    const fields = new JsonFields(item, `${where}[${index}]`)
    return {
      sourceId: sourceIdFromJson(fields),
      fieldId: fields.optional('field-id', asInt) ?? firstPartitionFieldId + index,
      name: fields.required('name', asString),
      transform: parseTransform(fields.required('transform', asString)),
    }
  })
}

/** v3 may write `source-ids`; a list of one is the same as `source-id`. */
export function sourceIdFromJson(fields: JsonFields): number {
  const several = fields.optional('source-ids', asArray)
  if (fields.object['source-id'] === undefined && several !== undefined) {
    return asInt(several[0], `${fields.where}.source-ids`)
  }
  return fields.required('source-id', asInt)
}
