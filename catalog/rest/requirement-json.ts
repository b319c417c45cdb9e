/** Requirements of a commit on the wire (REST OpenAPI, "TableRequirement"). */
import { type Json, type JsonObject, asBigint } from '../../common/index.ts'
import { asInt, asObject, asString, optionalField, requiredField } from '../format/json-fields.ts'
import type { RequirementType, TableRequirement } from '../table/requirement.ts'
import { kindOf, plainMember } from './payload-codec.ts'

interface Codec<R extends RequirementType> {
  toJson(requirement: TableRequirement<R>): JsonObject
  fromJson(json: JsonObject, where: string): Omit<TableRequirement<R>, 'type'>
}

const codecs: { readonly [R in RequirementType]: Codec<R> } = {
  'assert-create': { toJson: () => ({}), fromJson: () => ({}) },
  'assert-table-uuid': plainMember('uuid', 'uuid', asString),
  'assert-ref-snapshot-id': {
    toJson: ({ ref, snapshotId }) => ({ ref, 'snapshot-id': snapshotId }),
    fromJson: (json, where) => ({
      ref: requiredField(json, 'ref', where, asString),
      snapshotId: optionalField(json, 'snapshot-id', where, asBigint) ?? null,
    }),
  },
  'assert-last-assigned-field-id': plainMember(
    'lastAssignedFieldId',
    'last-assigned-field-id',
    asInt,
  ),
  'assert-current-schema-id': plainMember('currentSchemaId', 'current-schema-id', asInt),
  'assert-last-assigned-partition-id': plainMember(
    'lastAssignedPartitionId',
    'last-assigned-partition-id',
    asInt,
  ),
  'assert-default-spec-id': plainMember('defaultSpecId', 'default-spec-id', asInt),
  'assert-default-sort-order-id': plainMember('defaultSortOrderId', 'default-sort-order-id', asInt),
}

export function requirementToJson<R extends RequirementType>(
  requirement: TableRequirement<R>,
): JsonObject {
  const codec: Codec<R> = codecs[requirement.type]
  return { type: requirement.type, ...codec.toJson(requirement) }
}

/** An unknown requirement is refused: skipping it would commit what the client forbade. */
export function requirementFromJson(json: Json | undefined, where: string): TableRequirement {
  const object = asObject(json, where)
  const type = kindOf(codecs, object, 'type', 'requirement', where)
  return { type, ...codecs[type].fromJson(object, where) } as TableRequirement
}
