/** Updates of a commit on the wire (REST OpenAPI, "TableUpdate"). */
import { type Json, type JsonObject, ValidationError, asBigint } from '../../common/index.ts'
import {
  arrayField,
  asInt,
  asObject,
  asString,
  asStringMap,
  bigintField,
  intField,
  optionalField,
  stringField,
} from '../format/json-fields.ts'
import { partitionSpecFromJson, partitionSpecToJson } from '../format/partition-spec-json.ts'
import { schemaFromJson, schemaToJson } from '../format/schema-json.ts'
import {
  snapshotFromJson,
  snapshotRefFromJson,
  snapshotRefToJson,
  snapshotToJson,
} from '../format/snapshot-json.ts'
import { sortOrderFromJson, sortOrderToJson } from '../format/sort-order-json.ts'
import type { TableUpdate, UpdateAction } from '../table/update.ts'

type Fields<A extends UpdateAction> = Omit<TableUpdate<A>, 'action'>

interface Codec<A extends UpdateAction> {
  toJson(update: TableUpdate<A>): JsonObject
  fromJson(json: JsonObject, where: string): Fields<A>
}

const codecs: { readonly [A in UpdateAction]: Codec<A> } = {
  'assign-uuid': {
    toJson: ({ uuid }) => ({ uuid }),
    fromJson: (json, where) => ({ uuid: stringField(json, 'uuid', where) }),
  },
  'upgrade-format-version': {
    toJson: ({ formatVersion }) => ({ 'format-version': formatVersion }),
    fromJson: (json, where) => ({ formatVersion: intField(json, 'format-version', where) }),
  },
  'add-schema': {
    toJson: ({ schema, lastColumnId }) => ({
      schema: schemaToJson(schema),
      ...(lastColumnId === undefined ? {} : { 'last-column-id': lastColumnId }),
    }),
    fromJson: (json, where) => {
      const lastColumnId = optionalField(json, 'last-column-id', where, asInt)
      return {
        schema: schemaFromJson(json['schema'], `${where}.schema`),
        ...(lastColumnId === undefined ? {} : { lastColumnId }),
      }
    },
  },
  'set-current-schema': {
    toJson: ({ schemaId }) => ({ 'schema-id': schemaId }),
    fromJson: (json, where) => ({ schemaId: intField(json, 'schema-id', where) }),
  },
  'add-spec': {
    toJson: ({ spec }) => ({ spec: partitionSpecToJson(spec) }),
    fromJson: (json, where) => ({ spec: partitionSpecFromJson(json['spec'], `${where}.spec`) }),
  },
  'set-default-spec': {
    toJson: ({ specId }) => ({ 'spec-id': specId }),
    fromJson: (json, where) => ({ specId: intField(json, 'spec-id', where) }),
  },
  'add-sort-order': {
    toJson: ({ sortOrder }) => ({ 'sort-order': sortOrderToJson(sortOrder) }),
    fromJson: (json, where) => ({
      sortOrder: sortOrderFromJson(json['sort-order'], `${where}.sort-order`),
    }),
  },
  'set-default-sort-order': {
    toJson: ({ sortOrderId }) => ({ 'sort-order-id': sortOrderId }),
    fromJson: (json, where) => ({ sortOrderId: intField(json, 'sort-order-id', where) }),
  },
  'add-snapshot': {
    toJson: ({ snapshot }) => ({ snapshot: snapshotToJson(snapshot) }),
    fromJson: (json, where) => ({
      snapshot: snapshotFromJson(json['snapshot'], `${where}.snapshot`),
    }),
  },
  'set-snapshot-ref': {
    toJson: ({ refName, ref }) => ({ 'ref-name': refName, ...snapshotRefToJson(ref) }),
    fromJson: (json, where) => ({
      refName: stringField(json, 'ref-name', where),
      ref: snapshotRefFromJson(json, where),
    }),
  },
  'remove-snapshots': {
    toJson: ({ snapshotIds }) => ({ 'snapshot-ids': snapshotIds }),
    fromJson: (json, where) => ({
      snapshotIds: arrayField(json, 'snapshot-ids', where).map((id) => asBigint(id, where)),
    }),
  },
  'remove-snapshot-ref': {
    toJson: ({ refName }) => ({ 'ref-name': refName }),
    fromJson: (json, where) => ({ refName: stringField(json, 'ref-name', where) }),
  },
  'set-location': {
    toJson: ({ location }) => ({ location }),
    fromJson: (json, where) => ({ location: stringField(json, 'location', where) }),
  },
  'set-properties': {
    toJson: ({ updates }) => ({ updates }),
    fromJson: (json, where) => ({ updates: asStringMap(json['updates'], `${where}.updates`) }),
  },
  'remove-properties': {
    toJson: ({ removals }) => ({ removals }),
    fromJson: (json, where) => ({
      removals: arrayField(json, 'removals', where).map((key) => asString(key, where)),
    }),
  },
  'set-statistics': {
    toJson: ({ statistics }) => ({
      // Deprecated in the spec, still required by clients of older releases.
      'snapshot-id': statistics['snapshot-id'] ?? null,
      statistics,
    }),
    fromJson: (json, where) => ({
      statistics: withSnapshotId(asObject(json['statistics'], `${where}.statistics`), where),
    }),
  },
  'remove-statistics': snapshotIdCodec(),
  'set-partition-statistics': {
    toJson: ({ partitionStatistics }) => ({ 'partition-statistics': partitionStatistics }),
    fromJson: (json, where) => ({
      partitionStatistics: withSnapshotId(
        asObject(json['partition-statistics'], `${where}.partition-statistics`),
        where,
      ),
    }),
  },
  'remove-partition-statistics': snapshotIdCodec(),
  'remove-partition-specs': {
    toJson: ({ specIds }) => ({ 'spec-ids': specIds }),
    fromJson: (json, where) => ({
      specIds: arrayField(json, 'spec-ids', where).map((id) => asInt(id, where)),
    }),
  },
  'remove-schemas': {
    toJson: ({ schemaIds }) => ({ 'schema-ids': schemaIds }),
    fromJson: (json, where) => ({
      schemaIds: arrayField(json, 'schema-ids', where).map((id) => asInt(id, where)),
    }),
  },
}

export function updateToJson<A extends UpdateAction>(update: TableUpdate<A>): JsonObject {
  const codec: Codec<A> = codecs[update.action]
  return { action: update.action, ...codec.toJson(update) }
}

/** An unknown update is refused: half a commit is worse than none. */
export function updateFromJson(json: Json | undefined, where: string): TableUpdate {
  const object = asObject(json, where)
  const action = stringField(object, 'action', where)
  if (!Object.hasOwn(codecs, action)) {
    throw new ValidationError('unknown table update', { facts: { where, action } })
  }
  const fields = codecs[action as UpdateAction].fromJson(object, where)
  return { action, ...fields } as TableUpdate
}

function snapshotIdCodec(): {
  toJson(update: { readonly snapshotId: bigint }): JsonObject
  fromJson(json: JsonObject, where: string): { readonly snapshotId: bigint }
} {
  return {
    toJson: ({ snapshotId }) => ({ 'snapshot-id': snapshotId }),
    fromJson: (json, where) => ({ snapshotId: bigintField(json, 'snapshot-id', where) }),
  }
}

function withSnapshotId(statistics: JsonObject, where: string): JsonObject {
  bigintField(statistics, 'snapshot-id', where)
  return statistics
}
