import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Snapshot, TableMetadata } from '../format/types.ts'
import { applyUpdate } from './apply-update.ts'
import { mergeUpdates } from './merge-updates.ts'
import { newTableMetadata } from './new-table-metadata.ts'
import type { TableUpdate } from './update.ts'

const snapshots = Array.from(
  { length: 8 },
  (_, index): Snapshot => ({
    snapshotId: BigInt(index),
    sequenceNumber: BigInt(index + 1),
    timestampMs: BigInt(index),
    manifestList: `memory://lake/t/metadata/${index}.avro`,
    summary: { operation: 'append' },
    schemaId: 0,
  }),
)
const base: TableMetadata = {
  ...newTableMetadata({
    tableUuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1',
    location: 'memory://lake/t',
    schema: {
      schemaId: 0,
      identifierFieldIds: [],
      fields: [{ id: 1, name: 'id', required: false, type: { type: 'long' } }],
    },
    nowMs: 1,
  }),
  snapshots,
  properties: { a: '0', b: '0' },
  unknownFields: {
    statistics: snapshots.map(({ snapshotId }) => ({
      'snapshot-id': snapshotId,
      'statistics-path': `s${snapshotId}`,
    })),
    'partition-statistics': snapshots.map(({ snapshotId }) => ({
      'snapshot-id': snapshotId,
      'statistics-path': `p${snapshotId}`,
    })),
  },
}

const id = fc.integer({ min: 0, max: 9 }).map(BigInt)
const key = fc.constantFrom('a', 'b', 'c', '__proto__')
const update: fc.Arbitrary<TableUpdate> = fc.oneof(
  fc.record({ action: fc.constant('remove-snapshots' as const), snapshotIds: fc.array(id) }),
  fc.record({ action: fc.constant('remove-statistics' as const), snapshotId: id }),
  fc.record({ action: fc.constant('remove-partition-statistics' as const), snapshotId: id }),
  fc.record({
    action: fc.constant('set-properties' as const),
    updates: fc.array(fc.tuple(key, fc.string())).map((entries) => Object.fromEntries(entries)),
  }),
  fc.record({ action: fc.constant('remove-properties' as const), removals: fc.array(key) }),
  fc.record({ action: fc.constant('set-location' as const), location: fc.constant('memory://x') }),
)

const applied = (updates: readonly TableUpdate[]): TableMetadata => {
  let metadata = base
  for (const one of updates) metadata = applyUpdate(metadata, one)
  return metadata
}

describe('mergeUpdates()', () => {
  test('[C30] comes to the same as one update after the other', () => {
    fc.assert(
      fc.property(fc.array(update, { maxLength: 12 }), (updates) => {
        expect(applied(mergeUpdates(updates))).toEqual(applied(updates))
      }),
    )
  })

  test('[C30] makes one removal of the thousands that Java sends, and one change of as many properties', () => {
    const removals = Array.from({ length: 7990 }, (_, index): TableUpdate[] => [
      { action: 'remove-snapshots', snapshotIds: [BigInt(index)] },
      { action: 'remove-statistics', snapshotId: BigInt(index) },
    ])
    const sets = Array.from({ length: 7990 }, (_, index): TableUpdate => {
      return { action: 'set-properties', updates: { [`k${index}`]: 'v' } }
    })
    expect(mergeUpdates([...removals.flat(), ...sets])).toHaveLength(2)
  })
})
