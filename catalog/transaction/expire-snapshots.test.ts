import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CatalogLake,
  lakeFile as file,
  lakeTable,
  openCatalogLake,
  withCommit,
  withRival,
} from '../../tests/support/catalog-lake.ts'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { CommitStateUnknownError } from '../../common/index.ts'
import type { Catalog } from '../catalog.ts'
import { listReachableFiles } from '../manifest/reachable-files.ts'
import { positionDeleteFile } from '../data-files/position-deletes.ts'
import type { DataFile, TableMetadata } from '../format/types.ts'
import {
  type ExpireSnapshotsOptions,
  expireSnapshots,
  type ExpiryResult,
} from './expire-snapshots.ts'
import { ManageRefs } from './manage-refs.ts'
import { type ExpiryOptions, planExpiry } from './plan-expiry.ts'
import { RewriteFiles } from './rewrite-files.ts'
import { RowDelta } from './row-delta.ts'

const dayMs = 86_400_000
const all: ExpireSnapshotsOptions = { olderThanMs: 1n << 60n }

const expire = (
  lake: CatalogLake,
  options: ExpireSnapshotsOptions = all,
  through: Catalog = lake.catalog,
): Promise<ExpiryResult> => expireSnapshots(through, lakeTable, lake.tools, options)

/** A real object under the data file's name, so that its deletion can be seen. */
async function stored(lake: CatalogLake, over: Partial<DataFile> = {}): Promise<DataFile> {
  const made = file(over)
  await lake.io.write(made.filePath, new Uint8Array([1]))
  return made
}

async function compact(lake: CatalogLake, removed: readonly DataFile[]): Promise<DataFile> {
  const recordCount = removed.reduce((sum, one) => sum + one.recordCount, 0n)
  const added = await stored(lake, { recordCount })
  const startingSnapshotId = (await lake.head()).snapshotId
  await lake.commit(new RewriteFiles(lake.tools, { startingSnapshotId, removed, added: [added] }))
  return added
}

const exists = async (lake: CatalogLake, { filePath }: DataFile): Promise<boolean> =>
  (await lake.objects()).includes(filePath)

/** Nothing that the table needs is missing, nothing else lies around but old metadata files. */
async function expectTidy(lake: CatalogLake): Promise<void> {
  const reachable = await listReachableFiles(lake.tools, await lake.load())
  const objects = await lake.objects()
  expect([...reachable].filter((path) => !objects.includes(path))).toEqual([])
  expect(objects.filter((path) => !reachable.has(path))).toEqual([])
}

