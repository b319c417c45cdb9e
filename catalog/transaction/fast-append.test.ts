import { describe, expect, it } from 'vitest'
import { withCommit } from '../../tests/support/catalog-lake.ts'
import {
  CommitFailedError,
  CommitStateUnknownError,
  seededRandom,
  ValidationError,
  type Clock,
} from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import type { Catalog, Table } from '../catalog.ts'
import { ManifestCache } from '../manifest/manifest-cache.ts'
import { readManifestEntries, readSnapshotManifests } from '../manifest/snapshot-manifests.ts'
import { parsePartitionBy } from '../format/partition-by.ts'
import { currentSnapshot } from '../format/table-metadata.ts'
import type { DataFile, ManifestEntry, ManifestFile, Schema } from '../format/types.ts'
import { ObjectStoreCatalog } from '../stores/object-store-catalog.ts'
import { commitAction } from './transaction.ts'
import { FastAppend, type FastAppendOptions } from './fast-append.ts'

const identifier = { namespace: ['db'], name: 't' }
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'id', required: true, type: { type: 'long' } },
    { id: 2, name: 'country', required: false, type: { type: 'string' } },
  ],
}

/** Time stands still unless slept through. */
function stillClock(): Clock {
  let now = 1_700_000_000_000
  return {
    now: () => now,
    monotonic: () => now,
    sleep: (ms) => {
      now += ms
      return Promise.resolve()
    },
  }
}

interface Lake {
  readonly io: MemoryFileIO
  readonly catalog: Catalog
  readonly clock: Clock
  append(options: Partial<FastAppendOptions>, catalog?: Catalog): Promise<Table>
  manifests(table: Table): Promise<readonly ManifestFile[]>
  entries(table: Table): Promise<readonly ManifestEntry[]>
  avroFiles(): Promise<readonly string[]>
}

async function openLake(properties: Readonly<Record<string, string>> = {}): Promise<Lake> {
  const clock = stillClock()
  const random = seededRandom(42)
  const io = new MemoryFileIO({ clock })
  const cache = new ManifestCache()
  const catalog = new ObjectStoreCatalog({ io, warehouse: 'memory://w/lake', clock, random })
  await catalog.createNamespace(['db'])
  await catalog.createTable({
    identifier,
    schema,
    partitionSpec: parsePartitionBy(['country'], schema),
    properties,
  })
  const lake: Lake = {
    io,
    catalog,
    clock,
    append: (options, through = catalog) =>
      commitAction(
        through,
        identifier,
        new FastAppend({ io, clock, random, cache }, { files: [], ...options }),
        { clock, random },
      ),
    manifests: async (table) => {
      const snapshot = currentSnapshot(table.metadata)
      return snapshot === undefined ? [] : readSnapshotManifests({ io, cache }, snapshot)
    },
    entries: async (table) => {
      const manifests = await lake.manifests(table)
      const read = manifests.map((one) => readManifestEntries({ io, cache }, table.metadata, one))
      return (await Promise.all(read)).flat()
    },
    avroFiles: async () => {
      const found: string[] = []
      for await (const { location } of io.list('memory://w/lake/db/t/')) {
        if (location.endsWith('.avro')) found.push(location)
      }
      return found
    },
  }
  return lake
}

let fileNumber = 0
const file = (over: Partial<DataFile> = {}): DataFile => ({
  content: 'data',
  filePath: `memory://w/lake/db/t/data/${fileNumber++}.parquet`,
  fileFormat: 'PARQUET',
  specId: 0,
  partition: ['at'],
  recordCount: 10n,
  fileSizeInBytes: 100n,
  ...over,
})

