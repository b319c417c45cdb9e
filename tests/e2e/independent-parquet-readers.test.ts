/** Data files as readers see them that share no code with the engine that wrote them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import parquet from 'parquetjs-lite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NestedField } from '../../catalog/format/index.ts'
import type { WrittenFile } from '../../catalog/index.ts'
import { createDataFileWriter, type Database, openDatabase } from '../../sql/index.ts'

const fields: readonly NestedField[] = [
  { id: 1, name: 'id', required: false, type: { type: 'long' } },
  { id: 2, name: 'name', required: false, type: { type: 'string' } },
  { id: 3, name: 'price', required: false, type: { type: 'double' } },
  { id: 4, name: 'ok', required: false, type: { type: 'boolean' } },
]
const rowCount = 5000
let directory: string
let database: Database

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-readers-'))
  database = await openDatabase({ threads: 2 })
  const rows = Array.from({ length: rowCount }, (_, id) => row(id))
  await writeFile(
    join(directory, 'rows.ndjson'),
    `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`,
  )
})

afterAll(async () => {
  database.close()
  await rm(directory, { recursive: true, force: true })
})

function row(id: number): Record<string, unknown> {
  return { id, name: id % 7 === 0 ? null : `naïve ${id} 😀`, price: id / 8, ok: id % 2 === 0 }
}

async function write(codec: string): Promise<WrittenFile> {
  const { files } = await createDataFileWriter(database).write({
    schema: { schemaId: 0, identifierFieldIds: [], fields },
    spec: { specId: 0, fields: [] },
    spools: [{ path: join(directory, 'rows.ndjson'), rowCount, sizeBytes: 1, rowBytesMax: 200 }],
    directory,
    sideFields: [],
    properties: { 'write.parquet.compression-codec': codec },
  })
  const [file] = files
  if (file === undefined || files.length !== 1) throw new Error('expected one file')
  return file
}

const byId = (a: { id: number }, b: { id: number }): number => a.id - b.id

describe('data files read by others', () => {
  it.each(['gzip', 'snappy'])('parquetjs-lite reads every row of a %s file', async (codec) => {
    const file = await write(codec)
    const reader = await parquet.ParquetReader.openFile(file.localPath)
    const cursor = reader.getCursor()
    const found: { id: number }[] = []
    for (let next = await cursor.next(); next !== null; next = await cursor.next()) {
      // Its plain-encoded doubles come as text.
      const { name = null, id, price, ...rest } = next
      const row = { ...rest, name, id: Number(id), price: Number(price) }
      found.push(row as unknown as { id: number })
    }
    await reader.close()
    expect(found.sort(byId)).toEqual(Array.from({ length: rowCount }, (_, id) => row(id)))
  })

  it('hyparquet reads every row of a snappy file and finds field ids and exact offsets', async () => {
    const file = await write('snappy')
    const buffer = await asyncBufferFromFile(file.localPath)
    const metadata = await parquetMetadataAsync(buffer)
    const found = (await parquetReadObjects({ file: buffer })) as { id: bigint | number }[]
    const rows = found.map((r) => ({ ...r, id: Number(r.id) })).sort(byId)
    expect(rows).toEqual(Array.from({ length: rowCount }, (_, id) => row(id)))
    expect(metadata.schema.slice(1).map((node) => node.field_id)).toEqual([1, 2, 3, 4])
    const starts = metadata.row_groups.map((group) => {
      const column = group.columns[0]?.meta_data
      return BigInt(column?.dictionary_page_offset ?? column?.data_page_offset ?? 0n)
    })
    expect(file.splitOffsets).toEqual(starts)
    expect(file.fileSizeInBytes).toBe(BigInt(buffer.byteLength))
  })
})
