import { describe, expect, it } from 'vitest'
import { lakeFile as file, openCatalogLake, withRival } from '../../tests/support/catalog-lake.ts'
import { ConflictError } from './conflict-error.ts'
import { ManageRefs } from './manage-refs.ts'
import { OverwriteFiles } from './overwrite-files.ts'

describe('OverwriteFiles', () => {
  it('computes its change again where the check of a base calls it out of date', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a])
    const computedOn: (bigint | undefined)[] = []
    const action = new OverwriteFiles(lake.tools, {
      changes: ({ metadata }) => {
        computedOn.push(metadata.currentSnapshotId)
        return Promise.resolve({ baseSnapshotId: metadata.currentSnapshotId, added: [file()] })
      },
      check: ({ metadata }) => {
        if (metadata.currentSnapshotId === computedOn.at(-1)) return
        throw new ConflictError('rows that it would have seen', [])
      },
    })
    const racing = withRival(lake.catalog, () => lake.append([b]))
    await lake.commit(action, racing)
    expect(computedOn).toHaveLength(2)
    expect(await lake.active()).toHaveLength(3)
  })

  it('lands only while the refs that it was computed from stand where they stood', async () => {
    const lake = await openCatalogLake()
    await lake.append([file()])
    const branch = { kind: 'create', type: 'branch', name: 'source' } as const
    await lake.commit(new ManageRefs({ changes: [branch] }))
    const refused = /the source has moved/
    const action = new OverwriteFiles(lake.tools, {
      changes: ({ metadata }) =>
        Promise.resolve({ baseSnapshotId: metadata.currentSnapshotId, added: [file()] }),
      standingOn: ['source'],
      check: ({ metadata: { refs, currentSnapshotId } }) => {
        if (refs['source']?.snapshotId !== currentSnapshotId) throw new Error(refused.source)
      },
    })
    const racing = withRival(lake.catalog, () => lake.append([file()], { branch: 'source' }))
    await expect(lake.commit(action, racing)).rejects.toThrow(refused)
    expect(await lake.active()).toHaveLength(1)
  })
})
