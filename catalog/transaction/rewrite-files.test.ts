import { describe, expect, it } from 'vitest'
import {
  type CatalogLake,
  lakeFile as file,
  openCatalogLake,
  withCommit,
  withRival,
} from '../../tests/support/catalog-lake.ts'
import { CommitFailedError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import { positionDeleteFile } from '../data-files/position-deletes.ts'
import type { DataFile } from '../format/types.ts'
import { ConflictError } from './conflict-error.ts'
import { OverwriteFiles } from './overwrite-files.ts'
import { RewriteFiles, type RewriteFilesOptions } from './rewrite-files.ts'
import { RowDelta } from './row-delta.ts'
import { type PreparedSnapshot, SnapshotProducer } from './snapshot-producer.ts'

/** Deletes `rows` rows of `targets`, all of one partition. */
function deletesOf(targets: readonly DataFile[], rows = 1n): DataFile {
  return positionDeleteFile({
    filePath: file().filePath.replace('.parquet', '-deletes.parquet'),
    fileSizeInBytes: 50n,
    specId: 0,
    partition: targets[0]?.partition ?? [],
    recordCount: rows,
    referencedFiles: targets.map((target) => target.filePath),
    posMin: 0n,
    posMax: rows - 1n,
  })
}

async function deleteRows(lake: CatalogLake, targets: readonly DataFile[]): Promise<DataFile> {
  const deletes = deletesOf(targets)
  await lake.commit(
    new RowDelta(lake.tools, {
      changes: {
        baseSnapshotId: (await lake.head()).snapshotId,
        deletes: [{ file: deletes, referencedFiles: targets.map((one) => one.filePath) }],
      },
    }),
  )
  return deletes
}

/** Delete files as other engines commit them; Tidewater itself writes none by equality. */
async function addForeignDeletes(lake: CatalogLake, deletes: DataFile): Promise<void> {
  const producer = new SnapshotProducer(lake.tools, {})
  await lake.commit({
    prepare: (table: Table) => producer.prepare(table, [deletes]),
    commit: async (base: Table, prepared: PreparedSnapshot) =>
      producer.commit(await producer.open(base), prepared, { operation: 'delete', removed: [] }),
  })
}

async function rewrite(
  lake: CatalogLake,
  change: Pick<RewriteFilesOptions, 'removed' | 'added'> & Partial<RewriteFilesOptions>,
): Promise<RewriteFiles> {
  const startingSnapshotId = (await lake.head()).snapshotId
  return new RewriteFiles(lake.tools, { startingSnapshotId, ...change })
}

const both = (removed: readonly DataFile[], over: Partial<DataFile> = {}): DataFile =>
  file({ recordCount: removed.reduce((sum, one) => sum + one.recordCount, 0n), ...over })

describe('RewriteFiles', () => {
  it('[F16] replaces files, keeps the rest, and states the data sequence number it began at', async () => {
    const lake = await openCatalogLake()
    const [a, b, c] = [file(), file(), file({ partition: ['de'] })]
    await lake.append([a])
    await lake.append([b, c])
    const added = both([a, b])
    const table = await lake.commit(await rewrite(lake, { removed: [a, b], added: [added] }))
    expect(await lake.active()).toEqual([added.filePath, c.filePath].sort())
    const { snapshotId } = await lake.head()
    const entries = await lake.entries()
    const brief = new Map(entries.map((entry) => [entry.dataFile.filePath, entry]))
    expect(brief.get(added.filePath)).toMatchObject({
      status: 'added',
      snapshotId,
      sequenceNumber: 2n,
      fileSequenceNumber: 3n,
    })
    expect(brief.get(a.filePath)).toMatchObject({
      status: 'deleted',
      snapshotId,
      sequenceNumber: 1n,
    })
    expect(brief.get(b.filePath)).toMatchObject({
      status: 'deleted',
      snapshotId,
      sequenceNumber: 2n,
    })
    expect(brief.get(c.filePath)).toMatchObject({
      status: 'existing',
      sequenceNumber: 2n,
      fileSequenceNumber: 2n,
      snapshotId: table.metadata.snapshots[1]?.snapshotId,
    })
    expect((await lake.head()).summary).toEqual({
      operation: 'replace',
      'added-data-files': '1',
      'added-records': '20',
      'added-files-size': '100',
      'deleted-data-files': '2',
      'deleted-records': '20',
      'removed-files-size': '200',
      'changed-partition-count': '1',
      'total-records': '30',
      'total-data-files': '2',
      'total-files-size': '200',
      'total-delete-files': '0',
      'total-position-deletes': '0',
      'total-equality-deletes': '0',
    })
    const [first] = await lake.manifests()
    expect(first).toMatchObject({ addedFilesCount: 1, minSequenceNumber: 2n, sequenceNumber: 3n })
  })

  it('[F15] does not carry entries that an earlier snapshot deleted', async () => {
    const lake = await openCatalogLake()
    const [a, b, c] = [file(), file(), file()]
    await lake.append([a, b, c])
    await lake.commit(await rewrite(lake, { removed: [a], added: [both([a])] }))
    await lake.commit(await rewrite(lake, { removed: [b], added: [both([b])] }))
    const deleted = (await lake.entries()).filter((entry) => entry.status === 'deleted')
    expect(deleted.map((entry) => entry.dataFile.filePath)).toEqual([b.filePath])
    const table = await lake.append([file()])
    expect((await lake.entries()).every((entry) => entry.status !== 'deleted')).toBe(false)
    expect(table.metadata.snapshots).toHaveLength(4)
    expect(await lake.active()).toHaveLength(4)
  })

  it('wins over concurrent appends, writing only the manifest list again', async () => {
    const lake = await openCatalogLake()
    const [a, b, rival] = [file(), file(), file()]
    await lake.append([a, b])
    const added = both([a, b])
    const action = await rewrite(lake, { removed: [a, b], added: [added] })
    const racing = withRival(lake.catalog, () => lake.append([rival]))
    await lake.commit(action, racing)
    expect(await lake.active()).toEqual([added.filePath, rival.filePath].sort())
    const avro = (await lake.objects()).filter((one) => one.endsWith('.avro'))
    // Two appends: a list and a manifest each; the rewrite: a list, the added and the filtered manifest.
    expect(avro).toHaveLength(7)
    expect(avro.filter((one) => one.includes('/snap-'))).toHaveLength(3)
  })

  it('is a conflict naming the file when a file to replace is gone, and leaves nothing behind', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const action = await rewrite(lake, { removed: [a, b], added: [both([a, b])] })
    await lake.commit(await rewrite(lake, { removed: [b], added: [both([b])] }))
    const before = (await lake.objects()).filter((one) => one.endsWith('.avro'))
    const failure = await lake.commit(action).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ConflictError)
    expect((failure as ConflictError).files).toEqual([b.filePath])
    expect((await lake.objects()).filter((one) => one.endsWith('.avro'))).toEqual(before)
  })

  it('[F16] is a conflict when position deletes landed on a replaced file meanwhile', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const action = await rewrite(lake, { removed: [a], added: [both([a])] })
    const other = await rewrite(lake, { removed: [b], added: [both([b])] })
    const deletes = await deleteRows(lake, [a])
    await expect(lake.commit(action)).rejects.toMatchObject({
      code: 'conflict',
      files: [deletes.filePath],
    })
    // Deletes of other files of the same partition are no concern.
    await lake.commit(other)
    expect(Object.keys(await lake.deletes())).toEqual([a.filePath])
  })

  it('[F16] leaves equality deletes that landed meanwhile in force, and drops those it applied', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const equality = (): DataFile =>
      file({ content: 'equality-deletes', equalityIds: [1], recordCount: 1n })
    const [early, late] = [equality(), equality()]
    await addForeignDeletes(lake, early)
    const action = await rewrite(lake, { removed: [a], added: [file({ recordCount: 9n })] })
    await addForeignDeletes(lake, late)
    await lake.commit(action)
    const [added] = await lake.active()
    expect(await lake.deletes()).toEqual({ [added ?? '']: [late.filePath] })
    expect((await lake.head()).summary).toMatchObject({
      'removed-delete-files': '1',
      'removed-equality-deletes': '1',
      'total-delete-files': '1',
      'total-equality-deletes': '1',
    })
  })

  it('takes out delete files that apply to nothing any more, and keeps the others', async () => {
    const lake = await openCatalogLake()
    const [a, b, c] = [file(), file(), file()]
    await lake.append([a, b, c])
    await deleteRows(lake, [a])
    const shared = await deleteRows(lake, [a, c])
    await lake.commit(await rewrite(lake, { removed: [a, b], added: [file({ recordCount: 18n })] }))
    expect(await lake.deletes()).toEqual({ [c.filePath]: [shared.filePath] })
    expect((await lake.head()).summary).toMatchObject({
      operation: 'replace',
      'removed-delete-files': '1',
      'removed-position-delete-files': '1',
      'removed-position-deletes': '1',
      'total-delete-files': '1',
      'total-position-deletes': '1',
      'total-records': '28',
    })
    await lake.commit(await rewrite(lake, { removed: [c], added: [file({ recordCount: 9n })] }))
    expect(await lake.deletes()).toEqual({})
    expect((await lake.head()).summary).toMatchObject({ 'total-delete-files': '0' })
  })

  it('[F34] refuses to lose or add rows', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    for (const recordCount of [9n, 11n]) {
      const action = await rewrite(lake, { removed: [a], added: [file({ recordCount })] })
      await expect(lake.commit(action)).rejects.toThrow(/keep every row/)
    }
    await deleteRows(lake, [a])
    const more = await rewrite(lake, { removed: [a], added: [file({ recordCount: 11n })] })
    await expect(lake.commit(more)).rejects.toThrow(/keep every row/)
    await lake.commit(await rewrite(lake, { removed: [a], added: [file({ recordCount: 9n })] }))
  })

  it('is a conflict when the branch was rolled back below the snapshot it began at', async () => {
    const lake = await openCatalogLake()
    const a = file()
    const first = await lake.append([a])
    await lake.append([file()])
    const action = await rewrite(lake, { removed: [a], added: [both([a])] })
    await lake.catalog.commitTable({
      identifier: first.identifier,
      requirements: [],
      updates: [
        {
          action: 'set-snapshot-ref',
          refName: 'main',
          ref: { type: 'branch', snapshotId: first.metadata.currentSnapshotId ?? 0n },
        },
      ],
    })
    await expect(lake.commit(action)).rejects.toThrow(/no longer has the snapshot/)
  })

  it('is not done twice when an attempt that looked lost had landed', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const liar = withCommit(lake.catalog, async (commit, attempt) => {
      const table = await lake.catalog.commitTable(commit)
      if (attempt === 1) throw new CommitFailedError('said lost, but landed')
      return table
    })
    const action = await rewrite(lake, { removed: [a], added: [both([a])] })
    const table = await lake.commit(action, liar)
    expect(table.metadata.snapshots).toHaveLength(2)
  })

  it('works on a branch and leaves main alone', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const branched = file()
    await lake.append([branched], { branch: 'audit' })
    const added = both([a, branched])
    const startingSnapshotId = (await lake.head('audit')).snapshotId
    await lake.commit(
      await rewrite(lake, {
        startingSnapshotId,
        removed: [a, branched],
        added: [added],
        branch: 'audit',
      }),
    )
    expect(await lake.active('audit')).toEqual([added.filePath])
    expect(await lake.active()).toEqual([a.filePath])
  })
})

