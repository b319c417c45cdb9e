/** Requirements of a commit on the wire (REST OpenAPI, "TableRequirement"). */
import { type Json, type JsonObject, ValidationError, asBigint } from '../../common/index.ts'
import { asObject, intField, optionalField, stringField } from '../format/json-fields.ts'
import type { RequirementType, TableRequirement } from '../table/requirement.ts'

interface Codec<R extends RequirementType> {
  toJson(requirement: TableRequirement<R>): JsonObject
  fromJson(json: JsonObject, where: string): Omit<TableRequirement<R>, 'type'>
}

const codecs: { readonly [R in RequirementType]: Codec<R> } = {
  'assert-create': { toJson: () => ({}), fromJson: () => ({}) },
  'assert-table-uuid': {
    toJson: ({ uuid }) => ({ uuid }),
    fromJson: (json, where) => ({ uuid: stringField(json, 'uuid', where) }),
  },
  'assert-ref-snapshot-id': {
    toJson: ({ ref, snapshotId }) => ({ ref, 'snapshot-id': snapshotId }),
    fromJson: (json, where) => ({
      ref: stringField(json, 'ref', where),
      snapshotId: optionalField(json, 'snapshot-id', where, asBigint) ?? null,
    }),
  },
  'assert-last-assigned-field-id': idCodec('lastAssignedFieldId', 'last-assigned-field-id'),
  'assert-current-schema-id': idCodec('currentSchemaId', 'current-schema-id'),
  'assert-last-assigned-partition-id': idCodec(
    'lastAssignedPartitionId',
    'last-assigned-partition-id',
  ),
  'assert-default-spec-id': idCodec('defaultSpecId', 'default-spec-id'),
  'assert-default-sort-order-id': idCodec('defaultSortOrderId', 'default-sort-order-id'),
}

/** Of a requirement that states one id: its member here and on the wire. */
function idCodec<Member extends string>(member: Member, wireName: string) {
  return {
    toJson: (requirement: Readonly<Record<Member, number>>): JsonObject => ({
      [wireName]: requirement[member],
    }),
    fromJson: (json: JsonObject, where: string) =>
      ({ [member]: intField(json, wireName, where) }) as Readonly<Record<Member, number>>,
  }
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
  const stated = codecs[type as RequirementType].fromJson(object, where)
  return { type, ...stated } as TableRequirement
}
