import { describe, expect, it } from 'vitest'
import {
  type CatalogLake,
  lakeFile as file,
  lakeTable,
  openCatalogLake,
  withCommit,
  withRival,
} from '../../tests/support/catalog-lake.ts'
import { CommitFailedError } from '../../common/index.ts'
import { positionDeleteFile } from '../data-files/position-deletes.ts'
import type { DataFile } from '../format/types.ts'
import { ConflictError } from './conflict-error.ts'
import { expireSnapshots } from './expire-snapshots.ts'
import { ManageRefs } from './manage-refs.ts'
import { OverwriteFiles } from './overwrite-files.ts'
import { PublishBranch, type PublishBranchOptions } from './publish-branch.ts'
import { RewriteFiles } from './rewrite-files.ts'
import { RowDelta } from './row-delta.ts'
import { commitAction } from './transaction.ts'

const publish = (lake: CatalogLake, options: Partial<PublishBranchOptions> = {}): PublishBranch =>
  new PublishBranch(lake.tools, { from: 'replay', ...options })

async function overwrite(
  lake: CatalogLake,
  branch: string,
  removed: readonly DataFile[],
  added: readonly DataFile[],
): Promise<void> {
  const baseSnapshotId = (await lake.head(branch)).snapshotId
  const changes = { baseSnapshotId, removed, added }
  await lake.commit(new OverwriteFiles(lake.tools, { changes, branch }))
}

async function deleteRow(lake: CatalogLake, branch: string, target: DataFile): Promise<DataFile> {
  const deletes = positionDeleteFile({
    filePath: file().filePath.replace('.parquet', '-deletes.parquet'),
    fileSizeInBytes: 50n,
    specId: 0,
    partition: target.partition,
    recordCount: 1n,
    referencedFiles: [target.filePath],
    posMin: 0n,
    posMax: 0n,
  })
  const baseSnapshotId = (await lake.head(branch)).snapshotId
  const changes = {
    baseSnapshotId,
    deletes: [{ file: deletes, referencedFiles: [target.filePath] }],
  }
  await lake.commit(new RowDelta(lake.tools, { changes, branch }))
  return deletes
}

async function compact(lake: CatalogLake, removed: readonly DataFile[]): Promise<DataFile> {
  const recordCount = removed.reduce((sum, one) => sum + one.recordCount, 0n)
  const added = file({ recordCount })
  const startingSnapshotId = (await lake.head()).snapshotId
  await lake.commit(new RewriteFiles(lake.tools, { startingSnapshotId, removed, added: [added] }))
  return added
}

/** main holds a and b; the branch replaced a by c. */
async function replayed(properties: Readonly<Record<string, string>> = {}): Promise<{
  readonly lake: CatalogLake
  readonly a: DataFile
  readonly b: DataFile
  readonly c: DataFile
}> {
  const lake = await openCatalogLake(properties)
  const [a, b, c] = [file(), file(), file({ recordCount: 7n })]
  await lake.append([a, b])
  await lake.commit(
    new ManageRefs({ changes: [{ kind: 'create', type: 'branch', name: 'replay' }] }),
  )
  await overwrite(lake, 'replay', [a], [c])
  return { lake, a, b, c }
}

const paths = (...files: readonly DataFile[]): readonly string[] =>
  files.map((one) => one.filePath).sort()

