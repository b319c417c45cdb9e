import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { seededRandom } from '../../common/index.ts'
import { MemoryFileIO, type ObjectInfo } from '../../io/index.ts'
import { newTableMetadata } from '../table/new-table-metadata.ts'
import type { WrittenFile } from './data-file-writer.ts'
import { uploadDataFiles, uploadPositionDeletes } from './upload.ts'

const metadata = newTableMetadata({
  tableUuid: '00000000-0000-4000-8000-000000000000',
  location: 'memory://lake/orders',
  schema: {
    schemaId: 0,
    identifierFieldIds: [],
    fields: [{ id: 1, name: 'id', required: false, type: { type: 'int' } }],
  },
  partitionSpec: {
    specId: 0,
    fields: [{ sourceId: 1, fieldId: 1000, name: 'id', transform: { kind: 'identity' } }],
  },
  nowMs: 1,
})

/** Fails where the test says so, before or after the object is there, and notes the clean-up. */
class TroubledFileIO extends MemoryFileIO {
  readonly deleted: string[] = []
  fail: (localPath: string) => 'before' | 'after' | 'no' = () => 'no'

  override async upload(localPath: string, location: string): Promise<ObjectInfo> {
    const fails = this.fail(localPath)
    if (fails === 'before') throw new Error('the store is away')
    const stored = await super.upload(localPath, location)
    if (fails === 'after') throw new Error('the answer was lost')
    return stored
  }

  override async delete(locations: readonly string[]): Promise<void> {
    this.deleted.push(...locations)
    await super.delete(locations)
  }
}

let directory: string
let io: TroubledFileIO
const random = seededRandom(1)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'upload-'))
  io = new TroubledFileIO()
})

afterEach(() => rm(directory, { recursive: true, force: true }))

async function written(count: number): Promise<readonly WrittenFile[]> {
  const files: WrittenFile[] = []
  for (let index = 0; index < count; index++) {
    const localPath = join(directory, `${index}.parquet`)
    await writeFile(localPath, 'x'.repeat(index + 1))
    files.push({
      localPath,
      partition: [index],
      recordCount: 1n,
      fileSizeInBytes: 0n,
      columnSizes: new Map(),
      valueCounts: new Map(),
      nullValueCounts: new Map(),
      nanValueCounts: new Map(),
      lowerBounds: new Map(),
      upperBounds: new Map(),
      splitOffsets: [],
    })
  }
  return files
}

async function stored(): Promise<readonly string[]> {
  const locations: string[] = []
  for await (const { location } of io.list('memory://lake/')) locations.push(location)
  return locations
}

test('files come back in order, under new names in their partition, with the size of the store', async () => {
  const files = await uploadDataFiles({ io, random }, metadata, await written(9))
  expect(files.map(({ fileSizeInBytes }) => fileSizeInBytes)).toEqual(
    Array.from({ length: 9 }, (_, index) => BigInt(index + 1)),
  )
  for (const [index, file] of files.entries()) {
    expect(file.filePath).toMatch(
      new RegExp(`^memory://lake/orders/data/id=${index}/[0-9a-f-]{36}\\.parquet$`),
    )
    expect(file).toMatchObject({ content: 'data', fileFormat: 'PARQUET', specId: 0 })
    expect(file).not.toHaveProperty('localPath')
  }
  expect([...(await stored())].sort()).toEqual(files.map(({ filePath }) => filePath).sort())
})

test.each(['before', 'after'] as const)(
  'a failure %s the object is there leaves nothing behind',
  async (when) => {
    io.fail = (localPath) => (localPath.endsWith('/5.parquet') ? when : 'no')
    const uploading = uploadDataFiles({ io, random }, metadata, await written(9))
    await expect(uploading).rejects.toThrow(when === 'before' ? 'is away' : 'was lost')
    expect(await stored()).toEqual([])
  },
)

test('the failure of an upload is thrown, not that of the clean-up', async () => {
  io.fail = () => 'after'
  io.delete = () => Promise.reject(new Error('nor can it delete'))
  const uploading = uploadDataFiles({ io, random }, metadata, await written(2))
  await expect(uploading).rejects.toThrow('was lost')
})

test('an abort stops the uploads and leaves nothing behind', async () => {
  const stopping = new AbortController()
  io.fail = (localPath) => {
    if (localPath.endsWith('/3.parquet')) stopping.abort(new Error('stopped'))
    return 'no'
  }
  const tools = { io, random, signal: stopping.signal }
  await expect(uploadDataFiles(tools, metadata, await written(9))).rejects.toThrow('stopped')
  expect(await stored()).toEqual([])
})

test('a position delete file lies in the partition of its data file and names it', async () => {
  const [target] = await uploadDataFiles({ io, random }, metadata, await written(1))
  if (target === undefined) throw new Error('one file was uploaded')
  const localPath = join(directory, 'deletes.parquet')
  await writeFile(localPath, 'xyz')
  const positions = { recordCount: 1n, fileSizeInBytes: 0n, posMin: 0n, posMax: 0n }
  const [deletes] = await uploadPositionDeletes({ io, random }, metadata, [
    { localPath, target, ...positions },
  ])
  expect(deletes?.referencedFiles).toEqual([target.filePath])
  expect(deletes?.file).toMatchObject({
    content: 'position-deletes',
    specId: 0,
    partition: [0],
    fileSizeInBytes: 3n,
    referencedDataFile: target.filePath,
  })
  expect(deletes?.file.filePath).toMatch(/\/data\/id=0\/[0-9a-f-]{36}-deletes\.parquet$/)
})
