import { describe, expect, test } from 'vitest'
import { CommitFailedError } from '../../common/index.ts'
import type { Schema } from '../format/types.ts'
import { checkRequirements } from './check-requirement.ts'
import { newTableMetadata } from './new-table-metadata.ts'
import type { RequirementType, TableRequirement } from './requirement.ts'

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}
const uuid = '9c12d441-03fe-4693-9a96-a0705ddf69c1'
const empty = newTableMetadata({ tableUuid: uuid, location: 'memory://lake/t', schema, nowMs: 1 })
const metadata = { ...empty, refs: { dev: { snapshotId: 2n ** 60n, type: 'branch' as const } } }

/** For each type one that holds on `metadata` and one that does not: no type can be forgotten. */
const cases: {
  readonly [R in RequirementType]: {
    readonly holds?: Omit<TableRequirement<R>, 'type'>
    readonly fails: Omit<TableRequirement<R>, 'type'>
  }
} = {
  'assert-create': { fails: {} },
  'assert-table-uuid': {
    holds: { uuid: uuid.toUpperCase() },
    fails: { uuid: '00000000-0000-4000-8000-000000000000' },
  },
  'assert-ref-snapshot-id': {
    holds: { ref: 'dev', snapshotId: 2n ** 60n },
    fails: { ref: 'dev', snapshotId: 2n ** 60n + 1n },
  },
  'assert-last-assigned-field-id': {
    holds: { lastAssignedFieldId: 1 },
    fails: { lastAssignedFieldId: 2 },
  },
  'assert-current-schema-id': { holds: { currentSchemaId: 0 }, fails: { currentSchemaId: 1 } },
  'assert-last-assigned-partition-id': {
    holds: { lastAssignedPartitionId: 999 },
    fails: { lastAssignedPartitionId: 1000 },
  },
  'assert-default-spec-id': { holds: { defaultSpecId: 0 }, fails: { defaultSpecId: 1 } },
  'assert-default-sort-order-id': {
    holds: { defaultSortOrderId: 0 },
    fails: { defaultSortOrderId: 1 },
  },
}

describe('checkRequirements()', () => {
  for (const [type, { holds, fails }] of Object.entries(cases)) {
    test(`${type} passes and fails as it should`, () => {
      const requirement = (fields: object): TableRequirement =>
        ({ type, ...fields }) as TableRequirement
      if (holds !== undefined) checkRequirements(metadata, [requirement(holds)])
      expect(() => checkRequirements(metadata, [requirement(fails)])).toThrow(CommitFailedError)
      if (type !== 'assert-create') {
        expect(() => checkRequirements(undefined, [requirement(holds ?? fails)])).toThrow(
          /actual=no table/,
        )
      }
    })
  }

  test('assert-create holds only where there is no table', () => {
    checkRequirements(undefined, [{ type: 'assert-create' }])
  })

  test('a null snapshot id means that the ref must not exist', () => {
    const absent = { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null } as const
    checkRequirements(metadata, [absent])
    expect(() => checkRequirements(metadata, [{ ...absent, ref: 'dev' }])).toThrow(
      `the table is not what the commit was built on: requirement=assert-ref-snapshot-id ref=dev expected=no snapshot actual=${2n ** 60n}`,
    )
    expect(() => checkRequirements(metadata, [{ ...absent, snapshotId: 5n }])).toThrow(
      /expected=5 actual=no snapshot/,
    )
  })

  test('all requirements must hold', () => {
    expect(() =>
      checkRequirements(metadata, [
        { type: 'assert-table-uuid', uuid },
        { type: 'assert-default-spec-id', defaultSpecId: 3 },
      ]),
    ).toThrow(/requirement=assert-default-spec-id expected=3 actual=0/)
  })
})
