/**
 * What every `Catalog` must do, whatever it is made of; run over each implementation.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Schema, Snapshot } from '../../catalog/format/index.ts'
import type {
  Catalog,
  CreateTableRequest,
  Table,
  TableCommit,
  TableUpdate,
} from '../../catalog/index.ts'
import {
  AlreadyExistsError,
  CommitFailedError,
  NotFoundError,
  ValidationError,
} from '../../common/index.ts'

export interface CatalogUnderTest {
  readonly catalog: Catalog
  readonly warehouse: string
  close(): Promise<void>
}

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 41, name: 'id', required: true, type: { type: 'long' } },
    { id: 42, name: 'ts', required: false, type: { type: 'timestamptz' } },
    {
      id: 43,
      name: 'tags',
      required: false,
      type: { type: 'list', elementId: 44, elementRequired: false, element: { type: 'string' } },
    },
  ],
}

export function describeCatalog(name: string, make: () => Promise<CatalogUnderTest>): void {
  describe(`Catalog over ${name}`, () => {
    let made: CatalogUnderTest
    let catalog: Catalog
    let counter = 0
    beforeAll(async () => {
      made = await make()
      catalog = made.catalog
    })
    afterAll(() => made.close())

    /** A namespace of its own for each test. */
    const freshNamespace = async (): Promise<readonly string[]> => {
      const namespace = [`ns${++counter}`]
      await catalog.createNamespace(namespace)
      return namespace
    }
    const request = (
      namespace: readonly string[],
      table = 'orders',
      rest: Partial<CreateTableRequest> = {},
    ): CreateTableRequest => ({ identifier: { namespace, name: table }, schema, ...rest })

    describeNamespaces(() => catalog, freshNamespace, request)
    describeTables(() => made, freshNamespace, request)
    describeCommits(() => catalog, freshNamespace, request)
  })
}

type Request = (
  namespace: readonly string[],
  table?: string,
  rest?: Partial<CreateTableRequest>,
) => CreateTableRequest
type FreshNamespace = () => Promise<readonly string[]>

function describeNamespaces(
  catalogOf: () => Catalog,
  freshNamespace: FreshNamespace,
  request: Request,
): void {
  test('createNamespace() makes a namespace that is listed and loaded', async () => {
    const catalog = catalogOf()
    await catalog.createNamespace(['listed'], { owner: 'data team', größe: 'ß' })
    expect(await catalog.listNamespaces()).toContainEqual(['listed'])
    expect(await catalog.loadNamespace(['listed'])).toEqual({ owner: 'data team', größe: 'ß' })
  })

  test('createNamespace() refuses an existing one', async () => {
    const namespace = await freshNamespace()
    await expect(catalogOf().createNamespace(namespace)).rejects.toThrow(AlreadyExistsError)
  })

  test('namespaces of several levels are listed below their parent only', async () => {
    const catalog = catalogOf()
    const [top = ''] = await freshNamespace()
    await catalog.createNamespace([top, 'sales.eu'])
    await catalog.createNamespace([top, 'sales', 'eu'])
    expect(await catalog.listNamespaces([top])).toEqual([
      [top, 'sales'],
      [top, 'sales.eu'],
    ])
    expect(await catalog.listNamespaces([top, 'sales'])).toEqual([[top, 'sales', 'eu']])
    expect(await catalog.listNamespaces()).not.toContainEqual([top, 'sales'])
    await expect(catalog.listNamespaces(['absent'])).rejects.toThrow(NotFoundError)
  })

  test('updateNamespaceProperties() sets and removes, and nothing else', async () => {
    const catalog = catalogOf()
    const namespace = await freshNamespace()
    await catalog.updateNamespaceProperties(namespace, {
      updates: { a: '1', b: '2' },
      removals: [],
    })
    await catalog.updateNamespaceProperties(namespace, { updates: { c: '3' }, removals: ['a'] })
    expect(await catalog.loadNamespace(namespace)).toEqual({ b: '2', c: '3' })
    await expect(
      catalog.updateNamespaceProperties(['absent'], { updates: {}, removals: [] }),
    ).rejects.toThrow(NotFoundError)
  })

  test('dropNamespace() refuses one that holds tables, and frees the name of an empty one', async () => {
    const catalog = catalogOf()
    const namespace = await freshNamespace()
    await catalog.createTable(request(namespace))
    await expect(catalog.dropNamespace(namespace)).rejects.toThrow(/not empty/)
    await catalog.dropTable(request(namespace).identifier)
    await catalog.dropNamespace(namespace)
    await expect(catalog.loadNamespace(namespace)).rejects.toThrow(NotFoundError)
    await expect(catalog.dropNamespace(namespace)).rejects.toThrow(NotFoundError)
    expect(await catalog.listNamespaces()).not.toContainEqual(namespace)
    await catalog.createNamespace(namespace, { second: 'life' })
    expect(await catalog.loadNamespace(namespace)).toEqual({ second: 'life' })
  })

  test('dropNamespace() refuses one that holds namespaces', async () => {
    const catalog = catalogOf()
    const [top = ''] = await freshNamespace()
    await catalog.createNamespace([top, 'inner'])
    await expect(catalog.dropNamespace([top])).rejects.toThrow(/not empty/)
  })
}

