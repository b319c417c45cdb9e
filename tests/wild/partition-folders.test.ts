/**
 * Partition values of any length and any characters: written below folders that every store takes, found
 * again, and deleted by expiry, purge and the removal of orphans, which name what they leave.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, type DataFile, defaultPartitionSpec } from '../../catalog/format/index.ts'
import {
  commitAction,
  expireSnapshots,
  FastAppend,
  type PurgeReport,
  uploadDataFiles,
} from '../../catalog/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { removeOrphanFiles, rewriteOptions, rewriteTable } from '../../compactor/index.ts'
import { type FileIO, LocalFileIO, MemoryFileIO } from '../../io/index.ts'
import {
  createDataFileRewriter,
  FileCache,
  openQueryStage,
  quoteLiteral,
  type QueryStage,
} from '../../sql/index.ts'
import { InstantClock } from '../support/instant-clock.ts'
import { openAnswers } from '../support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'
import { sqlOf } from '../support/typed-values.ts'

const identifier = { namespace: ['d'], name: 't' }
const columns = ['id long', 'a string', 'b string']
const weekMs = 7 * 86_400_000
let root: string
let lake: SqlLake
let stage: QueryStage

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tide-folders-'))
})
afterEach(async () => {
  stage.close()
  await lake.close()
  await rm(root, { recursive: true, force: true })
})

async function open(io: FileIO, warehouse: string): Promise<void> {
  lake = await openSqlLake({ io, warehouse })
  const cache = new FileCache({ io, directory: join(root, 'cache'), bytesMax: 2 ** 30 })
  stage = await openQueryStage({ ...lake, cache })
}

const tools = () => ({
  io: lake.io,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
})

/** A row whose partition columns hold the value. */
async function append(value: string): Promise<void> {
  const { metadata } = await lake.load('d.t')
  const text = sqlOf({ type: 'string' }, value)
  const files = await stage.write({
    select: `SELECT 1 AS id, ${text} AS a, ${text} AS b`,
    schema: currentSchema(metadata),
    spec: defaultPartitionSpec(metadata),
    directory: await mkdtemp(join(root, 'out-')),
    properties: {},
  })
  const added = await uploadDataFiles(tools(), metadata, files)
  await commitAction(lake.catalog, identifier, new FastAppend(tools(), { files: added }), tools())
}

async function stored(): Promise<readonly string[]> {
  const { metadata } = await lake.load('d.t')
  return listed(`${metadata.location}/data/`)
}

async function listed(prefix: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { location } of lake.io.list(prefix)) found.push(location)
  return found.sort()
}

const values: readonly (readonly [string, string, string])[] = [
  ['300 letters', 'x'.repeat(300), 'a name of a file system has 255 bytes'],
  ['60 Japanese letters', '東京'.repeat(30), 'each is nine bytes once it is escaped'],
  ['2,000 bytes of a URL', `https://example.com/${'päth/'.repeat(300)}`, 'a key of S3 has 1,024'],
  ['a slash', 'Europe/Berlin', 'it is %2F in the name of the folder'],
  ['a backslash', 'a\\b', '%5C'],
  ['a star', '*', 'no pattern'],
  ['a zero byte', 'a\u0000b', '%00'],
  ['a question mark', 'a?b#c', 'no URL'],
  ['two dots', '..', 'no way out'],
  ['a way out', '../../../x', 'none, either'],
  ['an escaped one', '%2e%2e%2f', 'the per cent sign is escaped, too'],
  ['nothing', '', 'a folder with an empty value'],
  ['a byte order mark', '\uFEFF', 'kept'],
  ['an emoji', '\u{1F600}', 'four bytes'],
]

interface Store {
  readonly name: string
  readonly io: () => FileIO
  readonly warehouse: () => string
  readonly values: typeof values
}

const stores: readonly Store[] = [
  { name: 'local', io: () => new LocalFileIO(), warehouse: () => `file://${root}/wh`, values },
  {
    name: 'memory',
    io: () => new MemoryFileIO(),
    warehouse: () => 'memory://lake/warehouse',
    values: values.slice(0, 5),
  },
]

