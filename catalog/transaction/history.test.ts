import { describe, expect, it } from 'vitest'
import { lakeFile as file, openCatalogLake } from '../../tests/support/catalog-lake.ts'
import type { TableMetadata } from '../format/types.ts'
import {
  ancestorsOf,
  headOf,
  isAncestor,
  newestOffsets,
  offsetsProperty,
  offsetsPropertyKey,
  offsetsSummaryKey,
} from './history.ts'
import { ManageRefs } from './manage-refs.ts'
import { UpdateProperties } from './update-properties.ts'

const ids = (metadata: TableMetadata, from: bigint | undefined): readonly bigint[] =>
  [...ancestorsOf(metadata, from)].map(({ snapshotId }) => snapshotId)

describe('history', () => {
  it('walks from a snapshot to its oldest ancestor that is left, and through a circle once', async () => {
    const lake = await openCatalogLake()
    for (let count = 0; count < 3; count++) await lake.append([file()])
    const { metadata } = await lake.load()
    const [one, two, three] = metadata.snapshots.map(({ snapshotId }) => snapshotId)
    expect(ids(metadata, three)).toEqual([three, two, one])
    expect(ids(metadata, undefined)).toEqual([])
    expect(ids(metadata, 1n)).toEqual([])
    const expired = { ...metadata, snapshots: metadata.snapshots.slice(1) }
    expect(ids(expired, three)).toEqual([three, two])
    const circle = metadata.snapshots.map((snapshot) =>
      snapshot.snapshotId === one ? { ...snapshot, parentSnapshotId: three ?? 0n } : snapshot,
    )
    expect(ids({ ...metadata, snapshots: circle }, three)).toEqual([three, two, one])
    expect(isAncestor(metadata, one ?? 0n, three ?? 0n)).toBe(true)
    expect(isAncestor(metadata, three ?? 0n, three ?? 0n)).toBe(true)
    expect(isAncestor(metadata, three ?? 0n, one ?? 0n)).toBe(false)
  })

  it('finds the head and the offsets of a branch in its own history', async () => {
    const lake = await openCatalogLake()
    expect(headOf((await lake.load()).metadata, 'main')).toBeUndefined()
    await lake.append([file()], { summary: { [offsetsSummaryKey]: 'old' } })
    await lake.commit(
      new ManageRefs({ changes: [{ kind: 'create', type: 'branch', name: 'audit' }] }),
    )
    await lake.append([file()], { summary: { [offsetsSummaryKey]: 'new' } })
    await lake.append([file()])
    const updates = { [offsetsPropertyKey('main')]: 'new' }
    await lake.commit(new UpdateProperties({ updates }))
    const { metadata } = await lake.load()
    expect(headOf(metadata, 'main')?.snapshotId).toBe(metadata.currentSnapshotId)
    expect(newestOffsets(metadata, 'main')?.text).toBe('new')
    expect(newestOffsets(metadata, 'audit')?.text).toBe('old')
    expect(newestOffsets(metadata, 'toString')).toBeUndefined()
    expect(headOf(metadata, 'toString')).toBeUndefined()
    expect(offsetsProperty(metadata, 'main')).toBe('new')
    expect(offsetsProperty(metadata, 'audit')).toBeUndefined()
  })
})