function describeTables(
  madeOf: () => CatalogUnderTest,
  freshNamespace: FreshNamespace,
  request: Request,
): void {
  test('createTable() gives fresh ids from 1 and partition field ids from 1000', async () => {
    const { catalog } = madeOf()
    const namespace = await freshNamespace()
    const table = await catalog.createTable(
      request(namespace, 'orders', {
        partitionSpec: {
          specId: 7,
          fields: [{ sourceId: 42, fieldId: 3, name: 'ts_day', transform: { kind: 'day' } }],
        },
        sortOrder: {
          orderId: 9,
          fields: [
            {
              sourceId: 41,
              transform: { kind: 'identity' },
              direction: 'asc',
              nullOrder: 'nulls-last',
            },
          ],
        },
        properties: { owner: 'me' },
      }),
    )
    const { metadata } = table
    expect(metadata.formatVersion).toBe(2)
    expect(metadata.schemas[0]?.fields.map((field) => field.id)).toEqual([1, 2, 3])
    expect(metadata.lastColumnId).toBe(4)
    expect(metadata.partitionSpecs).toEqual([
      {
        specId: 0,
        fields: [{ sourceId: 2, fieldId: 1000, name: 'ts_day', transform: { kind: 'day' } }],
      },
    ])
    expect(metadata.lastPartitionId).toBe(1000)
    expect(metadata.sortOrders.map((order) => order.orderId)).toEqual([0, 1])
    expect(metadata.defaultSortOrderId).toBe(1)
    expect(metadata.properties).toMatchObject({ owner: 'me' })
    expect(metadata.currentSnapshotId).toBeUndefined()
    expect(await catalog.loadTable(table.identifier)).toEqual(table)
  })

  test('[C20] createTable() refuses an existing name, a missing namespace and hostile names', async () => {
    const { catalog } = madeOf()
    const namespace = await freshNamespace()
    await catalog.createTable(request(namespace))
    await expect(catalog.createTable(request(namespace))).rejects.toThrow(AlreadyExistsError)
    await expect(catalog.createTable(request(['absent']))).rejects.toThrow(NotFoundError)
    for (const hostile of ['', '..', 'a/b', 'a*', 'a?', '%2e', "a'b", 'a"b', 'a\\b', 'a\u0001']) {
      await expect(catalog.createTable(request(namespace, hostile))).rejects.toThrow(
        /name|not found|not exist/,
      )
    }
  })

  test('[C19] createTable() keeps the table below the warehouse', async () => {
    const { catalog, warehouse } = madeOf()
    const namespace = await freshNamespace()
    const outside = [
      `${warehouse}/../elsewhere`,
      `${warehouse}-elsewhere/t`,
      `${warehouse}/_catalog/tables/x`,
      warehouse,
      'https://example.com/t',
    ]
    for (const location of outside) {
      await expect(catalog.createTable(request(namespace, 'placed', { location }))).rejects.toThrow(
        ValidationError,
      )
    }
    for (const property of ['write.data.path', 'write.metadata.path']) {
      await expect(
        catalog.createTable(
          request(namespace, 'placed', { properties: { [property]: `${warehouse}/other/data` } }),
        ),
      ).rejects.toThrow(ValidationError)
    }
    const placed = await catalog.createTable(
      request(namespace, 'placed', { location: `${warehouse}/custom/place/` }),
    )
    expect(placed.metadata.location).toBe(`${warehouse}/custom/place`)
  })

  test('[C20] listTables() names the tables of one namespace, in order, odd names included', async () => {
    const { catalog } = madeOf()
    const namespace = await freshNamespace()
    const names = ['b', 'a.b', 'größe', 'with space', 'UPPER', 'ünïcode~']
    for (const table of names) await catalog.createTable(request(namespace, table))
    const listed = await catalog.listTables(namespace)
    expect(listed.map((identifier) => identifier.name)).toEqual([...names].sort())
    expect(listed[0]?.namespace).toEqual(namespace)
    for (const identifier of listed) {
      expect((await catalog.loadTable(identifier)).identifier).toEqual(identifier)
    }
    await expect(catalog.listTables(['absent'])).rejects.toThrow(NotFoundError)
  })

  test('dropTable() hides the table and frees its name for a table of its own', async () => {
    const { catalog } = madeOf()
    const namespace = await freshNamespace()
    const { identifier } = request(namespace)
    const first = await catalog.createTable(request(namespace))
    await catalog.dropTable(identifier)
    await expect(catalog.loadTable(identifier)).rejects.toThrow(NotFoundError)
    await expect(catalog.dropTable(identifier)).rejects.toThrow(NotFoundError)
    expect(await catalog.listTables(namespace)).toEqual([])
    const second = await catalog.createTable(request(namespace))
    expect(second.metadata.tableUuid).not.toBe(first.metadata.tableUuid)
    expect(second.metadata.location).not.toBe(first.metadata.location)
  })

  test('renameTable() moves a table across namespaces with all it holds', async () => {
    const { catalog } = madeOf()
    const namespace = await freshNamespace()
    const other = await freshNamespace()
    const before = await catalog.createTable(request(namespace))
    const to = { namespace: other, name: 'renamed' }
    await catalog.renameTable(before.identifier, to)
    await expect(catalog.loadTable(before.identifier)).rejects.toThrow(NotFoundError)
    const after = await catalog.loadTable(to)
    expect(after.metadata).toEqual(before.metadata)
    expect(await catalog.listTables(namespace)).toEqual([])
    expect(await catalog.listTables(other)).toEqual([to])
    await catalog.renameTable(to, before.identifier)
    expect((await catalog.loadTable(before.identifier)).metadata).toEqual(before.metadata)
  })

  test('renameTable() refuses a taken name, a missing table and a missing namespace', async () => {
    const { catalog } = madeOf()
    const namespace = await freshNamespace()
    const { identifier } = await catalog.createTable(request(namespace))
    const { identifier: taken } = await catalog.createTable(request(namespace, 'taken'))
    await expect(catalog.renameTable(identifier, taken)).rejects.toThrow(AlreadyExistsError)
    await expect(
      catalog.renameTable({ namespace, name: 'absent' }, { namespace, name: 'x' }),
    ).rejects.toThrow(NotFoundError)
    await expect(
      catalog.renameTable(identifier, { namespace: ['absent'], name: 'x' }),
    ).rejects.toThrow(NotFoundError)
    expect((await catalog.loadTable(identifier)).identifier).toEqual(identifier)
  })

  test('registerTable() adopts a metadata file', async () => {
    const { catalog, warehouse } = madeOf()
    const namespace = await freshNamespace()
    const table = await catalog.createTable(request(namespace))
    await catalog.dropTable(table.identifier)
    const to = { namespace, name: 'adopted' }
    const adopted = await catalog.registerTable(to, table.metadataLocation)
    expect(adopted.metadata).toEqual(table.metadata)
    expect(await catalog.loadTable(to)).toEqual(adopted)
    await expect(catalog.registerTable(to, table.metadataLocation)).rejects.toThrow(
      AlreadyExistsError,
    )
    await expect(
      catalog.registerTable({ namespace, name: 'none' }, `${warehouse}/x/none.metadata.json`),
    ).rejects.toThrow(NotFoundError)
    await expect(
      catalog.registerTable({ namespace, name: 'none' }, `${warehouse}/../x.metadata.json`),
    ).rejects.toThrow(ValidationError)
  })
}

