import { describe, expect, test } from 'vitest'
import { CommitFailedError, UnsupportedError, ValidationError } from '../../common/index.ts'
import { tableMetadataFromJson, tableMetadataToJson } from '../format/table-metadata-json.ts'
import type { PartitionSpec, Schema, Snapshot, TableMetadata } from '../format/types.ts'
import { applyUpdate } from './apply-update.ts'
import { applyUpdates, metadataFilesCut } from './apply-updates.ts'
import { newTableMetadata } from './new-table-metadata.ts'
import type { TableUpdate } from './update.ts'

const nowMs = 1_700_000_000_000
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'id', required: true, type: { type: 'long' } },
    { id: 2, name: 'ts', required: false, type: { type: 'timestamptz' } },
  ],
}
const wider: Schema = {
  ...schema,
  fields: [...schema.fields, { id: 3, name: 'note', required: false, type: { type: 'string' } }],
}
const byDay: PartitionSpec = {
  specId: 0,
  fields: [{ sourceId: 2, fieldId: 1000, name: 'ts_day', transform: { kind: 'day' } }],
}
const base = newTableMetadata({
  tableUuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1',
  location: 'memory://lake/t',
  schema,
  nowMs,
})

function snapshot(id: bigint, sequence: bigint, parent?: bigint, atMs = nowMs): Snapshot {
  return {
    snapshotId: id,
    ...(parent === undefined ? {} : { parentSnapshotId: parent }),
    sequenceNumber: sequence,
    timestampMs: BigInt(atMs),
    manifestList: `memory://lake/t/metadata/${id}.avro`,
    summary: { operation: 'append' },
    schemaId: 0,
  }
}

const toMain = (snapshotId: bigint): TableUpdate => ({
  action: 'set-snapshot-ref',
  refName: 'main',
  ref: { snapshotId, type: 'branch' },
})
const add = (added: Snapshot): TableUpdate => ({ action: 'add-snapshot', snapshot: added })

function apply(
  metadata: TableMetadata,
  updates: readonly TableUpdate[],
  atMs = nowMs,
  metadataLocation = 'memory://lake/t/metadata/base.json',
): TableMetadata {
  const next = applyUpdates(metadata, updates, { nowMs: atMs, metadataLocation })
  // Whatever updates do, the result is metadata that can be written and read.
  expect(tableMetadataFromJson(tableMetadataToJson(next))).toEqual(next)
  return next
}

/** main: 1 <- 2 <- 3, one second apart. */
function threeSnapshots(): TableMetadata {
  let metadata = base
  for (const id of [1n, 2n, 3n]) {
    const atMs = nowMs + Number(id) * 1000
    const parent = id === 1n ? undefined : id - 1n
    metadata = apply(metadata, [add(snapshot(id, id, parent, atMs)), toMain(id)], atMs)
  }
  return metadata
}

const logOf = (metadata: TableMetadata): bigint[] =>
  metadata.snapshotLog.map((entry) => entry.snapshotId)

describe('applyUpdate() on snapshots', () => {
  test('applyUpdate() rejects a reused snapshot id', () => {
    const one = apply(base, [add(snapshot(7n, 1n)), toMain(7n)])
    expect(() =>
      applyUpdate(one, { action: 'add-snapshot', snapshot: snapshot(7n, 2n, 7n) }),
    ).toThrow(ValidationError)
  })

  test('applyUpdate() takes an old sequence number for a lost race', () => {
    const one = apply(base, [add(snapshot(7n, 5n)), toMain(7n)])
    for (const sequence of [4n, 5n]) {
      expect(() =>
        applyUpdate(one, { action: 'add-snapshot', snapshot: snapshot(8n, sequence, 7n) }),
      ).toThrow(CommitFailedError)
    }
    const next = apply(one, [add(snapshot(8n, 6n, 7n)), toMain(8n)])
    expect(next.lastSequenceNumber).toBe(6n)
  })

  test('applyUpdate() refuses a ref to an unknown snapshot and a tag named main', () => {
    expect(() => applyUpdate(base, toMain(9n))).toThrow(/unknown snapshot/)
    const one = apply(base, [add(snapshot(7n, 1n))])
    expect(() =>
      applyUpdate(one, {
        action: 'set-snapshot-ref',
        refName: 'main',
        ref: { snapshotId: 7n, type: 'tag' },
      }),
    ).toThrow(/must be a branch/)
  })

  test('applyUpdate() keeps main and the current snapshot one', () => {
    const three = threeSnapshots()
    expect(three.currentSnapshotId).toBe(3n)
    expect(three.refs['main']?.snapshotId).toBe(3n)
    const without = apply(three, [{ action: 'remove-snapshot-ref', refName: 'main' }])
    expect(without.currentSnapshotId).toBeUndefined()
    expect('currentSnapshotId' in without).toBe(false)
    expect(without.snapshotLog).toEqual([])
  })

  test('applyUpdate() removes statistics together with their snapshot', () => {
    const three = apply(threeSnapshots(), [
      { action: 'set-statistics', statistics: { 'snapshot-id': 1n, 'statistics-path': 'a' } },
      { action: 'set-statistics', statistics: { 'snapshot-id': 2n, 'statistics-path': 'b' } },
      { action: 'set-statistics', statistics: { 'snapshot-id': 2n, 'statistics-path': 'c' } },
    ])
    expect(three.unknownFields?.['statistics']).toHaveLength(2)
    const two = applyUpdate(three, { action: 'remove-snapshots', snapshotIds: [1n] })
    expect(two.unknownFields?.['statistics']).toEqual([
      { 'snapshot-id': 2n, 'statistics-path': 'c' },
    ])
  })

  test('applyUpdate() refuses snapshots for a format it cannot keep', () => {
    const later = { ...base, formatVersion: 3 } as const
    expect(() =>
      applyUpdate(later, { action: 'add-snapshot', snapshot: snapshot(1n, 1n) }),
    ).toThrow(UnsupportedError)
    expect(() => applyUpdate(base, { action: 'upgrade-format-version', formatVersion: 3 })).toThrow(
      UnsupportedError,
    )
    expect(() => applyUpdate(base, { action: 'upgrade-format-version', formatVersion: 1 })).toThrow(
      /go back/,
    )
  })
})