describe('planExpiry()', () => {
  const plan = async (
    lake: CatalogLake,
    options: ExpiryOptions = {},
    metadata?: TableMetadata,
  ): Promise<readonly (number | string)[]> => {
    const known = metadata ?? (await lake.load()).metadata
    const { snapshotIds, refs } = planExpiry(known, BigInt(lake.clock.now()), options)
    const order = known.snapshots.map((one) => one.snapshotId)
    return [...snapshotIds.map((id) => order.indexOf(id)), ...refs]
  }
  const daily = async (
    days: number,
    properties: Readonly<Record<string, string>> = {},
  ): Promise<CatalogLake> => {
    const lake = await openCatalogLake(properties)
    for (let day = 0; day < days; day++) {
      await lake.append([file()])
      lake.clock.advance(dayMs)
    }
    return lake
  }

  it('[F12] keeps five days and never less than one snapshot', async () => {
    const lake = await daily(8)
    expect(await plan(lake)).toEqual([0, 1, 2])
    lake.clock.advance(90 * dayMs)
    expect(await plan(lake)).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(await plan(lake, { retainLast: 3 })).toEqual([0, 1, 2, 3, 4])
    expect(await plan(lake, { snapshotsMax: 2 })).toEqual([0, 1])
    await expect(plan(lake, { retainLast: 0 })).rejects.toThrow(/at least one/)
  })

  it('[F12] obeys history.expire.* and gc.enabled', async () => {
    const lake = await daily(6, {
      'history.expire.max-snapshot-age-ms': String(2 * dayMs),
      'history.expire.min-snapshots-to-keep': '3',
    })
    expect(await plan(lake)).toEqual([0, 1, 2])
    expect(await plan(lake, { retainLast: 1 })).toEqual([0, 1, 2, 3])
    const off = await daily(1, { 'gc.enabled': 'false' })
    await expect(plan(off)).rejects.toThrow(/gc.enabled/)
    const wrong = await daily(1, { 'history.expire.max-snapshot-age-ms': '5d' })
    await expect(plan(wrong)).rejects.toThrow(/max-snapshot-age-ms/)
  })

  it('[F12] lets tags pin their snapshot and branches have numbers of their own', async () => {
    const lake = await daily(3)
    const [first, second] = (await lake.load()).metadata.snapshots
    await lake.commit(
      new ManageRefs({
        changes: [
          { kind: 'create', type: 'tag', name: 'v1', snapshotId: first?.snapshotId ?? 0n },
          {
            kind: 'create',
            type: 'branch',
            name: 'audit',
            snapshotId: second?.snapshotId ?? 0n,
            retention: { maxRefAgeMs: BigInt(10 * dayMs) },
          },
        ],
      }),
    )
    await lake.append([file()], { branch: 'audit' })
    expect(await plan(lake, all)).toEqual([1])
    lake.clock.advance(11 * dayMs)
    expect(await plan(lake, all)).toEqual([1, 3, 'audit'])
    const long = (await lake.load()).metadata
    const audit = { ...long.refs['audit'], type: 'branch', snapshotId: 0n } as const
    const snapshotId = long.refs['audit']?.snapshotId ?? 0n
    const refs = {
      ...long.refs,
      audit: { ...audit, snapshotId, minSnapshotsToKeep: 2, maxRefAgeMs: BigInt(90 * dayMs) },
    }
    expect(await plan(lake, all, { ...long, refs })).toEqual([])
  })

  it('[F12] never ends main, whatever history.expire.max-ref-age-ms says', async () => {
    const lake = await daily(2, { 'history.expire.max-ref-age-ms': '1' })
    await lake.commit(new ManageRefs({ changes: [{ kind: 'create', type: 'tag', name: 'v1' }] }))
    expect(await plan(lake, all)).toEqual([0, 'v1'])
  })

  it('[F12] takes exactly the snapshots it is told, unless a ref names one', async () => {
    const lake = await daily(4)
    lake.clock.advance(90 * dayMs)
    const ids = (await lake.load()).metadata.snapshots.map((one) => one.snapshotId)
    expect(await plan(lake, { snapshotIds: [ids[1] ?? 0n, 12345n] })).toEqual([1])
    const head = plan(lake, { snapshotIds: [ids[3] ?? 0n] })
    await expect(head).rejects.toThrow(/ref=main/)
  })

  it('[F12] keeps what no ref reaches for as long as anything else', async () => {
    const lake = await daily(3)
    const first = (await lake.load()).metadata.snapshots[0]?.snapshotId ?? 0n
    await lake.commit(
      new ManageRefs({ changes: [{ kind: 'rollback', name: 'main', snapshotId: first }] }),
    )
    expect(await plan(lake)).toEqual([])
    lake.clock.advance(4 * dayMs)
    expect(await plan(lake)).toEqual([1])
  })
})

