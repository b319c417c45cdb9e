import { describe, expect, test } from 'vitest'
import {
  AlreadyExistsError,
  CorruptDataError,
  type LogFields,
  NotFoundError,
  UnavailableError,
  ValidationError,
  silentLogger,
} from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { InterceptedFileIO } from '../../tests/support/intercepted-file-io.ts'
import type { Schema } from '../format/types.ts'
import { ObjectStoreCatalog } from './object-store-catalog.ts'

const warehouse = 'memory://lake/warehouse'
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}
const orders = { namespace: ['shop'], name: 'orders' }
const other = { namespace: ['else', 'where'], name: 'other' }

async function makeTable() {
  const io = new MemoryFileIO()
  const catalog = new ObjectStoreCatalog({ io, warehouse })
  await catalog.createNamespace(orders.namespace)
  await catalog.createNamespace(other.namespace)
  const table = await catalog.createTable({ identifier: orders, schema })
  return { io, catalog, table }
}

describe('registerTable()', () => {
  test('[C26] refuses a table that the catalog has under another name', async () => {
    const { catalog, table } = await makeTable()
    const first = table.metadataLocation
    await catalog.commitTable({
      identifier: orders,
      requirements: [],
      updates: [{ action: 'set-properties', updates: { a: 'b' } }],
    })
    const { metadataLocation: current } = await catalog.loadTable(orders)
    for (const location of [first, current]) {
      const refused = catalog.registerTable(other, location)
      await expect(refused).rejects.toThrow(AlreadyExistsError)
      await expect(refused).rejects.toThrow('table=shop.orders')
    }
    expect(await catalog.listTables(other.namespace)).toEqual([])
  })

  test('takes a table that was dropped here, under any name', async () => {
    const { catalog, table } = await makeTable()
    await catalog.dropTable(orders)
    await catalog.registerTable(other, table.metadataLocation)
    expect((await catalog.loadTable(other)).metadata.tableUuid).toBe(table.metadata.tableUuid)
    await expect(catalog.registerTable(orders, table.metadataLocation)).rejects.toThrow(
      'table=else.where.other',
    )
  })

  test('still finds the table when it was renamed', async () => {
    const { catalog, table } = await makeTable()
    await catalog.renameTable(orders, other)
    await expect(catalog.registerTable(orders, table.metadataLocation)).rejects.toThrow(
      'table=else.where.other',
    )
  })
})

describe('registerTable() beside other tables', () => {
  const folder = `${warehouse}/_catalog/tables/shop/`

  /** Version 1 of the format lets a table have no uuid. */
  async function writeNameless(io: MemoryFileIO, name: string): Promise<string> {
    const location = `${warehouse}/old/${name}`
    const file = `${location}/metadata/v1.metadata.json`
    const metadata = {
      'format-version': 1,
      location,
      'last-updated-ms': 1,
      'last-column-id': 1,
      schema: { type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] },
      'partition-spec': [],
      properties: {},
    }
    await io.write(file, Buffer.from(JSON.stringify(metadata)))
    return file
  }

  test('[C26] tables without a uuid are not one table', async () => {
    const { io, catalog } = await makeTable()
    const first = await writeNameless(io, 'a')
    const second = await writeNameless(io, 'b')
    await catalog.registerTable({ namespace: ['shop'], name: 'a' }, first)
    await catalog.registerTable({ namespace: ['shop'], name: 'b' }, second)
    const again = catalog.registerTable({ namespace: ['shop'], name: 'c' }, first)
    await expect(again).rejects.toThrow('table=shop.a')
  })

  test('[C26] tells the way out to who wants an older state of a table', async () => {
    const { catalog, table } = await makeTable()
    const refused = catalog.registerTable(other, table.metadataLocation)
    await expect(refused).rejects.toThrow(/time travel.*branch or a tag.*drop .*without purge/)
  })

  test('pointers that nobody can read stop no registration, and are told', async () => {
    const { io, table } = await makeTable()
    const told: (readonly [string, LogFields | undefined])[] = []
    const logger = {
      ...silentLogger,
      warn: (event: string, fields?: LogFields) => void told.push([event, fields]),
    }
    const catalog = new ObjectStoreCatalog({ io, warehouse, logger })
    const pointer = JSON.parse(Buffer.from(await io.read(`${folder}orders.json`)).toString())
    await catalog.dropTable(orders)
    const write = (name: string, fields: object): Promise<unknown> =>
      io.write(
        `${folder}${name}.json`,
        Buffer.from(
          JSON.stringify({
            ...pointer,
            tableUuid: name,
            metadataLocation: `${warehouse}/${name}`,
            identifier: { namespace: ['shop'], name },
            ...fields,
          }),
        ),
      )
    await io.write(`${folder}broken.json`, Buffer.from('{'))
    await write('newer', { intent: { kind: 'of-2031', id: 'x' } })
    // A rename of another table that cannot end, as the pointer it leads to is damaged.
    const to = { namespace: ['shop'], name: 'broken' }
    await write('moving', { intent: { kind: 'rename-to', id: 'y', to } })
    await catalog.registerTable(other, table.metadataLocation)
    expect(told.map(([event, fields]) => [event, fields?.['object']])).toEqual([
      ['catalog.pointer-skipped', `${folder}broken.json`],
      ['catalog.pointer-skipped', `${folder}newer.json`],
    ])
    expect(String(told[1]?.[1]?.['error'])).toContain('newer release')
  })

  test('[C26] a pointer that cannot be read just now stops the registration', async () => {
    const { io, catalog, table } = await makeTable()
    await catalog.createTable({ identifier: other, schema })
    await catalog.dropTable(orders)
    const slow = new InterceptedFileIO(io)
    slow.onRead = (call) => {
      if (call.location.endsWith('/other.json')) throw new UnavailableError('try later')
      return call.send()
    }
    const registering = new ObjectStoreCatalog({ io: slow, warehouse }).registerTable(
      orders,
      table.metadataLocation,
    )
    await expect(registering).rejects.toThrow('try later')
    await expect(catalog.loadTable(orders)).rejects.toThrow(NotFoundError)
  })

  test('[C26] finds a table in the middle of a rename', async () => {
    const { io, catalog, table } = await makeTable()
    const file = `${folder}orders.json`
    const pointer = JSON.parse(Buffer.from(await io.read(file)).toString())
    const intent = { kind: 'rename-to', id: 'y', to: other }
    await io.write(file, Buffer.from(JSON.stringify({ ...pointer, intent })))
    const third = { namespace: ['shop'], name: 'third' }
    await expect(catalog.registerTable(third, table.metadataLocation)).rejects.toThrow(
      'table=else.where.other',
    )
  })
})