describe('OverwriteFiles', () => {
  const overwrite = async (
    lake: CatalogLake,
    removed: readonly DataFile[],
    added: readonly DataFile[],
    refuseNewRows?: 'anywhere' | { readonly country: string },
  ): Promise<OverwriteFiles> =>
    new OverwriteFiles(lake.tools, {
      changes: { baseSnapshotId: (await lake.head()).snapshotId, removed, added },
      ...(refuseNewRows === undefined
        ? {}
        : {
            refuseNewRows:
              refuseNewRows === 'anywhere'
                ? refuseNewRows
                : {
                    kind: 'comparison',
                    column: ['country'],
                    operator: '=',
                    literal: refuseNewRows.country,
                  },
          }),
    })

  it('replaces files in one snapshot, named by what it does', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const added = file({ recordCount: 3n })
    await lake.commit(await overwrite(lake, [a], [added]))
    expect(await lake.active()).toEqual([added.filePath, b.filePath].sort())
    expect((await lake.head()).summary).toMatchObject({
      operation: 'overwrite',
      'deleted-records': '10',
      'added-records': '3',
      'total-records': '13',
    })
    const entry = (await lake.entries()).find((one) => one.dataFile.filePath === added.filePath)
    expect(entry?.sequenceNumber).toBe(2n)
    await lake.commit(await overwrite(lake, [b], []))
    expect((await lake.head()).summary).toMatchObject({ operation: 'delete', 'total-records': '3' })
    await lake.commit(await overwrite(lake, [], [file()]))
    expect((await lake.head()).summary).toMatchObject({ operation: 'append' })
  })

  it('is a conflict when a row of a removed file was deleted meanwhile', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const action = await overwrite(lake, [a], [file()])
    await deleteRows(lake, [a])
    await expect(lake.commit(action)).rejects.toThrow(/deleted by another commit/)
  })

  it('takes out the delete files of the files that it removes', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    await deleteRows(lake, [a])
    await lake.commit(await overwrite(lake, [a], [file({ recordCount: 1n })]))
    expect((await lake.head()).summary).toMatchObject({
      'total-delete-files': '0',
      'total-position-deletes': '0',
      'removed-position-deletes': '1',
    })
  })

  it('refuses rows that came meanwhile only where it was asked to look', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const free = await overwrite(lake, [a], [file()])
    const here = await overwrite(lake, [], [file()], { country: 'at' })
    const there = await overwrite(lake, [], [file()], { country: 'de' })
    const anywhere = await overwrite(lake, [], [file()], 'anywhere')
    const rival = file()
    await lake.append([rival])
    await expect(lake.commit(here)).rejects.toMatchObject({ files: [rival.filePath] })
    await expect(lake.commit(anywhere)).rejects.toThrow(ConflictError)
    await lake.commit(there)
    await lake.commit(free)
  })

  it('does not take moved rows for new ones', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const action = await overwrite(lake, [a], [file()], 'anywhere')
    await lake.commit(await rewrite(lake, { removed: [b], added: [both([b])] }))
    await lake.commit(action)
    expect(await lake.active()).toHaveLength(2)
  })

  it('computes its change again when another commit made it out of date', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const compacted = both([a])
    const added = file()
    let computed = 0
    const action = new OverwriteFiles(lake.tools, {
      changes: async ({ metadata }) => {
        computed++
        return {
          baseSnapshotId: metadata.currentSnapshotId,
          removed: computed === 1 ? [a] : [compacted],
          added: [added],
        }
      },
    })
    const compaction = await rewrite(lake, { removed: [a], added: [compacted] })
    await lake.commit(
      action,
      withRival(lake.catalog, () => lake.commit(compaction)),
    )
    expect(computed).toBe(2)
    expect(await lake.active()).toEqual([added.filePath])
    const avro = (await lake.objects()).filter((one) => one.endsWith('.avro'))
    expect(avro.filter((one) => one.includes('/snap-'))).toHaveLength(3)
  })
})

