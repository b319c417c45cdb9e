import { describe, expect, it } from 'vitest'
import { lakeFile as file, openCatalogLake, withRival } from '../../tests/support/catalog-lake.ts'
import { CommitFailedError } from '../../common/index.ts'
import { planScan } from '../scan/plan-scan.ts'
import { ManageRefs, type RefChange } from './manage-refs.ts'
import { UpdateSchema } from './update-schema.ts'

const refs = (...changes: readonly RefChange[]): ManageRefs => new ManageRefs({ changes })

describe('ManageRefs', () => {
  it('makes branches and tags at main or at a snapshot, with their retention, and removes them', async () => {
    const lake = await openCatalogLake()
    const first = (await lake.append([file()])).metadata.currentSnapshotId ?? 0n
    await lake.append([file()])
    const { metadata } = await lake.commit(
      refs(
        { kind: 'create', type: 'branch', name: 'audit', retention: { minSnapshotsToKeep: 3 } },
        { kind: 'create', type: 'tag', name: 'v1', snapshotId: first },
      ),
    )
    expect(metadata.refs['audit']).toEqual({
      type: 'branch',
      snapshotId: metadata.currentSnapshotId,
      minSnapshotsToKeep: 3,
    })
    expect(metadata.refs['v1']).toEqual({ type: 'tag', snapshotId: first })
    const kept = await lake.append([file()], { branch: 'audit' })
    expect(kept.metadata.refs['audit']).toMatchObject({ minSnapshotsToKeep: 3 })
    const after = await lake.commit(
      refs(
        { kind: 'remove', name: 'audit' },
        { kind: 'set-retention', name: 'v1', retention: { maxRefAgeMs: 5n } },
      ),
    )
    expect(Object.keys(after.metadata.refs).sort()).toEqual(['main', 'v1'])
    expect(after.metadata.refs['v1']).toEqual({ type: 'tag', snapshotId: first, maxRefAgeMs: 5n })
  })

  it('removes a ref that may be gone already', async () => {
    const lake = await openCatalogLake()
    await lake.append([file()])
    const before = await lake.commit(refs({ kind: 'create', type: 'branch', name: 'audit' }))
    const remove = { kind: 'remove', name: 'audit', ifExists: true } as const
    const once = await lake.commit(refs(remove, { ...remove, name: 'nope' }))
    expect(Object.keys(before.metadata.refs).sort()).toEqual(['audit', 'main'])
    expect(Object.keys(once.metadata.refs)).toEqual(['main'])
    expect((await lake.commit(refs(remove))).metadataLocation).toBe(once.metadataLocation)
  })

  it('changes nothing when a ref is as wanted, and refuses one that stands elsewhere', async () => {
    const lake = await openCatalogLake()
    const first = (await lake.append([file()])).metadata.currentSnapshotId ?? 0n
    const create = { kind: 'create', type: 'tag', name: 'v1' } as const
    const once = await lake.commit(refs(create))
    const twice = await lake.commit(refs(create))
    expect(twice.metadataLocation).toBe(once.metadataLocation)
    await lake.append([file()])
    await expect(lake.commit(refs(create))).rejects.toThrow(/at another snapshot.*snapshot=/)
    await lake.commit(refs({ ...create, snapshotId: first }))
  })

  it.each([
    [{ kind: 'remove', name: 'main' }, /main cannot be removed/],
    [{ kind: 'remove', name: 'nope' }, /no such branch or tag.*refs=main/],
    [{ kind: 'create', type: 'tag', name: ' ' }, /needs a name/],
    [{ kind: 'create', type: 'tag', name: 'x', snapshotId: 7n }, /no such snapshot/],
    [
      { kind: 'create', type: 'tag', name: 'x', retention: { minSnapshotsToKeep: 2 } },
      /keeps one snapshot/,
    ],
    [
      { kind: 'create', type: 'branch', name: 'x', retention: { maxSnapshotAgeMs: 0n } },
      /at least 1/,
    ],
    [{ kind: 'rollback', name: 'main', snapshotId: 7n }, /own older snapshots/],
  ] satisfies readonly (readonly [RefChange, RegExp])[])(
    'refuses what makes no sense of a ref, %#',
    async (change, message) => {
      const lake = await openCatalogLake()
      await lake.append([file()])
      await expect(lake.commit(refs(change))).rejects.toThrow(message)
    },
  )

  it('rolls a branch back, with further updates in the same commit', async () => {
    const lake = await openCatalogLake()
    const a = file()
    const first = (await lake.append([a])).metadata.currentSnapshotId ?? 0n
    await lake.append([file()])
    const { metadata } = await lake.commit(
      new ManageRefs({
        changes: [{ kind: 'rollback', name: 'main', snapshotId: first }],
        extraUpdates: () => [{ action: 'set-properties', updates: { 'offsets.main': '1' } }],
      }),
    )
    expect(metadata.currentSnapshotId).toBe(first)
    expect(metadata.properties['offsets.main']).toBe('1')
    expect(await lake.active()).toEqual([a.filePath])
    await lake.append([file()])
    expect((await lake.head()).parentSnapshotId).toBe(first)
  })

  it('moves a branch ahead only where nothing is lost', async () => {
    const lake = await openCatalogLake()
    await lake.append([file()])
    await lake.append([file()], { branch: 'audit' })
    const forward = { kind: 'fast-forward', name: 'main', to: 'audit' } as const
    const { metadata } = await lake.commit(refs(forward))
    expect(metadata.currentSnapshotId).toBe(metadata.refs['audit']?.snapshotId)
    expect(await lake.active()).toHaveLength(2)
    await lake.append([file()], { branch: 'audit' })
    await lake.append([file()])
    await expect(lake.commit(refs(forward))).rejects.toMatchObject({ code: 'conflict' })
  })

  it('loses to a commit that moved the ref meanwhile, and is judged again on what it left', async () => {
    const lake = await openCatalogLake()
    await lake.append([file()])
    await lake.append([file()], { branch: 'audit' })
    const racing = withRival(lake.catalog, () => lake.append([file()]))
    const forward = refs({ kind: 'fast-forward', name: 'main', to: 'audit' })
    const failure = await lake.commit(forward, racing).catch((error: unknown) => error)
    expect(failure).not.toBeInstanceOf(CommitFailedError)
    expect(failure).toMatchObject({ code: 'conflict' })
    expect(await lake.active()).toHaveLength(2)
  })
})

describe('planScan() of a ref', () => {
  it('reads a branch with the current schema, a tag with its own', async () => {
    const lake = await openCatalogLake()
    await lake.append([file()])
    await lake.append([file()], { branch: 'audit' })
    await lake.commit(refs({ kind: 'create', type: 'tag', name: 'v1' }))
    await lake.commit(
      new UpdateSchema([{ kind: 'rename-column', path: ['country'], name: 'land' }]),
    )
    const table = await lake.load()
    const plan = async (ref: string): Promise<readonly unknown[]> => {
      const { tasks, schema } = await planScan(lake.io, table, { ref })
      return [tasks.length, schema.fields[1]?.name]
    }
    expect(await plan('main')).toEqual([1, 'land'])
    expect(await plan('audit')).toEqual([2, 'land'])
    expect(await plan('v1')).toEqual([1, 'country'])
    await expect(plan('nope')).rejects.toThrow(/no such branch or tag/)
    const both = planScan(lake.io, table, { ref: 'audit', snapshotId: 1n })
    await expect(both).rejects.toThrow(/not both/)
  })
})