describe('expireSnapshots()', () => {
  it('[C24] deletes what only expired snapshots reach, and nothing else', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [await stored(lake), await stored(lake)]
    await lake.append([a])
    await lake.append([b])
    const merged = await compact(lake, [a, b])
    const foreign = file({ filePath: 'memory://w/elsewhere/x.parquet' })
    await lake.io.write(foreign.filePath, new Uint8Array([1]))
    const dry = await expire(lake, { ...all, dryRun: true })
    expect(dry.unreachable.files.toSorted()).toEqual([a.filePath, b.filePath].sort())
    expect(await exists(lake, a)).toBe(true)
    expect((await lake.load()).metadata.snapshots).toHaveLength(3)

    const { table, snapshotIds, unreachable } = await expire(lake)
    expect(unreachable).toEqual(dry.unreachable)
    expect(snapshotIds).toHaveLength(2)
    expect(table.metadata.snapshots).toHaveLength(1)
    expect([await exists(lake, a), await exists(lake, b)]).toEqual([false, false])
    expect(await exists(lake, merged)).toBe(true)
    await expectTidy(lake)
    expect(await lake.active()).toEqual([merged.filePath])
    const again = await expire(lake)
    expect(again.snapshotIds).toEqual([])
    expect(again.table.metadataLocation).toBe(table.metadataLocation)
  })

  it('[C24] tells deleted delete files from data files', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [await stored(lake), await stored(lake)]
    await lake.append([a, b])
    const referencedFiles = [a.filePath]
    const deletes = positionDeleteFile({
      filePath: 'memory://w/lake/db/t/data/deletes.parquet',
      fileSizeInBytes: 50n,
      specId: 0,
      partition: ['at'],
      recordCount: 1n,
      referencedFiles,
      posMin: 0n,
      posMax: 0n,
    })
    const changes = [{ deletes: [{ file: deletes, referencedFiles }] }, { removed: [a] }]
    for (const change of changes) {
      const baseSnapshotId = (await lake.head()).snapshotId
      await lake.commit(new RowDelta(lake.tools, { changes: { baseSnapshotId, ...change } }))
    }
    const { unreachable } = await expire(lake)
    expect(unreachable.files.toSorted()).toEqual([a.filePath, deletes.filePath].sort())
    expect(unreachable.positionDeletes).toEqual([deletes.filePath])
    expect(unreachable.equalityDeletes).toEqual([])
  })

  it('[C24] keeps what a branch or a tag still reaches', async () => {
    const lake = await openCatalogLake()
    const [a, b] = [await stored(lake), await stored(lake)]
    await lake.append([a])
    await lake.commit(new ManageRefs({ changes: [{ kind: 'create', type: 'tag', name: 'v1' }] }))
    await lake.append([b], { branch: 'audit' })
    await compact(lake, [a])
    await expire(lake)
    expect(await lake.active('v1')).toEqual([a.filePath])
    expect(await lake.active('audit')).toEqual([a.filePath, b.filePath])
    await expectTidy(lake)
    await lake.commit(
      new ManageRefs({
        changes: [
          { kind: 'remove', name: 'v1' },
          { kind: 'remove', name: 'audit' },
        ],
      }),
    )
    await expire(lake)
    expect([await exists(lake, a), await exists(lake, b)]).toEqual([false, false])
    await expectTidy(lake)
  })

  it('[C24] keeps a file that was taken out and added again under another manifest', async () => {
    const lake = await openCatalogLake()
    const a = await stored(lake)
    const first = (await lake.append([a])).metadata.currentSnapshotId ?? 0n
    const merged = await compact(lake, [a])
    const startingSnapshotId = (await lake.head()).snapshotId
    const back = { startingSnapshotId, removed: [merged], added: [a] }
    await lake.commit(new RewriteFiles(lake.tools, back))
    const { unreachable } = await expire(lake)
    expect(unreachable.files).toEqual([merged.filePath])
    expect(await exists(lake, a)).toBe(true)
    expect((await lake.load()).metadata.snapshots.some((one) => one.snapshotId === first)).toBe(
      false,
    )
  })

  it('[C24] never deletes outside the table, and statistics only with their snapshot', async () => {
    const lake = await openCatalogLake()
    const outside = file({ filePath: 'memory://w/lake/db/t2/data/x.parquet' })
    await lake.io.write(outside.filePath, new Uint8Array([1]))
    const { metadata } = await lake.append([outside])
    const path = `${metadata.location}/metadata/s.stats`
    await lake.io.write(path, new Uint8Array([1]))
    await lake.catalog.commitTable({
      identifier: lakeTable,
      requirements: [],
      updates: [
        {
          action: 'set-statistics',
          statistics: {
            'snapshot-id': metadata.currentSnapshotId ?? 0n,
            'statistics-path': path,
          },
        },
      ],
    })
    await compact(lake, [outside])
    const { unreachable } = await expire(lake)
    expect(unreachable).toMatchObject({ files: [], statistics: [path] })
    expect(await lake.io.read(outside.filePath)).toHaveLength(1)
    expect(await lake.objects()).not.toContain(path)
  })

  it('[C24] deletes nothing while the outcome is unknown', async () => {
    const lake = await openCatalogLake()
    const a = await stored(lake)
    await lake.append([a])
    await compact(lake, [a])
    const silent = withCommit(lake.catalog, async (commit) => {
      await lake.catalog.commitTable(commit)
      throw new CommitStateUnknownError('no answer')
    })
    await expect(expire(lake, all, silent)).rejects.toThrow(/no answer/)
    expect(await exists(lake, a)).toBe(true)
  })

  it('[C23] spares a snapshot that was tagged while the expiry was planned', async () => {
    const lake = await openCatalogLake()
    const a = await stored(lake)
    const first = (await lake.append([a])).metadata.currentSnapshotId ?? 0n
    await compact(lake, [a])
    const tag = { kind: 'create', type: 'tag', name: 'v1', snapshotId: first } as const
    const racing = withRival(lake.catalog, () => lake.commit(new ManageRefs({ changes: [tag] })))
    const { snapshotIds } = await expire(lake, all, racing)
    expect(snapshotIds).toEqual([])
    expect(await lake.active('v1')).toEqual([a.filePath])
    await expectTidy(lake)
  })

  it('goes on when files of expired snapshots are gone already', async () => {
    const lake = await openCatalogLake()
    const a = await stored(lake)
    await lake.append([a])
    const list = (await lake.head()).manifestList ?? ''
    await compact(lake, [a])
    await lake.io.delete([list])
    const { snapshotIds } = await expire(lake)
    expect(snapshotIds).toHaveLength(1)
  })

  it('costs a slow writer a round, not its commit, when the state it read has expired', async () => {
    const lake = await openCatalogLake()
    const [a, b, c] = [await stored(lake), await stored(lake), await stored(lake)]
    await lake.append([a])
    let checks = 0
    const check = async (): Promise<void> => {
      if (++checks > 1) return
      await lake.append([b])
      await expire(lake)
    }
    await lake.append([c], { check })
    expect(checks).toBe(2)
    expect(await lake.active()).toEqual([a.filePath, b.filePath, c.filePath])
  })

  it('[C24] leaves any history whole, whatever is expired in it', async () => {
    const step = fc.record({
      kind: fc.constantFrom('append', 'append', 'compact', 'branch', 'tag', 'drop', 'expire'),
      pick: fc.nat(20),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const lake = await openCatalogLake({ 'commit.manifest.min-count-to-merge': '3' })
        const files = new Map<string, DataFile>()
        const made = async (): Promise<DataFile> => {
          const one = await stored(lake)
          files.set(one.filePath, one)
          return one
        }
        await lake.append([await made()])
        for (const { kind, pick } of steps) {
          if (kind === 'append') await lake.append([await made()])
          if (kind === 'branch') await lake.append([await made()], { branch: `b${pick % 2}` })
          if (kind === 'compact') {
            const active = await lake.active()
            const chosen = active.slice(0, 1 + (pick % 3)).flatMap((path) => files.get(path) ?? [])
            const merged = await compact(lake, chosen)
            files.set(merged.filePath, merged)
          }
          if (kind === 'tag' || kind === 'drop') {
            const { snapshots, refs } = (await lake.load()).metadata
            const snapshotId = snapshots[pick % snapshots.length]?.snapshotId ?? 0n
            const name = `t${pick % 3}`
            if (kind === 'drop' && refs[name] !== undefined) {
              await lake.commit(new ManageRefs({ changes: [{ kind: 'remove', name }] }))
            } else if (kind === 'tag' && refs[name] === undefined) {
              const tag = { kind: 'create', type: 'tag', name, snapshotId } as const
              await lake.commit(new ManageRefs({ changes: [tag] }))
            }
          }
          if (kind === 'expire') await expire(lake, { ...all, snapshotsMax: 1 + (pick % 5) })
          const objects = await lake.objects()
          const reachable = await listReachableFiles(lake.tools, await lake.load())
          expect([...reachable].filter((path) => !objects.includes(path))).toEqual([])
        }
        await expire(lake)
        await expectTidy(lake)
      }),
      { numRuns: 15 * fuzzEffort },
    )
  })
})