describe('RowDelta', () => {
  it('[F31] adds deletes and rows in one snapshot; deletes reach older files and those of the same commit', async () => {
    const lake = await openCatalogLake()
    const [a, b, added] = [file(), file(), file()]
    await lake.append([a, b])
    const [ofA, ofAdded] = [deletesOf([a], 2n), deletesOf([added])]
    await lake.commit(
      new RowDelta(lake.tools, {
        changes: {
          baseSnapshotId: (await lake.head()).snapshotId,
          added: [added],
          deletes: [
            { file: ofA, referencedFiles: [a.filePath] },
            { file: ofAdded, referencedFiles: [added.filePath] },
          ],
        },
      }),
    )
    expect(await lake.deletes()).toEqual({
      [a.filePath]: [ofA.filePath],
      [added.filePath]: [ofAdded.filePath],
    })
    expect((await lake.head()).summary).toMatchObject({
      operation: 'overwrite',
      'added-delete-files': '2',
      'added-position-delete-files': '2',
      'added-position-deletes': '3',
      'added-files-size': '200',
      'total-records': '30',
      'total-delete-files': '2',
      'total-position-deletes': '3',
    })
    const manifests = await lake.manifests()
    expect(manifests.map((one) => one.content)).toEqual(['data', 'deletes', 'data'])
    await deleteRows(lake, [b])
    expect((await lake.head()).summary).toMatchObject({ operation: 'delete' })
  })

  it('is prepared again when a compaction replaced a file that it names', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const compacted = both([a])
    const targets: string[] = []
    const action = new RowDelta(lake.tools, {
      changes: async ({ metadata }) => {
        const target = targets.length === 0 ? a : compacted
        targets.push(target.filePath)
        return {
          baseSnapshotId: metadata.currentSnapshotId,
          deletes: [{ file: deletesOf([target]), referencedFiles: [target.filePath] }],
        }
      },
    })
    const compaction = await rewrite(lake, { removed: [a], added: [compacted] })
    await lake.commit(
      action,
      withRival(lake.catalog, () => lake.commit(compaction)),
    )
    expect(targets).toEqual([a.filePath, compacted.filePath])
    expect(Object.keys(await lake.deletes())).toEqual([compacted.filePath])
  })

  it('is a conflict when it cannot be prepared again', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const baseSnapshotId = (await lake.head()).snapshotId
    await lake.commit(await rewrite(lake, { removed: [a], added: [both([a])] }))
    const action = new RowDelta(lake.tools, {
      changes: {
        baseSnapshotId,
        deletes: [{ file: deletesOf([a]), referencedFiles: [a.filePath] }],
      },
    })
    await expect(lake.commit(action)).rejects.toMatchObject({ files: [a.filePath] })
  })

  it('refuses deletes that no reader would apply, and equality deletes', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a, b])
    const delta = async (deletes: DataFile, ...referencedFiles: string[]): Promise<unknown> =>
      lake.commit(
        new RowDelta(lake.tools, {
          changes: {
            baseSnapshotId: (await lake.head()).snapshotId,
            deletes: [{ file: deletes, referencedFiles }],
          },
        }),
      )
    await expect(delta(deletesOf([a]), b.filePath)).rejects.toThrow(/would not apply/)
    await expect(delta(deletesOf([a]))).rejects.toThrow(/must say which/)
    const equality = file({ content: 'equality-deletes', equalityIds: [1] })
    await expect(delta(equality, a.filePath)).rejects.toThrow(/not written/)
    expect(await lake.deletes()).toEqual({})
  })

  it('refuses upserts whose keys another writer may have added', async () => {
    const lake = await openCatalogLake()
    const a = file()
    await lake.append([a])
    const action = new RowDelta(lake.tools, {
      changes: {
        baseSnapshotId: (await lake.head()).snapshotId,
        added: [file()],
        deletes: [{ file: deletesOf([a]), referencedFiles: [a.filePath] }],
      },
      refuseNewRows: 'anywhere',
    })
    await expect(
      lake.commit(
        action,
        withRival(lake.catalog, () => lake.append([file()])),
      ),
    ).rejects.toThrow(/added by another commit/)
  })
})