function describeCommits(
  catalogOf: () => Catalog,
  freshNamespace: FreshNamespace,
  request: Request,
): void {
  const snapshotOf = (table: Table, snapshotId: bigint): Snapshot => ({
    snapshotId,
    ...(table.metadata.currentSnapshotId === undefined
      ? {}
      : { parentSnapshotId: table.metadata.currentSnapshotId }),
    sequenceNumber: table.metadata.lastSequenceNumber + 1n,
    timestampMs: table.metadata.lastUpdatedMs + 1n,
    manifestList: `${table.metadata.location}/metadata/snap-${snapshotId}.avro`,
    summary: { operation: 'append', 'added-records': '9007199254740993' },
    schemaId: 0,
  })
  const append = (catalog: Catalog, table: Table, snapshotId: bigint): Promise<Table> =>
    catalog.commitTable({
      identifier: table.identifier,
      requirements: [
        { type: 'assert-table-uuid', uuid: table.metadata.tableUuid },
        {
          type: 'assert-ref-snapshot-id',
          ref: 'main',
          snapshotId: table.metadata.currentSnapshotId ?? null,
        },
      ],
      updates: [
        { action: 'add-snapshot', snapshot: snapshotOf(table, snapshotId) },
        { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId, type: 'branch' } },
      ],
    })

  test('commitTable() moves main and keeps 64-bit ids exact', async () => {
    const catalog = catalogOf()
    const created = await catalog.createTable(request(await freshNamespace()))
    const first = await append(catalog, created, 2n ** 53n + 1n)
    const second = await append(catalog, first, 2n ** 63n - 1n)
    expect(second.metadata.currentSnapshotId).toBe(2n ** 63n - 1n)
    const loaded = await catalog.loadTable(created.identifier)
    expect(loaded).toEqual(second)
    expect(loaded.metadata.snapshots.map((snapshot) => snapshot.snapshotId)).toEqual([
      2n ** 53n + 1n,
      2n ** 63n - 1n,
    ])
    expect(loaded.metadata.metadataLog.map((entry) => entry.metadataFile)).toEqual([
      created.metadataLocation,
      first.metadataLocation,
    ])
    expect(loaded.metadata.lastSequenceNumber).toBe(2n)
  })

  test('commitTable() refuses the loser of a race and leaves the winner whole', async () => {
    const catalog = catalogOf()
    const created = await catalog.createTable(request(await freshNamespace()))
    const winner = await append(catalog, created, 11n)
    await expect(append(catalog, created, 12n)).rejects.toThrow(CommitFailedError)
    expect(await catalog.loadTable(created.identifier)).toEqual(winner)
  })

  test('[C23] commitTable() makes, moves and removes refs, and removes snapshots that none names', async () => {
    const catalog = catalogOf()
    const created = await catalog.createTable(request(await freshNamespace()))
    const second = await append(catalog, await append(catalog, created, 11n), 12n)
    const { identifier } = second
    const commit = (...updates: readonly TableUpdate[]): Promise<Table> =>
      catalog.commitTable({ identifier, requirements: [], updates })
    const tag = { type: 'tag', snapshotId: 11n, maxRefAgeMs: 2n ** 53n + 1n } as const
    const branch = { type: 'branch', snapshotId: 12n, minSnapshotsToKeep: 3 } as const
    const named = await commit(
      { action: 'set-snapshot-ref', refName: 'v1', ref: tag },
      { action: 'set-snapshot-ref', refName: 'audit', ref: branch },
    )
    expect(named.metadata.refs).toMatchObject({ v1: tag, audit: branch })
    const remove = { action: 'remove-snapshots', snapshotIds: [11n] } as const
    await expect(commit(remove)).rejects.toThrow(CommitFailedError)
    const { metadata } = await commit({ action: 'remove-snapshot-ref', refName: 'v1' }, remove)
    expect(Object.keys(metadata.refs).sort()).toEqual(['audit', 'main'])
    expect(metadata.snapshots.map((snapshot) => snapshot.snapshotId)).toEqual([12n])
    expect((await catalog.loadTable(identifier)).metadata).toEqual(metadata)
  })

  test('[C27] commitTable() applies a schema, a snapshot of it and properties as one version', async () => {
    const catalog = catalogOf()
    const created = await catalog.createTable(request(await freshNamespace()))
    const { metadata } = created
    const [schema] = metadata.schemas
    const fieldId = metadata.lastColumnId + 1
    const extra = { id: fieldId, name: 'extra', required: false, type: { type: 'long' } } as const
    const commit: TableCommit = {
      identifier: created.identifier,
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-current-schema-id', currentSchemaId: 0 },
        { type: 'assert-last-assigned-field-id', lastAssignedFieldId: metadata.lastColumnId },
        { type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null },
      ],
      updates: [
        {
          action: 'add-schema',
          schema: {
            schemaId: 1,
            identifierFieldIds: schema?.identifierFieldIds ?? [],
            fields: [...(schema?.fields ?? []), extra],
          },
          lastColumnId: fieldId,
        },
        { action: 'set-current-schema', schemaId: -1 },
        { action: 'add-snapshot', snapshot: { ...snapshotOf(created, 11n), schemaId: 1 } },
        { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId: 11n } },
        { action: 'set-properties', updates: { step: 'one' } },
      ],
    }
    const committed = await catalog.commitTable(commit)
    expect(committed.metadata).toMatchObject({
      currentSchemaId: 1,
      lastColumnId: fieldId,
      currentSnapshotId: 11n,
      snapshots: [{ snapshotId: 11n, schemaId: 1 }],
      properties: { step: 'one' },
      metadataLog: [{ metadataFile: created.metadataLocation }],
    })
    expect(await catalog.loadTable(created.identifier)).toEqual(committed)
    // Where one requirement of many does not hold, none of the updates is applied.
    await expect(catalog.commitTable(commit)).rejects.toThrow(CommitFailedError)
    expect(await catalog.loadTable(created.identifier)).toEqual(committed)
  })

  test('commitTable() lets exactly one of many racing appends win', async () => {
    const catalog = catalogOf()
    const created = await catalog.createTable(request(await freshNamespace()))
    const tries = Array.from({ length: 8 }, (_, index) =>
      append(catalog, created, 100n + BigInt(index)),
    )
    const outcomes = await Promise.allSettled(tries)
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    expect(won).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(CommitFailedError)
    }
    const loaded = await catalog.loadTable(created.identifier)
    expect(loaded.metadata.snapshots).toHaveLength(1)
  })

  test('commitTable() applies unconflicting property changes of racing writers, each once', async () => {
    const catalog = catalogOf()
    const created = await catalog.createTable(request(await freshNamespace()))
    const { identifier } = created
    await Promise.all(
      ['a', 'b', 'c'].map((key) =>
        catalog.commitTable({
          identifier,
          requirements: [{ type: 'assert-table-uuid', uuid: created.metadata.tableUuid }],
          updates: [{ action: 'set-properties', updates: { [key]: 'set' } }],
        }),
      ),
    )
    const { metadata } = await catalog.loadTable(identifier)
    expect(metadata.properties).toMatchObject({ a: 'set', b: 'set', c: 'set' })
    expect(metadata.metadataLog).toHaveLength(3)
  })

  test('commitTable() creates a table from updates alone under assert-create', async () => {
    const catalog = catalogOf()
    const namespace = await freshNamespace()
    const identifier = { namespace, name: 'staged' }
    const create = {
      identifier,
      requirements: [{ type: 'assert-create' }],
      updates: [
        { action: 'add-schema', schema },
        { action: 'set-current-schema', schemaId: -1 },
        { action: 'add-spec', spec: { specId: 0, fields: [] } },
        { action: 'set-default-spec', specId: -1 },
        { action: 'add-sort-order', sortOrder: { orderId: 0, fields: [] } },
        { action: 'set-default-sort-order', sortOrderId: -1 },
        { action: 'set-properties', updates: { made: 'by updates' } },
      ],
    } as const
    const table = await catalog.commitTable(create)
    expect(table.metadata.properties).toEqual({ made: 'by updates' })
    expect(table.metadata.lastColumnId).toBe(44)
    expect(await catalog.loadTable(identifier)).toEqual(table)
    await expect(catalog.commitTable(create)).rejects.toThrow(CommitFailedError)
  })

  test('commitTable() refuses a missing table and updates that make no sense', async () => {
    const catalog = catalogOf()
    const namespace = await freshNamespace()
    const missing = { namespace, name: 'absent' }
    await expect(
      catalog.commitTable({ identifier: missing, requirements: [], updates: [] }),
    ).rejects.toThrow(NotFoundError)
    const table = await catalog.createTable(request(namespace))
    await expect(
      catalog.commitTable({
        identifier: table.identifier,
        requirements: [],
        updates: [{ action: 'set-current-schema', schemaId: 5 }],
      }),
    ).rejects.toThrow(ValidationError)
    await expect(
      catalog.commitTable({
        identifier: table.identifier,
        requirements: [],
        updates: [{ action: 'set-location', location: 's3://somewhere/else' }],
      }),
    ).rejects.toThrow(ValidationError)
    expect(await catalog.loadTable(table.identifier)).toEqual(table)
  })
}
