/** What must hold of the table that a commit replaces (REST OpenAPI, "TableRequirement"). */

interface RequirementPayload {
  'assert-create': object
  'assert-table-uuid': { readonly uuid: string }
  /** `snapshotId: null`: the ref must not exist. */
  'assert-ref-snapshot-id': { readonly ref: string; readonly snapshotId: bigint | null }
  'assert-last-assigned-field-id': { readonly lastAssignedFieldId: number }
  'assert-current-schema-id': { readonly currentSchemaId: number }
  'assert-last-assigned-partition-id': { readonly lastAssignedPartitionId: number }
  'assert-default-spec-id': { readonly defaultSpecId: number }
  'assert-default-sort-order-id': { readonly defaultSortOrderId: number }
}

export type RequirementType = keyof RequirementPayload

export type TableRequirement<R extends RequirementType = RequirementType> = {
  [K in R]: { readonly type: K } & RequirementPayload[K]
}[R]