describe.each(stores)('partition values in a $name store', (store) => {
  it.each(store.values)(
    'B5 A14 [C31] %s is written, found, compacted, expired and purged',
    async (_, value) => {
      await open(store.io(), store.warehouse())
      const { metadata } = await lake.create('d.t', columns, ['a', 'b', 'bucket(a, 8)'])
      await append(value)
      await append(value)
      const answers = await openAnswers(lake)
      const literal = value.includes('\0') ? sqlOf({ type: 'string' }, value) : quoteLiteral(value)
      const asked = await answers.ask(`SELECT count(*) FROM d.t WHERE a = ${literal}`)
      expect(asked.rows).toEqual(['2'])
      const before = await stored()
      expect(before).toHaveLength(2)
      for (const location of before) {
        expect(Buffer.byteLength(location)).toBeLessThanOrEqual(1024)
        const folders = location.slice(metadata.location.length).split('/')
        expect(Math.max(...folders.map((folder) => Buffer.byteLength(folder)))).toBeLessThan(200)
      }
      await compact()
      const { unreachable, left } = await expireSnapshots(lake.catalog, identifier, tools(), {
        olderThanMs: BigInt(systemClock.now()) + 10_000n,
        retainLast: 1,
      })
      expect(unreachable.files).toEqual(expect.arrayContaining([...before]))
      expect(left).toEqual([])
      expect(await stored()).toHaveLength(1)
      expect(await purge()).toEqual({ filesLeft: [] })
      expect(await listed(`${metadata.location}/`)).toEqual([])
    },
  )
})

async function compact(): Promise<void> {
  const rewriter = createDataFileRewriter(lake.database)
  const workDirectory = await mkdtemp(join(root, 'work-'))
  await rewriteTable({ ...tools(), catalog: lake.catalog, rewriter, workDirectory }, identifier, {
    options: (properties) => ({ ...rewriteOptions(properties), rewriteAll: true }),
  })
}

async function purge(): Promise<PurgeReport | undefined> {
  return lake.catalog.dropTable(identifier, { purge: true })
}

/** A file at a location that another engine chose. */
async function foreign(locations: readonly string[]): Promise<void> {
  const files = locations.map(
    (filePath): DataFile => ({
      content: 'data',
      filePath,
      fileFormat: 'PARQUET',
      specId: 0,
      partition: [],
      recordCount: 1n,
      fileSizeInBytes: 1n,
    }),
  )
  await commitAction(lake.catalog, identifier, new FastAppend(tools(), { files }), tools())
}

