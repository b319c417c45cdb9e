/**
 * The requirements of several actions as requirements on the table that the first of them began at.
 *
 * An action states what it needs of the table as the actions before it leave it: after a schema change,
 * that the current schema is the new one. The catalog checks requirements before it applies any update,
 * so each is stated again with the value that the base has.
 */
import type { TableMetadata } from '../format/types.ts'
import { checkRequirement } from '../table/check-requirement.ts'
import type { RequirementType, TableRequirement } from '../table/requirement.ts'

/** What a requirement states, read from `base`. */
const onBase: {
  readonly [R in RequirementType]: (
    base: TableMetadata,
    requirement: TableRequirement<R>,
  ) => Omit<TableRequirement<R>, 'type'>
} = {
  'assert-create': () => ({}),
  'assert-table-uuid': ({ tableUuid }) => ({ uuid: tableUuid }),
  'assert-ref-snapshot-id': ({ refs }, { ref }) => {
    const snapshotId = Object.hasOwn(refs, ref) ? refs[ref]?.snapshotId : undefined
    return { ref, snapshotId: snapshotId ?? null }
  },
  'assert-last-assigned-field-id': (base) => ({ lastAssignedFieldId: base.lastColumnId }),
  'assert-current-schema-id': (base) => ({ currentSchemaId: base.currentSchemaId }),
  'assert-last-assigned-partition-id': (base) => ({
    lastAssignedPartitionId: base.lastPartitionId,
  }),
  'assert-default-spec-id': (base) => ({ defaultSpecId: base.defaultSpecId }),
  'assert-default-sort-order-id': (base) => ({ defaultSortOrderId: base.defaultSortOrderId }),
}

/** The requirements of one action, and the table that it was applied to. */
export interface StagedRequirements {
  readonly staged: TableMetadata
  readonly requirements: readonly TableRequirement[]
}

/** Each requirement once. Throws CommitFailedError for one that its own action's table does not meet. */
export function mergeRequirements(
  base: TableMetadata,
  actions: readonly StagedRequirements[],
): readonly TableRequirement[] {
  const merged = new Map<string, TableRequirement>()
  for (const { staged, requirements } of actions) {
    for (const requirement of requirements) {
      checkRequirement(staged, requirement)
      const key = 'ref' in requirement ? `${requirement.type} ${requirement.ref}` : requirement.type
      merged.set(key, restated(base, requirement))
    }
  }
  return [...merged.values()]
}

function restated<R extends RequirementType>(
  base: TableMetadata,
  requirement: TableRequirement<R>,
): TableRequirement<R> {
  return { ...requirement, ...onBase[requirement.type](base, requirement) }
}