describe('PublishBranch', () => {
  it('[C25] applies the branch to what main is now, and keeps what came meanwhile', async () => {
    const { lake, b, c } = await replayed()
    const [d, e] = [file(), file()]
    await lake.append([d])
    const before = await lake.head()
    const racing = withRival(lake.catalog, () => lake.append([e]))
    await lake.commit(publish(lake, { summary: { 'tidewater.run': 'r1' } }), racing)
    expect(await lake.active()).toEqual(paths(b, c, d, e))
    const head = await lake.head()
    expect(head.parentSnapshotId).not.toBe(before.snapshotId)
    expect(head.summary).toMatchObject({
      operation: 'overwrite',
      'source-snapshot-id': String((await lake.head('replay')).snapshotId),
      'tidewater.published-branch': 'replay',
      'tidewater.run': 'r1',
      'deleted-data-files': '1',
      'added-records': '7',
      'total-records': '37',
    })
    expect(await lake.active('replay')).toEqual(paths(b, c))
  })

  it('[C25] goes on while each attempt loses to another rewrite, past commit.retry.num-retries', async () => {
    const { lake, b, c } = await replayed({ 'commit.retry.num-retries': '2' })
    let rewritten = await compact(lake, [b])
    const racing = withCommit(lake.catalog, async (commit, attempt) => {
      if (attempt <= 12) rewritten = await compact(lake, [rewritten])
      return lake.catalog.commitTable(commit)
    })
    const tools = { ...lake.tools, persistsWhileTableMoves: true }
    await commitAction(racing, lakeTable, publish(lake), tools)
    expect(await lake.active()).toEqual(paths(c, rewritten))
  })

  it('gives up after commit.retry.num-retries where no other snapshot comes, and at the time limit where they do', async () => {
    const properties = { 'commit.retry.num-retries': '2', 'commit.retry.total-timeout-ms': '5000' }
    const { lake, b } = await replayed(properties)
    const before = await lake.active()
    const tools = { ...lake.tools, persistsWhileTableMoves: true }
    let attempts = 0
    const losing = withCommit(lake.catalog, () => {
      attempts++
      return Promise.reject(new CommitFailedError('lost'))
    })
    await expect(commitAction(losing, lakeTable, publish(lake), tools)).rejects.toThrow(/lost/)
    expect(attempts).toBe(3)
    expect(await lake.active()).toEqual(before)
    let rewritten = b
    const begunMs = lake.clock.now()
    const racing = withCommit(lake.catalog, async (commit) => {
      rewritten = await compact(lake, [rewritten])
      return lake.catalog.commitTable(commit)
    })
    await expect(commitAction(racing, lakeTable, publish(lake), tools)).rejects.toThrow(
      CommitFailedError,
    )
    expect(lake.clock.now() - begunMs).toBeLessThanOrEqual(5000)
  })

  it('[C25] changes nothing when it is done again, also when the trace has expired', async () => {
    const { lake } = await replayed()
    await lake.append([file()])
    const once = await lake.commit(publish(lake))
    expect((await lake.commit(publish(lake))).metadataLocation).toBe(once.metadataLocation)
    await lake.append([file()])
    await expireSnapshots(lake.catalog, lakeTable, lake.tools, {
      snapshotIds: [once.metadata.currentSnapshotId ?? 0n],
    })
    const active = await lake.active()
    const before = await lake.objects()
    await lake.commit(publish(lake))
    expect(await lake.active()).toEqual(active)
    expect(await lake.objects()).toEqual(before)
  })

  it('[C25] lets two publish at the same time, and only one does', async () => {
    const { lake, b, c } = await replayed()
    const d = file()
    await lake.append([d])
    const racing = withRival(lake.catalog, () => lake.commit(publish(lake)))
    await lake.commit(publish(lake), racing)
    expect(await lake.active()).toEqual(paths(b, c, d))
    const published = (await lake.load()).metadata.snapshots.filter(
      (snapshot) => snapshot.summary?.['tidewater.published-branch'] !== undefined,
    )
    expect(published).toHaveLength(1)
    const avro = (await lake.objects()).filter((one) => one.includes('/snap-'))
    expect(avro).toHaveLength((await lake.load()).metadata.snapshots.length)
  })

  it('moves main ahead while it has not moved, unless told never to', async () => {
    const { lake, b, c } = await replayed()
    const extraUpdates = () => [{ action: 'set-properties', updates: { k: 'v' } }] as const
    const { metadata } = await lake.commit(publish(lake, { extraUpdates }))
    expect(metadata.currentSnapshotId).toBe(metadata.refs['replay']?.snapshotId)
    expect(metadata.properties['k']).toBe('v')
    expect(await lake.active()).toEqual(paths(b, c))

    const other = await replayed()
    const parent = await other.lake.head()
    await other.lake.commit(publish(other.lake, { fastForward: 'never' }))
    expect((await other.lake.head()).parentSnapshotId).toBe(parent.snapshotId)
    expect(await other.lake.active()).toEqual(paths(other.b, other.c))
  })

  it('applies the branch after all when main moved under the fast-forward', async () => {
    const { lake, b, c } = await replayed()
    const d = file()
    const racing = withRival(lake.catalog, () => lake.append([d]))
    await lake.commit(publish(lake), racing)
    expect(await lake.active()).toEqual(paths(b, c, d))
  })

  it('publishes what a branch did after it was published', async () => {
    const { lake, b, c } = await replayed()
    const [d, e] = [file(), file()]
    await lake.append([d])
    await lake.commit(publish(lake))
    await overwrite(lake, 'replay', [c], [e])
    await lake.commit(publish(lake))
    expect(await lake.active()).toEqual(paths(b, d, e))
    expect((await lake.head()).summary).toMatchObject({ 'total-data-files': '3' })
  })

  it('is a conflict naming the file that a compaction on main replaced', async () => {
    const { lake, a, b } = await replayed()
    await compact(lake, [a, b])
    const active = await lake.active()
    const failure = await lake.commit(publish(lake)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ConflictError)
    expect((failure as ConflictError).files).toEqual([a.filePath])
    expect(await lake.active()).toEqual(active)
    const avro = (await lake.objects()).filter((one) => one.includes('/snap-'))
    expect(avro).toHaveLength(3)
  })

  it('is a conflict when main deleted rows of a file that the branch replaced', async () => {
    const { lake, a } = await replayed()
    const deletes = await deleteRow(lake, 'main', a)
    await expect(lake.commit(publish(lake))).rejects.toMatchObject({ files: [deletes.filePath] })
  })

  it('carries the deletes of the branch, and is a conflict when their file is gone', async () => {
    const { lake, b, c } = await replayed()
    const [ofB, ofC] = [await deleteRow(lake, 'replay', b), await deleteRow(lake, 'replay', c)]
    await lake.append([file()])
    const gone = await replayed()
    await deleteRow(gone.lake, 'replay', gone.b)
    await compact(gone.lake, [gone.b])
    await expect(gone.lake.commit(publish(gone.lake))).rejects.toMatchObject({
      files: [gone.b.filePath],
    })
    await lake.commit(publish(lake))
    expect(await lake.deletes()).toEqual({
      [b.filePath]: [ofB.filePath],
      [c.filePath]: [ofC.filePath],
    })
  })

  it('[C25] is a conflict, not a second copy, where the root that the branch began at has left main', async () => {
    const { lake } = await replayed()
    await lake.commit(
      new ManageRefs({
        changes: [
          {
            kind: 'create',
            type: 'tag',
            name: 'fork',
            snapshotId: (await lake.head()).snapshotId,
          },
        ],
      }),
    )
    for (const _ of [1, 2]) await lake.append([file()])
    await expireSnapshots(lake.catalog, lakeTable, lake.tools, {
      olderThanMs: (await lake.head()).timestampMs + 1n,
    })
    // The fork is there, main's way to it is not.
    expect((await lake.load()).metadata.snapshots).toHaveLength(3)
    const active = await lake.active()
    await expect(lake.commit(publish(lake))).rejects.toThrow(/no longer in the target/)
    expect(await lake.active()).toEqual(active)
  })

  it('[C25] adds all of a branch that began on the empty table, and nothing of what main replaced', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [file(), file()]
    await lake.append([a], { branch: 'replay' })
    await lake.append([b])
    await lake.commit(publish(lake))
    expect(await lake.active()).toEqual(paths(a, b))

    // As CREATE OR REPLACE of other engines leaves it: main begins anew, without a parent.
    const other = await replayed()
    const { metadata } = await other.lake.load()
    const snapshot = await other.lake.head()
    const { parentSnapshotId: _, ...root } = { ...snapshot, snapshotId: 77n }
    await other.lake.catalog.commitTable({
      identifier: lakeTable,
      requirements: [],
      updates: [
        {
          action: 'add-snapshot',
          snapshot: { ...root, sequenceNumber: metadata.lastSequenceNumber + 1n },
        },
        {
          action: 'set-snapshot-ref',
          refName: 'main',
          ref: { type: 'branch', snapshotId: 77n },
        },
      ],
    })
    await expect(other.lake.commit(publish(other.lake))).rejects.toThrow(/no longer in the target/)
  })

  it('[C25] is not taken for done where one snapshot of the branch was cherry-picked', async () => {
    const { lake, b, c } = await replayed()
    const d = file()
    const { snapshotId } = await lake.head('replay')
    await lake.append([d], { summary: { 'source-snapshot-id': String(snapshotId) } })
    await lake.commit(publish(lake))
    expect(await lake.active()).toEqual(paths(b, c, d))
  })

  it('calls a branch that only compacted a replace', async () => {
    const lake = await openCatalogLake()
    const [a, b, d] = [file(), file(), file()]
    await lake.append([a, b])
    await lake.append([], { branch: 'other' })
    await lake.commit(
      new ManageRefs({ changes: [{ kind: 'create', type: 'branch', name: 'replay' }] }),
    )
    const added = file({ recordCount: 20n })
    const startingSnapshotId = (await lake.head('replay')).snapshotId
    const change = { startingSnapshotId, removed: [a, b], added: [added], branch: 'replay' }
    await lake.commit(new RewriteFiles(lake.tools, change))
    await lake.append([d])
    await lake.commit(publish(lake))
    expect((await lake.head()).summary).toMatchObject({ operation: 'replace' })
    expect(await lake.active()).toEqual(paths(added, d))
  })

  it('publishes the current head when the branch moved meanwhile', async () => {
    const { lake, b, c } = await replayed()
    const [d, e] = [file(), file()]
    await lake.append([d])
    const racing = withRival(lake.catalog, () => lake.append([e], { branch: 'replay' }))
    await lake.commit(publish(lake), racing)
    expect(await lake.active()).toEqual(paths(b, c, d, e))
  })

  it('stops when the branch was removed or moved under it', async () => {
    const { lake } = await replayed()
    await lake.append([file()])
    const remove = new ManageRefs({ changes: [{ kind: 'remove', name: 'replay' }] })
    const racing = withRival(lake.catalog, () => lake.commit(remove))
    await expect(lake.commit(publish(lake), racing)).rejects.toThrow(/no such branch/)
    expect(await lake.active()).toHaveLength(3)

    const other = await replayed()
    const e = file()
    const moving = withRival(other.lake.catalog, () => other.lake.append([e], { branch: 'replay' }))
    await other.lake.commit(publish(other.lake), moving)
    expect(await other.lake.active()).toEqual(paths(other.b, other.c, e))
  })

  it('says which branches there are when it is given none of them', async () => {
    const { lake } = await replayed()
    await expect(lake.commit(publish(lake, { from: 'nope' }))).rejects.toThrow(/refs=main,replay/)
  })
})