describe('applyUpdate() on schemas, specs and orders', () => {
  test('applyUpdates() gives an equal schema its old id and -1 the meaning "last added"', () => {
    const evolved = apply(base, [
      { action: 'add-schema', schema: wider },
      { action: 'set-current-schema', schemaId: -1 },
    ])
    expect(evolved.currentSchemaId).toBe(1)
    expect(evolved.lastColumnId).toBe(3)
    const back = apply(evolved, [
      { action: 'add-schema', schema: { ...schema, schemaId: 17 } },
      { action: 'set-current-schema', schemaId: -1 },
    ])
    expect(back.currentSchemaId).toBe(0)
    expect(back.schemas).toHaveLength(2)
    // A dropped column's id is never given again.
    expect(back.lastColumnId).toBe(3)
  })

  test('applyUpdates() gives an equal spec and order their old ids', () => {
    const day: TableUpdate[] = [
      { action: 'add-spec', spec: byDay },
      { action: 'set-default-spec', specId: -1 },
    ]
    const once = apply(base, day)
    expect(once.defaultSpecId).toBe(1)
    expect(once.lastPartitionId).toBe(1000)
    const twice = apply(once, [{ action: 'set-default-spec', specId: 0 }, ...day])
    expect(twice.partitionSpecs).toHaveLength(2)
    expect(twice.defaultSpecId).toBe(1)
    const ordered = apply(base, [
      {
        action: 'add-sort-order',
        sortOrder: {
          orderId: 0,
          fields: [
            {
              sourceId: 1,
              transform: { kind: 'identity' },
              direction: 'asc',
              nullOrder: 'nulls-first',
            },
          ],
        },
      },
      { action: 'set-default-sort-order', sortOrderId: -1 },
      { action: 'add-sort-order', sortOrder: { orderId: 5, fields: [] } },
    ])
    expect(ordered.sortOrders.map((order) => order.orderId)).toEqual([0, 1])
    expect(ordered.defaultSortOrderId).toBe(1)
  })

  test('applyUpdates() refuses -1 when the commit adds nothing', () => {
    for (const update of [
      { action: 'set-current-schema', schemaId: -1 },
      { action: 'set-default-spec', specId: -1 },
      { action: 'set-default-sort-order', sortOrderId: -1 },
    ] as const) {
      expect(() => apply(base, [update])).toThrow(/-1 means/)
    }
  })

  test('applyUpdate() refuses unknown ids and columns', () => {
    const refused: readonly TableUpdate[] = [
      { action: 'set-current-schema', schemaId: 4 },
      { action: 'set-default-spec', specId: 4 },
      { action: 'set-default-sort-order', sortOrderId: 4 },
      { action: 'add-spec', spec: { specId: 0, fields: [{ ...byDay.fields[0]!, sourceId: 99 }] } },
      { action: 'remove-schemas', schemaIds: [0] },
      { action: 'remove-partition-specs', specIds: [0] },
      { action: 'assign-uuid', uuid: '00000000-0000-4000-8000-000000000000' },
      { action: 'add-schema', schema: wider, lastColumnId: 2 },
    ]
    for (const update of refused) expect(() => applyUpdate(base, update)).toThrow(ValidationError)
  })

  test('applyUpdate() refuses one partition field id for two meanings', () => {
    const one = apply(base, [{ action: 'add-spec', spec: byDay }])
    const clash: PartitionSpec = {
      specId: 0,
      fields: [{ sourceId: 1, fieldId: 1000, name: 'id', transform: { kind: 'identity' } }],
    }
    expect(() => applyUpdate(one, { action: 'add-spec', spec: clash })).toThrow(/field id/)
  })
})

