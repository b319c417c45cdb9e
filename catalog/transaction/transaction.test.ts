import { describe, expect, it } from 'vitest'
import {
  type CatalogLake,
  lakeFile as file,
  lakeTable,
  openCatalogLake,
  withCommit,
  withRival,
} from '../../tests/support/catalog-lake.ts'
import { CommitFailedError, CommitStateUnknownError, ValidationError } from '../../common/index.ts'
import type { Catalog, Table, TableCommit } from '../catalog.ts'
import { findField } from '../format/schema.ts'
import { currentSchema, currentSnapshot } from '../format/table-metadata.ts'
import type { DataFile } from '../format/types.ts'
import { ConflictError } from './conflict-error.ts'
import { FastAppend } from './fast-append.ts'
import { Transaction } from './transaction.ts'
import { UpdateProperties } from './update-properties.ts'
import { stageSchema, UpdateSchema } from './update-schema.ts'

const addColumn = (name: string): UpdateSchema =>
  new UpdateSchema((schema) =>
    findField(schema, [name]) === undefined
      ? [{ kind: 'add-column', parent: [], name, type: { type: 'long' } }]
      : [],
  )

const append = (lake: CatalogLake, ...files: readonly DataFile[]): FastAppend =>
  new FastAppend(lake.tools, { files })

/** Notes what the table looked like to an action of its place in the transaction. */
function noteSeen(seen: string[], name: string): UpdateProperties {
  return new UpdateProperties(({ metadata }) => {
    const columns = currentSchema(metadata).fields.map((field) => field.name)
    const rows = currentSnapshot(metadata)?.summary?.['total-records'] ?? '0'
    seen.push(`${name}: ${columns.join(',')} ${rows} ${metadata.properties['step'] ?? ''}`.trim())
    return { updates: { step: name } }
  })
}

function begin(lake: CatalogLake, catalog: Catalog = lake.catalog): Transaction {
  return new Transaction(catalog, lakeTable, lake.tools)
}

