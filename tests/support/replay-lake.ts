/**
 * A stream over an embedded log whose every tenth record the strict rule refuses and the lenient one takes:
 * what tests of replays replay, and how they look at the outcome without our own reader.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { type Lake, openLake, type ReplayRequest } from '../../app/index.ts'
import { type Catalog, commitAction, ManageRefs, type RefChange } from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import type { TableIdentifier } from '../../catalog/format/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { loadLakeSettings } from '../../app/settings/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { rewriteOptions, rewriteTable } from '../../compactor/index.ts'
import { createDataFileRewriter } from '../../sql/index.ts'
import { type LakeFixture, openLakeFixture } from './lake-fixture.ts'

export const events: TableIdentifier = { namespace: ['web'], name: 'events' }
export const letters: TableIdentifier = { namespace: ['web'], name: 'events__dlq' }

export const fields = 'fields: [{name: id, type: long}, {name: v, type: long}]'
export const strictSchema = `schema: { mode: declared, ${fields} }`
export const lenientSchema = `schema: { mode: declared, coercion: lenient, ${fields} }`

export type Row = readonly [partition: number, offset: number, id: number, v: number]

/** Where a stream of these tests writes what; all of it has a default. */
export interface StreamWords {
  readonly schema?: string
  readonly more?: string
  readonly maxRecords?: number
  readonly name?: string
  readonly table?: string
}

export interface ReplayLake {
  readonly fixture: LakeFixture
  readonly lake: Lake
  /** Reads the topic of its name into the table `web.<name>`, or the named one. */
  stream(words?: StreamWords): StreamSettings
  /** Records `from` to `to` of each partition; every tenth has a value that the strict rule refuses. */
  produce(from: number, to: number, topic?: string): Promise<void>
  /** The rows of a branch by DuckDB alone over the files that the manifests name. */
  rowsOf(ref?: string, catalog?: Catalog): Promise<readonly Row[]>
  /** `partition:offset` of the letters, in order. */
  letterPlaces(ref?: string, table?: TableIdentifier, stream?: string): Promise<readonly string[]>
  compact(table?: TableIdentifier): Promise<void>
  changeRefs(changes: readonly RefChange[], table?: TableIdentifier): Promise<void>
  close(): Promise<void>
}

export async function openReplayLake(): Promise<ReplayLake> {
  const fixture = await openLakeFixture()
  await fixture.log.createTopic('events', 2)
  const warehouse = pathToFileURL(join(fixture.directory, 'warehouse')).href
  const { settings } = await loadLakeSettings(undefined, {
    environment: {},
    overrides: [
      { path: 'catalog.warehouse', value: warehouse, flag: '--warehouse' },
      { path: 'sql.cache.directory', value: join(fixture.directory, 'cache'), flag: '--set' },
    ],
    directory: fixture.directory,
  })
  const lake = await openLake(settings)
  const ask = async (
    table: TableIdentifier,
    ref: string,
    columns: string,
    catalog = fixture.catalog,
  ): Promise<readonly (readonly unknown[])[]> => {
    const loaded = await catalog.loadTable(table)
    if (loaded.metadata.refs[ref] === undefined) return []
    const { tasks } = await planScan(fixture.io, loaded, { ref })
    expect(tasks.flatMap((task) => task.deletes)).toEqual([])
    const list = tasks.map(({ file }) => `'${new URL(file.filePath).pathname}'`).join(', ')
    if (list === '') return []
    return fixture.database.withConnection(async (connection) => {
      const from = `read_parquet([${list}], union_by_name = true)`
      const result = await connection.runAndReadAll(`SELECT ${columns} FROM ${from} ORDER BY ALL`)
      return result.getRowsJson()
    })
  }
  return {
    fixture,
    lake,
    stream: ({
      schema = strictSchema,
      more = '',
      maxRecords = 30,
      name = 'events',
      table = `web.${name}`,
    } = {}) =>
      fixture.settings(`
name: ${name}
input: { embedded: { directory: log, topics: [${name}], start_offset: earliest } }
output: { iceberg: { table: ${table}, commit: { interval: 10s, max_records: ${maxRecords} } } }
${schema}
${more}`),
    produce: async (from, to, topic = 'events') => {
      for (const partition of [0, 1]) {
        const values = Array.from({ length: to - from }, (_, index) => {
          const id = from + index
          return `{"id":${id},"v":${id % 10 === 0 ? '1.5' : String(id * 2)}}`
        })
        await fixture.log.appendValues({ topic, partition }, values)
      }
    },
    rowsOf: async (ref = 'main', catalog = fixture.catalog) => {
      const columns = '_kafka.partition, _kafka.offset::INTEGER, id::INTEGER, v::INTEGER'
      return (await ask(events, ref, columns, catalog)) as unknown as readonly Row[]
    },
    letterPlaces: async (ref = 'main', table = letters, stream = 'events') => {
      const found = await ask(table, ref, '"partition", "offset"::INTEGER, stream')
      return found.filter((row) => row[2] === stream).map(([p, o]) => `${String(p)}:${String(o)}`)
    },
    compact: async (table = events) => {
      const tools = {
        catalog: fixture.catalog,
        io: fixture.io,
        rewriter: createDataFileRewriter(fixture.database),
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
        workDirectory: join(fixture.directory, 'compact'),
      }
      const given = { 'rewrite-all': 'true' }
      await rewriteTable(tools, table, { options: (own) => rewriteOptions(own, given) })
    },
    changeRefs: async (changes, table = events) => {
      await commitAction(fixture.catalog, table, new ManageRefs({ changes }), lake)
    },
    close: async () => {
      await lake.close()
      await fixture.close()
    },
  }
}

/** What each rule makes of the records below `to`, from the records alone. */
export function expectedRows(
  to: number,
  isMended: (partition: number, offset: number) => boolean,
): Row[] {
  return [0, 1].flatMap((partition) =>
    Array.from({ length: to }, (_, id) => id).flatMap((id): Row[] => {
      if (id % 10 !== 0) return [[partition, id, id, id * 2]]
      return isMended(partition, id) ? [[partition, id, id, 2]] : []
    }),
  )
}

export function replayRequest(
  from: number,
  to: number,
  into = 'fix',
  topic = 'events',
): ReplayRequest {
  const places = (offset: number): ReplayRequest['from'] & { kind: 'offsets' } => ({
    kind: 'offsets',
    coordinates: [{ topic, partition: 0, offset: BigInt(offset) }],
  })
  return { from: places(from), until: places(to), into }
}
