/** Requirements of a commit on the wire (REST OpenAPI, "TableRequirement"). */
import { type Json, type JsonObject, ValidationError, asBigint } from '../../common/index.ts'
import { asObject, intField, optionalField, stringField } from '../format/json-fields.ts'
import type { RequirementType, TableRequirement } from '../table/requirement.ts'

interface Codec<R extends RequirementType> {
  toJson(requirement: TableRequirement<R>): JsonObject
  fromJson(json: JsonObject, where: string): TableRequirement<R>
}

const codecs: { readonly [R in RequirementType]: Codec<R> } = {
  'assert-create': { toJson: () => ({}), fromJson: () => ({ type: 'assert-create' }) },
  'assert-table-uuid': {
    toJson: ({ uuid }) => ({ uuid }),
    fromJson: (json, where) => ({
      type: 'assert-table-uuid',
      uuid: stringField(json, 'uuid', where),
    }),
  },
  'assert-ref-snapshot-id': {
    toJson: ({ ref, snapshotId }) => ({ ref, 'snapshot-id': snapshotId }),
    fromJson: (json, where) => ({
      type: 'assert-ref-snapshot-id',
      ref: stringField(json, 'ref', where),
      snapshotId: optionalField(json, 'snapshot-id', where, asBigint) ?? null,
    }),
  },
  'assert-last-assigned-field-id': {
    toJson: ({ lastAssignedFieldId }) => ({ 'last-assigned-field-id': lastAssignedFieldId }),
    fromJson: (json, where) => ({
      type: 'assert-last-assigned-field-id',
      lastAssignedFieldId: intField(json, 'last-assigned-field-id', where),
    }),
  },
  'assert-current-schema-id': {
    toJson: ({ currentSchemaId }) => ({ 'current-schema-id': currentSchemaId }),
    fromJson: (json, where) => ({
      type: 'assert-current-schema-id',
      currentSchemaId: intField(json, 'current-schema-id', where),
    }),
  },
  'assert-last-assigned-partition-id': {
    toJson: ({ lastAssignedPartitionId }) => ({
      'last-assigned-partition-id': lastAssignedPartitionId,
    }),
    fromJson: (json, where) => ({
      type: 'assert-last-assigned-partition-id',
      lastAssignedPartitionId: intField(json, 'last-assigned-partition-id', where),
    }),
  },
  'assert-default-spec-id': {
    toJson: ({ defaultSpecId }) => ({ 'default-spec-id': defaultSpecId }),
    fromJson: (json, where) => ({
      type: 'assert-default-spec-id',
      defaultSpecId: intField(json, 'default-spec-id', where),
    }),
  },
  'assert-default-sort-order-id': {
    toJson: ({ defaultSortOrderId }) => ({ 'default-sort-order-id': defaultSortOrderId }),
    fromJson: (json, where) => ({
      type: 'assert-default-sort-order-id',
      defaultSortOrderId: intField(json, 'default-sort-order-id', where),
    }),
  },
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
  const type = stringField(object, 'type', where)
  if (!Object.hasOwn(codecs, type)) {
    throw new ValidationError('unknown table requirement', { facts: { where, type } })
  }
  return codecs[type as RequirementType].fromJson(object, where)
}