describe('Transaction', () => {
  it('[C27] makes a schema, a snapshot and properties one version of the table', async () => {
    const lake = await openCatalogLake()
    const before = await lake.load()
    const commits: TableCommit[] = []
    const counting = withCommit(lake.catalog, (commit) => {
      commits.push(commit)
      return lake.catalog.commitTable(commit)
    })
    const mine = file()
    const table = await begin(lake, counting)
      .add(addColumn('extra'))
      .add(append(lake, mine))
      .add(new UpdateProperties({ updates: { a: '1' } }))
      .commit()
    expect(commits).toHaveLength(1)
    expect(commits[0]?.updates.map(({ action }) => action)).toEqual([
      'add-schema',
      'set-current-schema',
      'add-snapshot',
      'set-snapshot-ref',
      'set-properties',
    ])
    expect(table.metadata.metadataLog.map(({ metadataFile }) => metadataFile)).toEqual([
      before.metadataLocation,
    ])
    // The snapshot names the schema that came with it.
    expect(currentSnapshot(table.metadata)?.schemaId).toBe(1)
    expect(table.metadata.currentSchemaId).toBe(1)
    expect(table.metadata.properties['a']).toBe('1')
    expect(await lake.active()).toEqual([mine.filePath])
  })

  it('[C27] shows each action the table as the actions before it leave it', async () => {
    const lake = await openCatalogLake()
    const seen: string[] = []
    const table = await begin(lake)
      .add(noteSeen(seen, 'first'))
      .add(addColumn('extra'))
      .add(noteSeen(seen, 'second'))
      .add(append(lake, file()))
      .add(append(lake, file()))
      .add(noteSeen(seen, 'third'))
      .commit()
    expect(seen).toEqual([
      'first: id,country 0',
      'second: id,country,extra 0 first',
      'third: id,country,extra 20 second',
    ])
    expect(table.metadata.properties['step']).toBe('third')
    const [one, two] = table.metadata.snapshots
    expect(two).toMatchObject({ parentSnapshotId: one?.snapshotId, sequenceNumber: 2n })
    expect(table.metadata.snapshotLog.map(({ snapshotId }) => snapshotId)).toEqual([
      two?.snapshotId,
    ])
    expect(await lake.active()).toHaveLength(2)
  })

  it('[C27] states the requirements of every action once, on the table that it began at', async () => {
    const lake = await openCatalogLake()
    await lake.append([file()])
    const { metadata } = await lake.load()
    const commits: TableCommit[] = []
    const counting = withCommit(lake.catalog, (commit) => {
      commits.push(commit)
      return lake.catalog.commitTable(commit)
    })
    const transaction = begin(lake, counting)
    for (const name of ['x', 'y']) transaction.add(addColumn(name))
    for (let count = 0; count < 2; count++) transaction.add(append(lake, file()))
    await transaction.commit()
    expect(commits[0]?.requirements).toEqual([
      { type: 'assert-table-uuid', uuid: metadata.tableUuid },
      { type: 'assert-current-schema-id', currentSchemaId: 0 },
      { type: 'assert-last-assigned-field-id', lastAssignedFieldId: 2 },
      { type: 'assert-default-spec-id', defaultSpecId: 0 },
      { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: metadata.currentSnapshotId },
    ])
    expect((await lake.load()).metadata.lastColumnId).toBe(4)
  })

  it('[C27] applies all of its actions again after a lost race', async () => {
    const lake = await openCatalogLake()
    const seen: string[] = []
    const rival = (): Promise<Table> =>
      begin(lake).add(addColumn('theirs')).add(append(lake, file())).commit()
    const table = await begin(lake, withRival(lake.catalog, rival))
      .add(addColumn('mine'))
      .add(append(lake, file()))
      .add(noteSeen(seen, 'last'))
      .commit()
    expect(seen).toEqual(['last: id,country,mine 10', 'last: id,country,theirs,mine 20'])
    const ids = currentSchema(table.metadata).fields.map(({ name, id }) => [name, id])
    expect(Object.fromEntries(ids)).toMatchObject({ theirs: 3, mine: 4 })
    expect(await lake.active()).toHaveLength(2)
    // Two manifests and two lists: those of the lost attempt are deleted.
    expect((await lake.objects()).filter((path) => path.endsWith('.avro'))).toHaveLength(4)
  })

  it('[C27] changes nothing where one of its actions is refused', async () => {
    const lake = await openCatalogLake()
    const before = await lake.load()
    const refuse = new UpdateProperties(() => {
      throw new ValidationError('refused at last')
    })
    const objects = await lake.objects()
    await expect(
      begin(lake).add(addColumn('extra')).add(append(lake, file())).add(refuse).commit(),
    ).rejects.toThrow(/refused at last/)
    expect(await lake.load()).toEqual(before)
    expect(await lake.objects()).toEqual(objects)
  })

  it('[C27] is not done again where an attempt that looked lost had landed', async () => {
    const lake = await openCatalogLake()
    const liar = withCommit(lake.catalog, async (commit, attempt) => {
      const table = await lake.catalog.commitTable(commit)
      if (attempt === 1) throw new CommitFailedError('said lost, but landed')
      return table
    })
    const seen: string[] = []
    const table = await begin(lake, liar)
      .add(append(lake, file()))
      .add(noteSeen(seen, 'only'))
      .commit()
    expect(seen).toHaveLength(1)
    expect(table.metadata.snapshots).toHaveLength(1)
  })

  it('deletes nothing while the outcome is unknown', async () => {
    const lake = await openCatalogLake()
    const silent = withCommit(lake.catalog, async (commit) => {
      await lake.catalog.commitTable(commit)
      throw new CommitStateUnknownError('no answer')
    })
    const transaction = begin(lake, silent).add(addColumn('extra')).add(append(lake, file()))
    await expect(transaction.commit()).rejects.toThrow(/no answer/)
    expect(await lake.active()).toHaveLength(1)
    expect(currentSchema((await lake.load()).metadata).fields).toHaveLength(3)
  })

  it('commits nothing when none of its actions has anything left to do', async () => {
    const lake = await openCatalogLake()
    const before = await lake.load()
    const after = await begin(lake).add(addColumn('id')).add(new UpdateProperties({})).commit()
    expect(after.metadataLocation).toBe(before.metadataLocation)
  })

  it('prepares an action again that calls its work stale, and keeps what the others prepared', async () => {
    const lake = await openCatalogLake()
    const prepared: string[] = []
    const action = (name: string, staleUntil: number) => ({
      prepare: () => Promise.resolve(prepared.push(name)),
      commit: () =>
        Promise.resolve(
          prepared.filter((one) => one === name).length < staleUntil
            ? ('stale' as const)
            : { requirements: [], updates: [] },
        ),
    })
    await begin(lake).add(action('a', 1)).add(action('b', 3)).commit()
    expect(prepared).toEqual(['a', 'b', 'b', 'b'])
  })
})

describe('writtenSchema', () => {
  it('[C27] refuses files whose new column has another id on the newest table', async () => {
    const lake = await openCatalogLake()
    const changes = [
      { kind: 'add-column', parent: [], name: 'mine', type: { type: 'long' } },
    ] as const
    const { metadata } = stageSchema(await lake.load(), changes, lake.clock)
    const files = [file()]
    const written = (): Transaction => begin(lake).add(new UpdateSchema(changes))
    const withFiles = (): FastAppend =>
      new FastAppend(lake.tools, { files, writtenSchema: currentSchema(metadata) })
    await begin(lake).add(addColumn('theirs')).commit()
    await expect(written().add(withFiles()).commit()).rejects.toThrow(ConflictError)
    expect((await lake.load()).metadata.snapshots).toEqual([])
    expect(currentSchema((await lake.load()).metadata).fields).toHaveLength(3)
  })

  it('takes files where another writer has made the same column', async () => {
    const lake = await openCatalogLake()
    const changes = (): UpdateSchema => addColumn('same')
    const table = await lake.load()
    const { metadata } = stageSchema(
      table,
      [{ kind: 'add-column', parent: [], name: 'same', type: { type: 'long' } }],
      lake.clock,
    )
    const writtenSchema = currentSchema(metadata)
    const rival = (): Promise<Table> => begin(lake).add(changes()).commit()
    await begin(lake, withRival(lake.catalog, rival))
      .add(changes())
      .add(new FastAppend(lake.tools, { files: [file()], writtenSchema }))
      .commit()
    expect(await lake.active()).toHaveLength(1)
    expect((await lake.load()).metadata.schemas).toHaveLength(2)
  })
})