describe('files that other engines wrote', () => {
  const location = 'memory://lake/warehouse/d/t'

  it.each([
    ['PyIceberg', `${location}/data/region=Europe%2FBerlin/x.parquet`],
    ['a double escape', `${location}/data/region=100%2525/x.parquet`],
    ['a backslash', `${location}/data/region=a%5Cb/x.parquet`],
    ['a bare backslash', `${location}/data/region=a\\b/x.parquet`],
    ['a zero byte', `${location}/data/region=a%00b/x.parquet`],
    ['a star', `${location}/data/region=*/x.parquet`],
    ['dots inside of it', `${location}/data/region=a%2F..%2Fb/x.parquet`],
  ])('A14 [C31] of %s are purged, and removed as orphans', async (_, file) => {
    const clock = new InstantClock()
    const io = new MemoryFileIO({ clock })
    await open(io, 'memory://lake/warehouse')
    await lake.create('d.t', columns)
    await io.write(file, Buffer.from('x'))
    clock.advance(weekMs)
    const orphans = await removeOrphanFiles(
      { ...tools(), catalog: lake.catalog, clock },
      identifier,
      {
        execute: true,
      },
    )
    expect(orphans.orphans.map((orphan) => orphan.location)).toEqual([file])
    expect(await io.stat(file)).toBeUndefined()
    await io.write(file, Buffer.from('x'))
    await foreign([file])
    expect(await purge()).toEqual({ filesLeft: [] })
    expect(await io.stat(file)).toBeUndefined()
  })

  it.each([
    ['beside the table', 'memory://lake/warehouse/d/other/x.parquet'],
    ['above it', `${location}/data/../../other/x.parquet`],
    ['above it, escaped', `${location}/data/%2e%2e/%2e%2e/%2E%2E/%2e%2e/other/x.parquet`],
    ['above it, escaped twice', `${location}/%252e%252e%252fother/x.parquet`],
    ['above it, with backslashes', `${location}/..\\other/x.parquet`],
    ['of a name like its own', `${location}2/x.parquet`],
  ])('A14 [C22] [C24] [C31] %s are left, and named by purge and expiry', async (_, file) => {
    await open(new MemoryFileIO(), 'memory://lake/warehouse')
    await lake.create('d.t', columns)
    await lake.io.write(file, Buffer.from('x'))
    await foreign([file])
    await lake.update('d.t', [{ action: 'remove-snapshot-ref', refName: 'main' }])
    const { left } = await expireSnapshots(lake.catalog, identifier, tools(), {
      olderThanMs: BigInt(systemClock.now()) + 10_000n,
      dryRun: true,
    })
    const named = { location: file, reason: "it is not in the table's folder" }
    expect(left).toEqual([named])
    expect(await purge()).toEqual({ filesLeft: [named] })
    expect(await lake.io.stat(file)).toBeDefined()
  })

  it('A14 [C24] that the store does not delete are named, and not counted as deleted', async () => {
    await open(new Stubborn(), 'memory://lake/warehouse')
    const { metadata } = await lake.create('d.t', columns)
    const file = `${metadata.location}/data/kept.parquet`
    await lake.io.write(file, Buffer.from('x'))
    await foreign([file])
    await lake.update('d.t', [{ action: 'remove-snapshot-ref', refName: 'main' }])
    const { left, unreachable } = await expireSnapshots(lake.catalog, identifier, tools(), {
      olderThanMs: BigInt(systemClock.now()) + 10_000n,
    })
    expect(unreachable.files).toEqual([])
    expect(left).toContainEqual({ location: file, reason: 'the store is away' })
  })
})

/** A store that keeps some files whatever it is told. */
class Stubborn extends MemoryFileIO {
  override async delete(locations: readonly string[]): Promise<void> {
    if (locations.some((location) => location.includes('kept')))
      throw new Error('the store is away')
    await super.delete(locations)
  }
}

describe('the removal of orphans in the folder of a Hadoop table', () => {
  let clock: InstantClock
  let io: MemoryFileIO

  beforeEach(async () => {
    clock = new InstantClock()
    io = new MemoryFileIO({ clock })
    await open(io, 'memory://lake/warehouse')
  })

  const sweep = () =>
    removeOrphanFiles({ ...tools(), catalog: lake.catalog, clock }, identifier, { execute: true })

  it('D [K16] keeps version-hint.text, its metadata and the marks of other tools', async () => {
    const { metadata, metadataLocation } = await lake.create('d.t', columns)
    const kept = [
      'metadata/version-hint.text',
      'metadata/v1.metadata.json',
      'data_$folder$',
      '_tidewater/notes.json',
      'data/_SUCCESS',
    ].map((name) => `${metadata.location}/${name}`)
    const state = { ...JSON.parse(Buffer.from(await io.read(metadataLocation)).toString()) }
    state['last-updated-ms'] = 1
    for (const location of kept) await io.write(location, Buffer.from(JSON.stringify(state)))
    const orphan = `${metadata.location}/data/lost.parquet`
    await io.write(orphan, Buffer.from('x'))
    clock.advance(weekMs)
    expect((await sweep()).orphans.map(({ location }) => location)).toEqual([orphan])
    for (const location of kept) expect(await io.stat(location)).toBeDefined()
  })

  it('D [K16] deletes nothing while Hadoop still commits to the table', async () => {
    const { metadata, metadataLocation } = await lake.create('d.t', columns)
    const state = { ...JSON.parse(Buffer.from(await io.read(metadataLocation)).toString()) }
    state['last-updated-ms'] += 1
    const newest = `${metadata.location}/metadata/v12.metadata.json`
    await io.write(newest, Buffer.from(JSON.stringify(state)))
    await io.write(`${metadata.location}/data/theirs.parquet`, Buffer.from('x'))
    clock.advance(weekMs)
    await expect(sweep()).rejects.toThrow(/another catalog commits to this table.*v12\.metadata/s)
  })
})
