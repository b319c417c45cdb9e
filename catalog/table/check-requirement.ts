/**
 * Checks that a table is in the state that a commit was built on: one small function per requirement type.
 *
 * A requirement that does not hold is an ordinary race: CommitFailedError, with the expected
 * and the actual value. REST OpenAPI, "TableRequirement".
 */
import { CommitFailedError } from '../../common/index.ts'
import type { TableMetadata } from '../format/types.ts'
import type { RequirementType, TableRequirement } from './requirement.ts'

type Fact = string | number | bigint | undefined
/** The value that the requirement states and that of the table; it holds when they are equal. */
type Comparison = readonly [expected: Fact, actual: Fact]

const comparisons: {
  readonly [R in RequirementType]: (
    metadata: TableMetadata | undefined,
    requirement: TableRequirement<R>,
  ) => Comparison
} = {
  'assert-create': (metadata) => ['no table', metadata === undefined ? 'no table' : 'a table'],
  'assert-table-uuid': (metadata, { uuid }) => [
    uuid.toLowerCase(),
    metadata?.tableUuid.toLowerCase(),
  ],
  'assert-ref-snapshot-id': (metadata, { ref, snapshotId }) => [
    snapshotId ?? 'no snapshot',
    metadata === undefined ? undefined : (metadata.refs[ref]?.snapshotId ?? 'no snapshot'),
  ],
  'assert-last-assigned-field-id': (metadata, own) => [
    own.lastAssignedFieldId,
    metadata?.lastColumnId,
  ],
  'assert-current-schema-id': (metadata, own) => [own.currentSchemaId, metadata?.currentSchemaId],
  'assert-last-assigned-partition-id': (metadata, own) => [
    own.lastAssignedPartitionId,
    metadata?.lastPartitionId,
  ],
  'assert-default-spec-id': (metadata, own) => [own.defaultSpecId, metadata?.defaultSpecId],
  'assert-default-sort-order-id': (metadata, own) => [
    own.defaultSortOrderId,
    metadata?.defaultSortOrderId,
  ],
}

/** Throws CommitFailedError for the first requirement that does not hold on `metadata`. */
export function checkRequirements(
  metadata: TableMetadata | undefined,
  requirements: readonly TableRequirement[],
): void {
  for (const requirement of requirements) checkRequirement(metadata, requirement)
}

export function checkRequirement<R extends RequirementType>(
  metadata: TableMetadata | undefined,
  requirement: TableRequirement<R>,
): void {
  const [expected, actual] = comparisons[requirement.type](metadata, requirement)
  if (expected === actual) return
  throw new CommitFailedError('the table is not what the commit was built on', {
    facts: {
      requirement: requirement.type,
      ...('ref' in requirement ? { ref: requirement.ref } : {}),
      expected,
      actual: actual ?? 'no table',
    },
  })
}