describe('a table whose metadata file is missing', () => {
  test('is not taken for a table that does not exist', async () => {
    const { io, table } = await makeTable()
    await io.delete([table.metadataLocation])
    const catalog = new ObjectStoreCatalog({ io, warehouse })
    const loading = catalog.loadTable(orders)
    await expect(loading).rejects.toThrow(CorruptDataError)
    await expect(loading).rejects.toThrow(
      `the metadata file of the table is missing: table=shop.orders file=${table.metadataLocation}`,
    )
    await catalog.dropTable(orders)
    await expect(catalog.loadTable(orders)).rejects.toThrow(NotFoundError)
  })

  test('is read again when it was replaced or dropped meanwhile', async () => {
    const { io, table } = await makeTable()
    const writer = new ObjectStoreCatalog({ io, warehouse })
    const commit = async (): Promise<void> => {
      const before = await writer.loadTable(orders)
      await writer.commitTable({
        identifier: orders,
        requirements: [],
        updates: [{ action: 'set-properties', updates: { at: before.metadataLocation } }],
      })
      await io.delete([before.metadataLocation])
    }
    const slow = new InterceptedFileIO(io)
    const reader = new ObjectStoreCatalog({ io: slow, warehouse })
    let times = 0
    slow.onRead = async (call) => {
      const pointer = await call.send()
      if (times++ < 2) await commit()
      return pointer
    }
    const found = await reader.loadTable(orders)
    expect(found.metadata.tableUuid).toBe(table.metadata.tableUuid)
    times = 0
    slow.onRead = async (call) => {
      const pointer = await call.send()
      if (times++ === 0) await writer.dropTable(orders, { purge: true })
      return pointer
    }
    const cold = new ObjectStoreCatalog({ io: slow, warehouse })
    await expect(cold.loadTable(orders)).rejects.toThrow(NotFoundError)
  })
})

describe('a new name', () => {
  test('[C20] holds no $: names with it are of layers and metadata tables', async () => {
    const { catalog, table } = await makeTable()
    const named = { namespace: ['shop'], name: 'x$batch' }
    await expect(catalog.createTable({ identifier: named, schema })).rejects.toThrow(
      ValidationError,
    )
    await expect(catalog.stageTable({ identifier: named, schema })).rejects.toThrow('"x$batch"')
    await expect(catalog.renameTable(orders, named)).rejects.toThrow(ValidationError)
    await expect(catalog.registerTable(named, table.metadataLocation)).rejects.toThrow('"x$batch"')
    await expect(
      catalog.commitTable({
        identifier: named,
        requirements: [{ type: 'assert-create' }],
        updates: [],
      }),
    ).rejects.toThrow('"x$batch"')
  })

  test('refuses nothing of a table that an older release gave such a name', async () => {
    const { io, catalog } = await makeTable()
    const folder = `${warehouse}/_catalog/tables/shop/`
    const pointer = Buffer.from(await io.read(`${folder}orders.json`)).toString()
    await io.write(
      `${folder}x~24batch.json`,
      Buffer.from(pointer.replace('"name":"orders"', '"name":"x$batch"')),
    )
    const named = { namespace: ['shop'], name: 'x$batch' }
    await catalog.dropTable(orders)
    await catalog.renameTable(named, orders)
    expect(await catalog.listTables(['shop'])).toEqual([orders])
  })
})
