import { beforeEach, describe, expect, it } from 'vitest'
import type { DataFile, Schema, TableIdentifier } from '../catalog/format/index.ts'
import { commitAction, FastAppend, ObjectStoreCatalog } from '../catalog/index.ts'
import { systemRandom } from '../common/index.ts'
import { type FileIO, MemoryFileIO } from '../io/index.ts'
import { InstantClock } from '../tests/support/instant-clock.ts'
import { orphanAgeMsMin, type OrphanReport, removeOrphanFiles } from './remove-orphan-files.ts'

const warehouse = 'memory://orphans/wh'
const identifier: TableIdentifier = { namespace: ['a'], name: 't' }
const folder = `${warehouse}/a/t`
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'n', required: false, type: { type: 'long' } }],
}

let clock: InstantClock
let io: MemoryFileIO
let catalog: ObjectStoreCatalog

beforeEach(async () => {
  clock = new InstantClock()
  io = new MemoryFileIO({ clock })
  catalog = new ObjectStoreCatalog({ io, warehouse, clock })
  await catalog.createNamespace(['a'])
  await catalog.createTable({ identifier, schema })
})

const put = (location: string): Promise<unknown> => io.write(location, new Uint8Array(10))

function dataFile(filePath: string): DataFile {
  return {
    content: 'data',
    filePath,
    fileFormat: 'PARQUET',
    specId: 0,
    partition: [],
    recordCount: 1n,
    fileSizeInBytes: 10n,
  }
}

async function append(name: string): Promise<string> {
  const location = `${folder}/data/${name}.parquet`
  await put(location)
  const tools = { io, clock, random: systemRandom }
  await commitAction(
    catalog,
    identifier,
    new FastAppend(tools, { files: [dataFile(location)] }),
    tools,
  )
  return location
}

async function sweep(execute = false, store: FileIO = io): Promise<OrphanReport> {
  return removeOrphanFiles({ catalog, io: store, clock }, identifier, { execute })
}

const namesOf = (report: OrphanReport): readonly string[] =>
  report.orphans.map(({ location }) => location).sort()

async function everything(): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { location } of io.list(`${warehouse}/`)) found.push(location)
  return found
}

/** A FileIO that runs `hook` when the listing of the table ends. */
function afterListing(hook: () => Promise<void>): FileIO {
  return new Proxy<FileIO>(io, {
    get: (target, property) => {
      if (property === 'list') {
        return async function* list(prefix: string) {
          yield* target.list(prefix)
          await hook()
        }
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('removeOrphanFiles()', () => {
  it('names what nothing refers to, deletes only when told, and keeps all that is needed', async () => {
    await append('one')
    await append('two')
    const orphan = `${folder}/data/lost.parquet`
    const manifest = `${folder}/metadata/lost-m0.avro`
    await put(orphan)
    await put(manifest)
    clock.advance(4 * orphanAgeMsMin)
    const before = await everything()
    const dry = await sweep()
    expect(namesOf(dry)).toEqual([orphan, manifest])
    expect(dry).toMatchObject({ isDryRun: true, sizeBytes: 20, filesTooYoung: 0 })
    expect(await everything()).toEqual(before)
    expect(namesOf(await sweep(true))).toEqual([orphan, manifest])
    expect(await everything()).toEqual(before.filter((one) => one !== orphan && one !== manifest))
    expect(namesOf(await sweep(true))).toEqual([])
  })

  it('deletes nothing after it was told to stop', async () => {
    await append('one')
    await put(`${folder}/data/lost.parquet`)
    clock.advance(4 * orphanAgeMsMin)
    const before = await everything()
    const stop = new AbortController()
    const stopping = afterListing(async () => stop.abort(new Error('enough')))
    const request = { execute: true, signal: stop.signal }
    const sweeping = removeOrphanFiles({ catalog, io: stopping, clock }, identifier, request)
    await expect(sweeping).rejects.toThrow('enough')
    expect(await everything()).toEqual(before)
  })

  it('[K10] keeps young files and takes no age below a day', async () => {
    await put(`${folder}/data/old.parquet`)
    clock.advance(2 * orphanAgeMsMin)
    await put(`${folder}/data/young.parquet`)
    clock.advance(2 * orphanAgeMsMin)
    const report = await sweep()
    expect(namesOf(report)).toEqual([`${folder}/data/old.parquet`])
    expect(report.filesTooYoung).toBe(1)
    const hasty = removeOrphanFiles({ catalog, io, clock }, identifier, { olderThanMs: 86_399_999 })
    await expect(hasty).rejects.toThrow(/older-than-ms=86399999 least-ms=86400000/)
  })

  it('[K9] keeps a file that was committed while the folder was listed', async () => {
    const late = `${folder}/data/late.parquet`
    await put(late)
    clock.advance(4 * orphanAgeMsMin)
    const commit = (): Promise<unknown> => append('late')
    const report = await sweep(
      true,
      afterListing(async () => void (await commit())),
    )
    expect(namesOf(report)).toEqual([])
    expect(await io.stat(late)).toBeDefined()
  })

  it('[K9] reads the references again when the table moved before the deletion', async () => {
    const late = `${folder}/data/late.parquet`
    await put(late)
    clock.advance(4 * orphanAgeMsMin)
    let loads = 0
    const moving = new Proxy(catalog, {
      get: (target, property) => {
        if (property === 'loadTable') {
          return async (name: TableIdentifier) => {
            // First, after the listing, before the deletion.
            if (++loads === 3) await append('late')
            return target.loadTable(name)
          }
        }
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const report = await removeOrphanFiles({ catalog: moving, io, clock }, identifier, {
      execute: true,
    })
    expect(loads).toBe(3)
    expect(namesOf(report)).toEqual([])
    expect(await io.stat(late)).toBeDefined()
  })

  it('[K11] never looks into the catalog, hidden names or the folder of another table', async () => {
    const inner = { namespace: ['a'], name: 'inner' }
    await catalog.createTable({ identifier: inner, schema, location: `${folder}/inner` })
    await put(`${folder}/inner/data/theirs.parquet`)
    await put(`${folder}/_tmp/x.parquet`)
    await put(`${folder}/data/.hidden.parquet`)
    await put(`${warehouse}/_catalog/x`)
    await put(`${warehouse}/a/t2/data/neighbour.parquet`)
    const underscore = `${folder}/data/_kafka_day=2024-01-01/x.parquet`
    await put(underscore)
    clock.advance(4 * orphanAgeMsMin)
    expect(namesOf(await sweep())).toEqual([underscore])
    await expect(removeOrphanFiles({ catalog, io, clock }, inner)).rejects.toThrow(
      /lies in another table's folder/,
    )
  })

  it('obeys gc.enabled=false', async () => {
    await catalog.createTable({
      identifier: { namespace: ['a'], name: 'kept' },
      schema,
      properties: { 'gc.enabled': 'false' },
    })
    const asked = removeOrphanFiles({ catalog, io, clock }, { namespace: ['a'], name: 'kept' })
    await expect(asked).rejects.toThrow(/gc.enabled=false/)
  })
})
