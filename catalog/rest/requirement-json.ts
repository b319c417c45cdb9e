/** Requirements of a commit on the wire (REST OpenAPI, "TableRequirement"). */
import { asBigint } from '../../common/index.ts'
import { asInt, asString } from '../format/json-fields.ts'
import type { TableRequirement } from '../table/requirement.ts'
import { plainMember, unionCodec } from './payload-codec.ts'

/** An unknown requirement is refused: skipping it would commit what the client forbade. */
const codec = unionCodec<TableRequirement, 'type'>('table requirement', 'type', {
  'assert-create': { toJson: () => ({}), fromJson: () => ({}) },
  'assert-table-uuid': plainMember('uuid', 'uuid', asString),
  'assert-ref-snapshot-id': {
    toJson: ({ ref, snapshotId }) => ({ ref, 'snapshot-id': snapshotId }),
    fromJson: (fields) => ({
      ref: fields.required('ref', asString),
      snapshotId: fields.optional('snapshot-id', asBigint) ?? null,
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
})

export const requirementToJson = codec.toJson
export const requirementFromJson = codec.fromJson
