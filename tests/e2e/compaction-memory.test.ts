/**
 * "Bin-pack rewrite with bounded memory": far more data than the engine may hold goes through it, and
 * the process stays small.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DataFile } from '../../catalog/format/index.ts'
import { commitAction, FastAppend } from '../../catalog/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { LocalFileIO } from '../../io/index.ts'
import { foreignFiles, foreignRows } from '../support/foreign-reader.ts'
import type { RewriteFacts } from '../support/rewrite-process.ts'
import { repositoryRoot, runCommand } from '../support/services/index.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

const memoryLimitBytes = 64e6
const files = 16
const rowsPerFile = 200_000
/** What the runtime, malloc and the pages of files that are read take beside DuckDB's own accounting. */
const overheadBytes = 150e6

let directory = ''
let lake: SqlLake
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-compaction-memory-'))
  const warehouse = pathToFileURL(join(directory, 'warehouse')).href
  lake = await openSqlLake({ io: new LocalFileIO(), warehouse })
})
afterEach(async () => {
  await lake.close()
  await rm(directory, { recursive: true, force: true })
})

/** Values that no dictionary and no codec make small. */
const select = (file: number): string =>
  `SELECT (${file * rowsPerFile} + i)::BIGINT AS id, md5('a' || ${file} || '.' || i) AS a,
    sha256('b' || ${file} || '.' || i) AS b, (hash(i + ${file}) % 1000000) / 7.0 AS c
   FROM range(${rowsPerFile}) t(i)`

/** Written beside the catalog's own writer: the test measures the rewrite, not the writing. */
async function writeFile(file: number): Promise<DataFile> {
  const { metadata } = await lake.load('d.events')
  const filePath = `${metadata.location}/data/part-${file}.parquet`
  const local = join(directory, `part-${file}.parquet`)
  await lake.database.withConnection((connection) =>
    connection.run(
      `COPY (${select(file)}) TO '${local}' (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {id: 1, a: 2, b: 3, c: 4})`,
    ),
  )
  const fileSizeInBytes = BigInt((await stat(local)).size)
  await lake.io.upload(local, filePath)
  await rm(local)
  const recordCount = BigInt(rowsPerFile)
  const place = { content: 'data', filePath, fileFormat: 'PARQUET', specId: 0 } as const
  return { ...place, partition: [], recordCount, fileSizeInBytes }
}

/** By DuckDB on the files that the manifests name, without our reader. */
async function content(): Promise<unknown> {
  const found = await foreignFiles(join(directory, 'warehouse'), 'd.events')
  return lake.database.withConnection(async (connection) => {
    const reader = await connection.runAndReadAll(
      `SELECT count(*)::VARCHAR, sum(hash(id, a, b, c)::HUGEINT)::VARCHAR, sum(id)::VARCHAR,
        count(DISTINCT id)::VARCHAR FROM ${foreignRows(found)}`,
    )
    return reader.getRows()[0]
  })
}

describe('rewriteTable() within a memory limit', () => {
  it('[K5] rewrites many times what it may hold, and the process stays small', async () => {
    await lake.create('d.events', ['id long', 'a string', 'b string', 'c double'])
    const added: DataFile[] = []
    for (let file = 0; file < files; file++) added.push(await writeFile(file))
    const tools = { io: lake.io, clock: systemClock, random: systemRandom }
    const identifier = { namespace: ['d'], name: 'events' }
    await commitAction(lake.catalog, identifier, new FastAppend(tools, { files: added }), tools)
    const before = await content()
    const inputBytes = added.reduce((sum, file) => sum + Number(file.fileSizeInBytes), 0)
    expect(inputBytes).toBeGreaterThan(2.5 * memoryLimitBytes)

    const script = join(repositoryRoot, 'tests/support/rewrite-process.ts')
    const args = ['--import', 'tsx', script, directory, String(memoryLimitBytes)]
    const output = await runCommand(process.execPath, args, { cwd: repositoryRoot })
    const facts = JSON.parse(output) as RewriteFacts

    expect(facts).toMatchObject({ filesBefore: files, rows: String(files * rowsPerFile) })
    expect(facts.filesAfter).toBeLessThan(files / 3)
    expect(facts.residentBytesMax - facts.residentBytesBefore).toBeLessThan(
      memoryLimitBytes + overheadBytes,
    )
    expect(await content()).toEqual(before)
  })
})
