import { describe, expect, it } from 'vitest'
import {
  type CatalogLake,
  lakeFile as file,
  openCatalogLake,
  withRival,
} from '../../tests/support/catalog-lake.ts'
import { type PositionDeletes, positionDeleteFile } from '../data-files/position-deletes.ts'
import type { DataFile } from '../format/types.ts'
import { ConflictError } from './conflict-error.ts'
import { type RowChanges, RowDelta, type RowDeltaOptions } from './row-delta.ts'

let numbered = 0

function deletesOf(targets: readonly DataFile[], rows = 1n): PositionDeletes {
  const referencedFiles = targets.map(({ filePath }) => filePath)
  const written = positionDeleteFile({
    filePath: `memory://w/lake/db/t/data/deletes-${numbered++}.parquet`,
    fileSizeInBytes: 50n,
    specId: 0,
    partition: ['at'],
    recordCount: rows,
    referencedFiles,
    posMin: 0n,
    posMax: rows - 1n,
  })
  return { file: written, referencedFiles }
}

async function delta(
  lake: CatalogLake,
  changes: Omit<RowChanges, 'baseSnapshotId'>,
  options: Partial<RowDeltaOptions> = {},
): Promise<RowDelta> {
  const baseSnapshotId = (await lake.head()).snapshotId
  return new RowDelta(lake.tools, { ...options, changes: { baseSnapshotId, ...changes } })
}

describe('RowDelta', () => {
  it('takes files out whole and rows by position in one snapshot, with what applied to them', async () => {
    const lake = await openCatalogLake()
    const [a, b, c, added] = [file(), file(), file(), file()]
    await lake.append([a, b, c])
    const [ofA, ofB] = [deletesOf([a]), deletesOf([b])]
    await lake.commit(await delta(lake, { deletes: [ofA, ofB] }))
    const again = deletesOf([b], 3n)
    await lake.commit(
      await delta(lake, {
        removed: [a],
        added: [added],
        deletes: [again],
        replacedDeletes: [ofB.file],
      }),
    )
    expect(await lake.active()).toEqual([b, c, added].map(({ filePath }) => filePath).sort())
    expect(await lake.deletes()).toEqual({ [b.filePath]: [again.file.filePath] })
    expect((await lake.head()).summary).toMatchObject({
      operation: 'overwrite',
      'deleted-data-files': '1',
      'removed-delete-files': '2',
      'total-delete-files': '1',
      'total-position-deletes': '3',
      'total-records': '30',
    })
  })

  it.each<readonly [string, boolean]>([
    ['lets another delete rows of the same file when told nothing', false],
    ['refuses rows that another has deleted meanwhile when asked to', true],
  ])('%s', async (_, refuseNewDeletes) => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const action = await delta(lake, { deletes: [deletesOf([a])] }, { refuseNewDeletes })
    const rival = await delta(lake, { deletes: [deletesOf([a])] })
    const through = withRival(lake.catalog, () => lake.commit(rival))
    const committed = lake.commit(action, through)
    if (refuseNewDeletes) await expect(committed).rejects.toThrow(ConflictError)
    else await committed
    expect((await lake.deletes())[a.filePath]).toHaveLength(refuseNewDeletes ? 1 : 2)
  })

  it('refuses to replace deletes beside those of another, and deletes that are gone', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const first = deletesOf([a])
    await lake.commit(await delta(lake, { deletes: [first] }))
    const replacing = await delta(lake, {
      deletes: [deletesOf([a], 2n)],
      replacedDeletes: [first.file],
    })
    const rival = await delta(lake, { deletes: [deletesOf([a])] })
    const through = withRival(lake.catalog, () => lake.commit(rival))
    await expect(lake.commit(replacing, through)).rejects.toThrow(ConflictError)
    const gone = await delta(lake, {
      deletes: [deletesOf([a], 2n)],
      replacedDeletes: [deletesOf([a]).file],
    })
    await expect(lake.commit(gone)).rejects.toThrow(/delete files were replaced/)
  })

  it('refuses removed files that another has taken or thinned meanwhile', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const change = { removed: [a], deletes: [deletesOf([b])] }
    const action = await delta(lake, change)
    const rival = await delta(lake, { deletes: [deletesOf([a])] })
    const through = withRival(lake.catalog, () => lake.commit(rival))
    await expect(lake.commit(action, through)).rejects.toThrow(/deleted by another commit/)
    const other = await delta(lake, change)
    const taker = await delta(lake, { removed: [a] })
    const between = withRival(lake.catalog, () => lake.commit(taker))
    await expect(lake.commit(other, between)).rejects.toMatchObject({ files: [a.filePath] })
  })

  it('refuses changes that would bring rows back or lose the deletes themselves', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const [ofA, ofBoth] = [deletesOf([a], 2n), deletesOf([a, b])]
    await lake.commit(await delta(lake, { deletes: [ofA, ofBoth] }))
    const refused = async (changes: Omit<RowChanges, 'baseSnapshotId'>): Promise<unknown> =>
      lake.commit(await delta(lake, changes)).catch((error: Error) => error.message)
    const [first, second] = [ofA.file, ofBoth.file]
    expect(await refused({ deletes: [deletesOf([a])], replacedDeletes: [first] })).toMatch(
      /as many/,
    )
    expect(await refused({ deletes: [deletesOf([b], 2n)], replacedDeletes: [first] })).toMatch(
      /same file/,
    )
    expect(await refused({ deletes: [deletesOf([a, b], 2n)], replacedDeletes: [second] })).toMatch(
      /of one data file/,
    )
    expect(await refused({ removed: [a], deletes: [deletesOf([a])] })).toMatch(
      /is removed and has rows/,
    )
    expect(await refused({ removed: [first] })).toMatch(/among the data files/)
  })
})