describe('applyUpdates() logs', () => {
  test('[C17] the snapshot log gains an entry only when main moves', () => {
    const three = threeSnapshots()
    expect(logOf(three)).toEqual([1n, 2n, 3n])
    const branched = apply(three, [
      add(snapshot(4n, 4n, 3n)),
      { action: 'set-snapshot-ref', refName: 'dev', ref: { snapshotId: 4n, type: 'branch' } },
    ])
    expect(logOf(branched)).toEqual([1n, 2n, 3n])
    const rolledBack = apply(branched, [toMain(1n)], nowMs + 9000)
    expect(logOf(rolledBack)).toEqual([1n, 2n, 3n, 1n])
    expect(rolledBack.snapshotLog.at(-1)?.timestampMs).toBe(BigInt(nowMs + 9000))
  })

  test('[C17] snapshots staged and replaced in one commit are left out of the log', () => {
    const next = apply(threeSnapshots(), [
      add(snapshot(4n, 4n, 3n)),
      toMain(4n),
      add(snapshot(5n, 5n, 4n)),
      toMain(5n),
    ])
    expect(logOf(next)).toEqual([1n, 2n, 3n, 5n])
  })

  test('[C17] removing an expired entry drops everything before it', () => {
    const next = apply(threeSnapshots(), [{ action: 'remove-snapshots', snapshotIds: [2n] }])
    expect(logOf(next)).toEqual([3n])
  })

  test('[C23] a snapshot is not removed under a ref, unless the ref goes or moves in the same commit', () => {
    const tagged = apply(threeSnapshots(), [
      { action: 'set-snapshot-ref', refName: 'v1', ref: { snapshotId: 1n, type: 'tag' } },
    ])
    const remove = { action: 'remove-snapshots', snapshotIds: [1n] } as const
    expect(() => apply(tagged, [remove])).toThrow(CommitFailedError)
    expect(() => apply(tagged, [{ ...remove, snapshotIds: [3n] }])).toThrow(/ref=main/)
    const gone = apply(tagged, [remove, { action: 'remove-snapshot-ref', refName: 'v1' }])
    expect(Object.keys(gone.refs)).toEqual(['main'])
    expect(gone.snapshots.map((one) => one.snapshotId)).toEqual([2n, 3n])
  })

  test('[C18] times never go back, whatever the clocks of writers say', () => {
    const three = threeSnapshots()
    const late = apply(three, [add(snapshot(4n, 4n, 3n, nowMs - 86_400_000)), toMain(4n)], nowMs)
    expect(late.lastUpdatedMs).toBe(three.lastUpdatedMs)
    expect(late.snapshotLog.at(-1)?.timestampMs).toBe(three.snapshotLog.at(-1)?.timestampMs)
    const future = apply(three, [add(snapshot(4n, 4n, 3n, nowMs + 50_000)), toMain(4n)], nowMs)
    expect(future.lastUpdatedMs).toBe(BigInt(nowMs + 50_000))
  })

  test('[C16] the metadata log holds the previous file and its time, and is cut', () => {
    const properties = { 'write.metadata.previous-versions-max': '2' }
    let metadata = apply(base, [{ action: 'set-properties', updates: properties }], nowMs + 1, 'a')
    expect(metadata.metadataLog).toEqual([{ metadataFile: 'a', timestampMs: BigInt(nowMs) }])
    for (const file of ['b', 'c']) {
      const before = metadata
      metadata = apply(metadata, [{ action: 'set-properties', updates: { file } }], nowMs + 2, file)
      expect(metadataFilesCut(before, metadata)).toEqual(file === 'c' ? ['a'] : [])
    }
    expect(metadata.metadataLog.map((entry) => entry.metadataFile)).toEqual(['b', 'c'])
  })

  test('applyUpdates() returns the base itself when nothing changes', () => {
    const same: readonly TableUpdate[] = [
      { action: 'assign-uuid', uuid: base.tableUuid.toUpperCase() },
      { action: 'set-current-schema', schemaId: 0 },
      { action: 'remove-properties', removals: ['absent'] },
      { action: 'remove-snapshots', snapshotIds: [5n] },
      { action: 'set-properties', updates: {} },
    ]
    expect(applyUpdates(base, same, { nowMs: nowMs + 5, metadataLocation: 'a' })).toBe(base)
    expect(applyUpdates(base, [], { nowMs, metadataLocation: 'a' })).toBe(base)
  })

  test('applyUpdates() leaves its input as it was', () => {
    const three = threeSnapshots()
    const copy = structuredClone(three)
    apply(three, [{ action: 'remove-snapshots', snapshotIds: [1n] }, toMain(2n)])
    expect(three).toEqual(copy)
  })
})
