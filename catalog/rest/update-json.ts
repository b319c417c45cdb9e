/** Updates of a commit on the wire (REST OpenAPI, "TableUpdate"). */
import { type Json, type JsonObject, asBigint } from '../../common/index.ts'
import { asInt, asString, asStringMap, JsonFields, listOf } from '../format/json-fields.ts'
import { partitionSpecFromJson, partitionSpecToJson } from '../format/partition-spec-json.ts'
import { schemaFromJson, schemaToJson } from '../format/schema-json.ts'
import {
  snapshotFromJson,
  snapshotRefFromJson,
  snapshotRefToJson,
  snapshotToJson,
} from '../format/snapshot-json.ts'
import { sortOrderFromJson, sortOrderToJson } from '../format/sort-order-json.ts'
import type { TableUpdate } from '../table/update.ts'
import { member, plainMember, unionCodec } from './payload-codec.ts'

/** An unknown update is refused: half a commit is worse than none. */
const codec = unionCodec<TableUpdate, 'action'>('table update', 'action', {
  'assign-uuid': plainMember('uuid', 'uuid', asString),
  'upgrade-format-version': plainMember('formatVersion', 'format-version', asInt),
  'add-schema': {
    toJson: ({ schema, lastColumnId }) => ({
      schema: schemaToJson(schema),
      ...(lastColumnId === undefined ? {} : { 'last-column-id': lastColumnId }),
    }),
    fromJson: (fields) => {
      const lastColumnId = fields.optional('last-column-id', asInt)
      return {
        schema: fields.required('schema', schemaFromJson),
        ...(lastColumnId === undefined ? {} : { lastColumnId }),
      }
    },
  },
  'set-current-schema': plainMember('schemaId', 'schema-id', asInt),
  'add-spec': member('spec', 'spec', partitionSpecFromJson, partitionSpecToJson),
  'set-default-spec': plainMember('specId', 'spec-id', asInt),
  'add-sort-order': member('sortOrder', 'sort-order', sortOrderFromJson, sortOrderToJson),
  'set-default-sort-order': plainMember('sortOrderId', 'sort-order-id', asInt),
  'add-snapshot': member('snapshot', 'snapshot', snapshotFromJson, (one) => snapshotToJson(one)),
  'set-snapshot-ref': {
    toJson: ({ refName, ref }) => ({ 'ref-name': refName, ...snapshotRefToJson(ref) }),
    fromJson: (fields) => ({
      refName: fields.required('ref-name', asString),
      ref: snapshotRefFromJson(fields.object, fields.where),
    }),
  },
  'remove-snapshots': plainMember('snapshotIds', 'snapshot-ids', listOf(asBigint)),
  'remove-snapshot-ref': plainMember('refName', 'ref-name', asString),
  'set-location': plainMember('location', 'location', asString),
  'set-properties': plainMember('updates', 'updates', asStringMap),
  'remove-properties': plainMember('removals', 'removals', listOf(asString)),
  'set-statistics': {
    toJson: ({ statistics }) => ({
      // Deprecated in the spec, still required by clients of older releases.
      'snapshot-id': statistics['snapshot-id'] ?? null,
      statistics,
    }),
    fromJson: (fields) => ({ statistics: fields.required('statistics', statisticsFromJson) }),
  },
  'remove-statistics': plainMember('snapshotId', 'snapshot-id', asBigint),
  'set-partition-statistics': plainMember(
    'partitionStatistics',
    'partition-statistics',
    statisticsFromJson,
  ),
  'remove-partition-statistics': plainMember('snapshotId', 'snapshot-id', asBigint),
  'remove-partition-specs': plainMember('specIds', 'spec-ids', listOf(asInt)),
  'remove-schemas': plainMember('schemaIds', 'schema-ids', listOf(asInt)),
})

export const updateToJson = codec.toJson
export const updateFromJson = codec.fromJson

/** Statistics stay as JSON; the snapshot that they are of is the only member that Tidewater reads. */
function statisticsFromJson(json: Json | undefined, where: string): JsonObject {
  const fields = new JsonFields(json, where)
  fields.required('snapshot-id', asBigint)
  return fields.object
}