describe('FastAppend', () => {
  it('[F4] adds a snapshot with a sequence number above all before and totals carried forward', async () => {
    const lake = await openLake()
    const first = await lake.append({ files: [file(), file({ partition: [null] })] })
    expect(currentSnapshot(first.metadata)).toMatchObject({
      sequenceNumber: 1n,
      schemaId: 0,
      summary: {
        operation: 'append',
        'added-data-files': '2',
        'added-records': '20',
        'added-files-size': '200',
        'changed-partition-count': '2',
        'total-records': '20',
        'total-data-files': '2',
        'total-files-size': '200',
        'total-delete-files': '0',
        'total-position-deletes': '0',
        'total-equality-deletes': '0',
      },
    })
    const second = await lake.append({ files: [file()], summary: { 'tidewater.stream': 's' } })
    const snapshot = currentSnapshot(second.metadata)
    expect(snapshot).toMatchObject({
      sequenceNumber: 2n,
      parentSnapshotId: currentSnapshot(first.metadata)?.snapshotId,
      summary: { 'total-records': '30', 'added-records': '10', 'tidewater.stream': 's' },
    })
    const entries = await lake.entries(second)
    expect(entries.map((entry) => entry.sequenceNumber)).toEqual([2n, 1n, 1n])
  })

  it('commits no files but properties and summary entries in one snapshot', async () => {
    const lake = await openLake()
    await lake.append({ files: [file()] })
    const table = await lake.append({
      summary: { 'tidewater.offsets': '{}' },
      extraUpdates: () => [
        { action: 'set-properties', updates: { 'tidewater.offsets.main': '7' } },
      ],
    })
    expect(table.metadata.properties['tidewater.offsets.main']).toBe('7')
    const summary = currentSnapshot(table.metadata)?.summary
    expect(summary).toMatchObject({ 'total-records': '10', 'tidewater.offsets': '{}' })
    expect(summary).not.toHaveProperty('added-records')
    expect(await lake.entries(table)).toHaveLength(1)
  })

  it('[F15] rewrites only the manifest list after a lost race, and leaves no garbage', async () => {
    const lake = await openLake()
    const mine = file()
    const rival = file()
    const checked: bigint[] = []
    const racing = withCommit(lake.catalog, async (commit, attempt) => {
      if (attempt === 1) await lake.append({ files: [rival] })
      return lake.catalog.commitTable(commit)
    })
    const table = await lake.append(
      { files: [mine], check: (base) => void checked.push(base.metadata.lastSequenceNumber) },
      racing,
    )
    expect(checked).toEqual([0n, 1n])
    const entries = await lake.entries(table)
    expect(entries.map((entry) => [entry.dataFile.filePath, entry.sequenceNumber])).toEqual([
      [mine.filePath, 2n],
      [rival.filePath, 1n],
    ])
    expect(currentSnapshot(table.metadata)?.summary?.['total-records']).toBe('20')
    // Two manifests and two lists; the list of the lost attempt is deleted.
    expect(await lake.avroFiles()).toHaveLength(4)
  })

  it('does not add its rows again when an attempt that looked lost had landed', async () => {
    const lake = await openLake()
    const liar = withCommit(lake.catalog, async (commit, attempt) => {
      const table = await lake.catalog.commitTable(commit)
      if (attempt === 1) throw new CommitFailedError('said lost, but landed')
      return table
    })
    const table = await lake.append({ files: [file()] }, liar)
    expect(table.metadata.snapshots).toHaveLength(1)
    expect(await lake.entries(table)).toHaveLength(1)
  })

  it('deletes nothing while the outcome is unknown', async () => {
    const lake = await openLake()
    const silent = withCommit(lake.catalog, async (commit) => {
      await lake.catalog.commitTable(commit)
      throw new CommitStateUnknownError('no answer')
    })
    await expect(lake.append({ files: [file()] }, silent)).rejects.toThrow(/no answer/)
    expect(await lake.avroFiles()).toHaveLength(2)
    expect(await lake.entries(await lake.catalog.loadTable(identifier))).toHaveLength(1)
  })

  it('deletes what it made when the base is refused for good', async () => {
    const lake = await openLake()
    const refuse = (): never => {
      throw new ValidationError('another worker committed this range')
    }
    await expect(lake.append({ files: [file()], check: refuse })).rejects.toThrow(/this range/)
    expect(await lake.avroFiles()).toEqual([])
  })

  it('gives up after commit.retry.num-retries and cleans up', async () => {
    const lake = await openLake({ 'commit.retry.num-retries': '2' })
    let attempts = 0
    const losing = withCommit(lake.catalog, () => {
      attempts++
      throw new CommitFailedError('lost')
    })
    await expect(lake.append({ files: [file()] }, losing)).rejects.toThrow(/lost/)
    expect(attempts).toBe(3)
    expect(await lake.avroFiles()).toEqual([])
  })

  it('refuses to go on with a table that was dropped and made anew', async () => {
    const lake = await openLake()
    const swapping = withCommit(lake.catalog, async () => {
      await lake.catalog.dropTable(identifier)
      await lake.catalog.createTable({ identifier, schema })
      throw new CommitFailedError('lost')
    })
    await expect(lake.append({ files: [file()] }, swapping)).rejects.toThrow(/dropped and created/)
  })

  it('[F19] refuses a path twice in one commit, and one that is already active', async () => {
    const lake = await openLake()
    const one = file()
    await expect(async () => lake.append({ files: [one, one] })).rejects.toThrow(/added twice/)
    await lake.append({ files: [one] })
    await expect(lake.append({ files: [one] })).rejects.toThrow(/already active/)
  })

  it('appends to a branch that begins at main and leaves main alone', async () => {
    const lake = await openLake()
    const main = await lake.append({ files: [file()] })
    const table = await lake.append({ files: [file()], branch: 'audit' })
    expect(table.metadata.currentSnapshotId).toBe(main.metadata.currentSnapshotId)
    const branch = table.metadata.refs['audit']?.snapshotId
    const snapshot = table.metadata.snapshots.find(({ snapshotId }) => snapshotId === branch)
    expect(snapshot).toMatchObject({
      parentSnapshotId: main.metadata.currentSnapshotId,
      sequenceNumber: 2n,
      summary: { 'total-records': '20' },
    })
  })

  it('refuses summary entries that are computed, unknown specs and delete files', async () => {
    const lake = await openLake()
    await expect(lake.append({ summary: { 'total-records': '1' } })).rejects.toThrow(/computed/)
    await expect(lake.append({ files: [file({ specId: 9 })] })).rejects.toThrow(/does not have/)
    await expect(async () =>
      lake.append({ files: [file({ content: 'equality-deletes' })] }),
    ).rejects.toThrow(/data files only/)
  })

  it('[F15] merges small manifests and keeps ids and sequence numbers of their entries', async () => {
    const lake = await openLake({ 'commit.manifest.min-count-to-merge': '5' })
    const before = new Map<string, readonly unknown[]>()
    let table = await lake.append({ files: [file()] })
    for (let commit = 2; commit <= 6; commit++) {
      for (const { dataFile, snapshotId, sequenceNumber } of await lake.entries(table)) {
        before.set(dataFile.filePath, [snapshotId, sequenceNumber])
      }
      table = await lake.append({ files: [file()] })
    }
    const manifests = await lake.manifests(table)
    expect(manifests).toHaveLength(2)
    expect(manifests[1]).toMatchObject({
      existingFilesCount: 5,
      existingRowsCount: 50n,
      addedFilesCount: 0,
      addedSnapshotId: table.metadata.currentSnapshotId,
      sequenceNumber: 6n,
      minSequenceNumber: 1n,
    })
    const entries = await lake.entries(table)
    expect(entries).toHaveLength(6)
    for (const entry of entries.slice(1)) {
      expect([entry.snapshotId, entry.sequenceNumber]).toEqual(before.get(entry.dataFile.filePath))
      expect(entry.fileSequenceNumber).toBe(entry.sequenceNumber)
      expect(entry.status).toBe('existing')
    }
    expect(currentSnapshot(table.metadata)?.summary).toMatchObject({
      'total-data-files': '6',
      'added-data-files': '1',
    })
  })
})
