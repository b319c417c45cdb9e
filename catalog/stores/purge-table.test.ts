import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { InstantClock } from '../../tests/support/instant-clock.ts'
import type { DataFile, Schema } from '../spec/types.ts'
import { commitAction } from '../transaction/commit-action.ts'
import { FastAppend } from '../transaction/fast-append.ts'
import { ObjectStoreCatalog } from './object-store-catalog.ts'

const warehouse = 'memory://lake/warehouse'
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}

async function makeTables() {
  const clock = new InstantClock()
  const random = seededRandom(1)
  const io = new MemoryFileIO({ clock })
  const catalog = new ObjectStoreCatalog({ io, warehouse, clock, random })
  await catalog.createNamespace(['shop'])
  const append = async (name: string, files: readonly string[]): Promise<void> => {
    const data = files.map(
      (filePath): DataFile => ({
        content: 'data',
        filePath,
        fileFormat: 'parquet',
        specId: 0,
        partition: [],
        recordCount: 1n,
        fileSizeInBytes: 1n,
      }),
    )
    for (const file of files) await io.write(file, Buffer.from('x'))
    await commitAction(
      catalog,
      { namespace: ['shop'], name },
      new FastAppend({ io, clock, random }, { files: data }),
      { clock, random },
    )
  }
  const locations = async (): Promise<string[]> => {
    const found: string[] = []
    for await (const { location } of io.list(`${warehouse}/`)) {
      if (!location.includes('/_catalog/')) found.push(location)
    }
    return found.sort()
  }
  return { catalog, append, io, locations }
}

describe('dropTable() with purge', () => {
  test('[C22] deletes what the table reaches and nothing of a table in the same folder', async () => {
    const { catalog, append, locations } = await makeTables()
    const location = `${warehouse}/shared`
    const other = { namespace: ['shop'], name: 'other' }
    await catalog.createTable({ identifier: other, schema, location })
    await append('other', [`${location}/data/other.parquet`])
    const before = await locations()
    const gone = { namespace: ['shop'], name: 'gone' }
    await catalog.createTable({ identifier: gone, schema, location })
    await append('gone', [`${location}/data/a.parquet`, `${location}/data/b.parquet`])
    await append('gone', [`${location}/data/c.parquet`])
    expect(await locations()).toHaveLength(before.length + 10)
    await catalog.dropTable(gone, { purge: true })
    expect(await locations()).toEqual(before)
    expect((await catalog.loadTable(other)).metadata.snapshots).toHaveLength(1)
  })

  test('[C22] leaves files that are not below the table, and everything without purge', async () => {
    const { catalog, append, locations } = await makeTables()
    const identifier = { namespace: ['shop'], name: 'orders' }
    await catalog.createTable({ identifier, schema })
    const foreign = `${warehouse}/elsewhere/foreign.parquet`
    await append('orders', [foreign, `${warehouse}/shop/orders/data/own.parquet`])
    const before = await locations()
    const { metadataLocation } = await catalog.loadTable(identifier)
    await catalog.dropTable(identifier)
    expect(await locations()).toEqual(before)
    await catalog.registerTable(identifier, metadataLocation)
    await catalog.dropTable(identifier, { purge: true })
    expect(await locations()).toEqual([foreign])
  })

  test('[C22] leaves what another table of the catalog reaches, whatever its name and folder', async () => {
    const { catalog, append, io, locations } = await makeTables()
    const orders = { namespace: ['shop'], name: 'orders' }
    const { metadata } = await catalog.createTable({ identifier: orders, schema })
    await append('orders', [`${metadata.location}/data/a.parquet`])
    const before = await locations()
    // As an older release, or two registrations at the same time, would leave it: one uuid, two names.
    const folder = `${warehouse}/_catalog/tables/shop/`
    const pointer = Buffer.from(await io.read(`${folder}orders.json`)).toString()
    const alias = pointer.replace('"name":"orders"', '"name":"alias"')
    expect(alias).not.toBe(pointer)
    await io.write(`${folder}alias.json`, Buffer.from(alias))
    await catalog.dropTable({ namespace: ['shop'], name: 'alias' }, { purge: true })
    expect(await locations()).toEqual(before)
    // A table around it, one of whose snapshots names a file of the inner one.
    const around = { namespace: ['shop'], name: 'around' }
    await catalog.createTable({ identifier: around, schema, location: `${warehouse}/shop` })
    await append('around', [`${metadata.location}/data/a.parquet`])
    await catalog.dropTable(around, { purge: true })
    expect(await locations()).toEqual(before)
    await catalog.dropTable(orders, { purge: true })
    expect(await locations()).toEqual([])
  })

  test('deletes nothing while a table that may share its files cannot be read', async () => {
    const { catalog, append, io, locations } = await makeTables()
    const location = `${warehouse}/shared`
    const broken = { namespace: ['shop'], name: 'broken' }
    const { metadataLocation } = await catalog.createTable({
      identifier: broken,
      schema,
      location: `${location}/inner`,
    })
    const gone = { namespace: ['shop'], name: 'gone' }
    await catalog.createTable({ identifier: gone, schema, location })
    await append('gone', [`${location}/data/a.parquet`])
    await io.write(metadataLocation, Buffer.from('{'))
    const other = new ObjectStoreCatalog({ io, warehouse })
    const before = await locations()
    await other.dropTable(gone, { purge: true })
    expect(await locations()).toEqual(before)
  })

  test('deletes nothing of a table with gc.enabled=false', async () => {
    const { catalog, append, locations } = await makeTables()
    const identifier = { namespace: ['shop'], name: 'orders' }
    await catalog.createTable({ identifier, schema, properties: { 'gc.enabled': 'false' } })
    await append('orders', [`${warehouse}/shop/orders/data/own.parquet`])
    const before = await locations()
    await catalog.dropTable(identifier, { purge: true })
    expect(await locations()).toEqual(before)
  })
})
