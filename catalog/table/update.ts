/** The changes a commit can carry (REST OpenAPI, "TableUpdate"). */
import type { JsonObject } from '../../common/index.ts'
import type { PartitionSpec, Schema, Snapshot, SnapshotRef, SortOrder } from '../format/types.ts'

interface UpdatePayload {
  'assign-uuid': { readonly uuid: string }
  'upgrade-format-version': { readonly formatVersion: number }
  'add-schema': { readonly schema: Schema; readonly lastColumnId?: number }
  /** -1: the schema added last in this commit; likewise for specs and sort orders. */
  'set-current-schema': { readonly schemaId: number }
  'add-spec': { readonly spec: PartitionSpec }
  'set-default-spec': { readonly specId: number }
  'add-sort-order': { readonly sortOrder: SortOrder }
  'set-default-sort-order': { readonly sortOrderId: number }
  'add-snapshot': { readonly snapshot: Snapshot }
  'set-snapshot-ref': { readonly refName: string; readonly ref: SnapshotRef }
  'remove-snapshots': { readonly snapshotIds: readonly bigint[] }
  'remove-snapshot-ref': { readonly refName: string }
  'set-location': { readonly location: string }
  'set-properties': { readonly updates: Readonly<Record<string, string>> }
  'remove-properties': { readonly removals: readonly string[] }
  'set-statistics': { readonly statistics: JsonObject }
  'remove-statistics': { readonly snapshotId: bigint }
  'set-partition-statistics': { readonly partitionStatistics: JsonObject }
  'remove-partition-statistics': { readonly snapshotId: bigint }
  'remove-partition-specs': { readonly specIds: readonly number[] }
  'remove-schemas': { readonly schemaIds: readonly number[] }
}

export type UpdateAction = keyof UpdatePayload

export type TableUpdate<A extends UpdateAction = UpdateAction> = {
  [K in A]: { readonly action: K } & UpdatePayload[K]
}[A]
