import { describe, expect, test } from 'vitest'
import {
  AccessDeniedError,
  type LogFields,
  UnavailableError,
  seededRandom,
  silentLogger,
} from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { InterceptedFileIO } from '../../tests/support/intercepted-file-io.ts'
import { InstantClock } from '../../tests/support/instant-clock.ts'
import type { DataFile, Schema } from '../format/types.ts'
import { commitAction } from '../transaction/transaction.ts'
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

  /** Two tables: `orders`, and `around` it, whose metadata lies apart and which needs a file of `orders`. */
  async function makeAround() {
    const lake = await makeTables()
    const orders = { namespace: ['shop'], name: 'orders' }
    const { metadata } = await lake.catalog.createTable({ identifier: orders, schema })
    const file = `${metadata.location}/data/a.parquet`
    await lake.append('orders', [file])
    const around = { namespace: ['shop'], name: 'around' }
    await lake.catalog.createTable({
      identifier: around,
      schema,
      location: `${warehouse}/shop`,
      properties: { 'write.metadata.path': `${warehouse}/shop/meta` },
    })
    await lake.append('around', [file])
    const { metadataLocation } = await lake.catalog.loadTable(around)
    expect(metadataLocation).toContain('/shop/meta/')
    return { ...lake, orders, around, aroundFile: metadataLocation }
  }

  function told() {
    const lines: (readonly [string, LogFields | undefined])[] = []
    const warn = (event: string, fields?: LogFields): void => void lines.push([event, fields])
    return { lines, logger: { ...silentLogger, warn } }
  }

  test.each([
    ['is away for a moment', new UnavailableError('try later')],
    ['is refused to us', new AccessDeniedError('not for you')],
  ])('[C22] deletes nothing while the metadata of a table around it %s', async (_, error) => {
    const { io, orders, aroundFile, locations } = await makeAround()
    const before = await locations()
    const { lines, logger } = told()
    const faulty = new InterceptedFileIO(io)
    faulty.read = (location, range) => {
      if (location === aroundFile) throw error
      return io.read(location, range)
    }
    const catalog = new ObjectStoreCatalog({ io: faulty, warehouse, logger })
    await catalog.dropTable(orders, { purge: true })
    expect(await locations()).toEqual(before)
    expect(lines.map(([event, fields]) => [event, fields?.['table']])).toEqual([
      ['table.purge-incomplete', 'shop.orders'],
    ])
    const reason = String(lines[0]?.[1]?.['error'])
    expect(reason).toContain('table=shop.around')
    expect(reason).toContain(error.message)
  })

  test('[C22] nor while that metadata is damaged, gone or of a pointer that says no place', async () => {
    const { io, catalog, orders, aroundFile, locations } = await makeAround()
    const pointer = `${warehouse}/_catalog/tables/shop/around.json`
    const { location: _, ...older } = JSON.parse(Buffer.from(await io.read(pointer)).toString())
    await io.write(aroundFile, Buffer.from('{'))
    const before = await locations()
    const { metadataLocation } = await catalog.loadTable(orders)
    const purge = async (): Promise<void> => {
      const cold = new ObjectStoreCatalog({ io, warehouse })
      await cold.dropTable(orders, { purge: true })
      expect(await locations()).toEqual(before)
      await cold.registerTable(orders, metadataLocation)
    }
    await purge()
    await io.write(pointer, Buffer.from(JSON.stringify(older)))
    await purge()
    await io.delete([aroundFile])
    before.splice(before.indexOf(aroundFile), 1)
    await purge()
  })

  test('tables elsewhere are not even read: broken, nameless or many, they cost a purge nothing', async () => {
    const { io, catalog, append, locations } = await makeTables()
    const orders = { namespace: ['shop'], name: 'orders' }
    const away = { namespace: ['shop'], name: 'away' }
    const nameless = { namespace: ['shop'], name: 'nameless' }
    const { metadataLocation } = await catalog.createTable({ identifier: away, schema })
    await io.write(metadataLocation, Buffer.from('{'))
    await catalog.createTable({ identifier: nameless, schema })
    const before = await locations()
    const { metadata } = await catalog.createTable({ identifier: orders, schema })
    await append('orders', [`${metadata.location}/data/a.parquet`])
    // Neither has a uuid, as tables of version 1 may.
    for (const { name } of [orders, nameless]) {
      const pointer = `${warehouse}/_catalog/tables/shop/${name}.json`
      const document = JSON.parse(Buffer.from(await io.read(pointer)).toString())
      await io.write(pointer, Buffer.from(JSON.stringify({ ...document, tableUuid: '' })))
    }
    const read: string[] = []
    const counted = new InterceptedFileIO(io)
    counted.read = (location, range) => {
      read.push(location)
      return io.read(location, range)
    }
    const { lines, logger } = told()
    const cold = new ObjectStoreCatalog({ io: counted, warehouse, logger })
    await cold.dropTable(orders, { purge: true })
    expect(lines).toEqual([])
    expect(await locations()).toEqual(before)
    expect(read.filter((location) => !location.startsWith(metadata.location))).toEqual([])
  })

  test('keeps the place of a table through a rename, and its metadata out of the cache', async () => {
    const { io, orders, around, aroundFile, locations } = await makeAround()
    const moved = { namespace: ['shop'], name: 'moved' }
    let times = 0
    const counted = new InterceptedFileIO(io)
    counted.read = (location, range) => {
      if (location === aroundFile) times++
      return io.read(location, range)
    }
    const catalog = new ObjectStoreCatalog({ io: counted, warehouse })
    await catalog.renameTable(around, moved)
    const pointer = Buffer.from(await io.read(`${warehouse}/_catalog/tables/shop/moved.json`))
    expect(JSON.parse(pointer.toString())).toMatchObject({ location: `${warehouse}/shop` })
    await catalog.dropTable(orders, { purge: true })
    expect(times).toBe(1)
    await catalog.loadTable(moved)
    await catalog.loadTable(moved)
    expect(times).toBe(2)
    expect(await locations()).toContain(`${warehouse}/shop/orders/data/a.parquet`)
  })

  test('[C22] deletes nothing and says so while a pointer of the catalog cannot be read', async () => {
    const { io, catalog, append, locations } = await makeTables()
    const orders = { namespace: ['shop'], name: 'orders' }
    await catalog.createTable({ identifier: orders, schema })
    await append('orders', [`${warehouse}/shop/orders/data/a.parquet`])
    const broken = `${warehouse}/_catalog/tables/shop/broken.json`
    await io.write(broken, Buffer.from('{'))
    const before = await locations()
    const { lines, logger } = told()
    const cold = new ObjectStoreCatalog({ io, warehouse, logger })
    await cold.dropTable(orders, { purge: true })
    expect(await locations()).toEqual(before)
    expect(lines).toHaveLength(1)
    expect(String(lines[0]?.[1]?.['error'])).toContain(broken)
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
