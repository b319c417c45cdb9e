/**
 * Upkeep of a table on a real MinIO, judged by PyIceberg and DuckDB's iceberg extension: the same rows
 * before and after the files were rewritten, the snapshots expired and the folder swept.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expireSnapshots, type Table } from '../../catalog/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { removeOrphanFiles, rewriteOptions, rewriteTable } from '../../compactor/index.ts'
import { openS3FileIO } from '../../io/index.ts'
import { createDataFileRewriter } from '../../sql/index.ts'
import { type MinioService, requirePart, startMinio } from '../support/services/index.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'
import {
  type S3Access,
  tableReaders,
  type TableReader,
  tableSummary,
  type TableSummary,
} from '../support/table-judge.ts'

const bucket = 'upkeep'
const identifier = { namespace: ['d'], name: 'events' }
const commits = 6

describe.skipIf(!requirePart('minio') || !requirePart('python'))('upkeep on MinIO', () => {
  let minio: MinioService
  let s3: S3Access
  let lake: SqlLake
  const tools = { clock: systemClock, random: systemRandom, logger: silentLogger }
  const before = new Map<TableReader, TableSummary>()

  beforeAll(async () => {
    minio = await startMinio({ buckets: [bucket] })
    const { endpoint, accessKeyId, secretAccessKey } = minio
    s3 = { endpoint, accessKeyId, secretAccessKey }
    lake = await openSqlLake({ io: await openS3FileIO(s3), warehouse: `s3://${bucket}/lake` })
    await lake.create(
      'd.events',
      [
        'id long',
        'ts timestamptz',
        'amount decimal(20,4)',
        'ratio double',
        'part int',
        'pos long',
        'tag string',
      ],
      ['day(ts)'],
    )
    for (let commit = 0; commit < commits; commit++) {
      await lake.append(
        'd.events',
        `SELECT ${commit} * 1000 + i AS id, TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (i % 3) DAY AS ts,
          (i * 12345.6789)::DECIMAL(20,4) AS amount, CASE WHEN i % 5 = 0 THEN NULL ELSE i / 8.0 END AS ratio,
          0::INTEGER AS part, (${commit} * 300 + i)::BIGINT AS pos, CASE WHEN i % 2 = 0 THEN 'ä' || i END AS tag FROM range(300) t(i)`,
      )
    }
    for (const reader of tableReaders) before.set(reader, await judge(reader))
  })

  afterAll(async () => {
    await lake?.io.close()
    await lake?.close()
    await minio?.stop()
  })

  const table = (): Promise<Table> => lake.catalog.loadTable(identifier)

  async function judge(reader: TableReader): Promise<TableSummary> {
    const { metadataLocation } = await table()
    return tableSummary(
      reader,
      { metadataLocation },
      {
        s3,
        sums: ['id', 'amount', 'ratio'],
        day: 'ts',
        partitionColumn: 'part',
        offsetColumn: 'pos',
      },
    )
  }

  async function expectSameRows(): Promise<void> {
    for (const reader of tableReaders) {
      const { files: _, snapshotId: __, ...rows } = before.get(reader) as TableSummary
      expect(await judge(reader)).toMatchObject(rows)
    }
  }

  it('[K5, K6] other engines read the same rows from the rewritten files', async () => {
    expect(before.get('pyiceberg')).toMatchObject({ count: commits * 300, files: commits * 3 })
    const workDirectory = join(lake.directory, 'compaction')
    const report = await rewriteTable(
      {
        ...tools,
        catalog: lake.catalog,
        io: lake.io,
        rewriter: createDataFileRewriter(lake.database),
        workDirectory,
      },
      identifier,
      { options: (properties) => rewriteOptions(properties) },
    )
    expect(report.groups.map(({ filesBefore, filesAfter }) => [filesBefore, filesAfter])).toEqual([
      [commits, 1],
      [commits, 1],
      [commits, 1],
    ])
    await expectSameRows()
    expect((await judge('pyiceberg')).files).toBe(3)
    expect(await readdir(workDirectory)).toEqual([])
  })

  it('other engines read the same rows when the old snapshots and their files are gone', async () => {
    const expired = await expireSnapshots(
      lake.catalog,
      identifier,
      { ...tools, io: lake.io },
      { olderThanMs: BigInt(systemClock.now()) },
    )
    expect(expired.snapshotIds).toHaveLength(commits)
    expect(expired.unreachable.files).toHaveLength(commits * 3)
    await expectSameRows()
    const left: string[] = []
    for await (const { location } of lake.io.list(`${(await table()).metadata.location}/data/`)) {
      left.push(location)
    }
    expect(left).toHaveLength(3)
  })

  it('[K9] the sweep finds only what nothing refers to', async () => {
    const orphan = `${(await table()).metadata.location}/data/lost.parquet`
    await lake.io.write(orphan, new Uint8Array(1))
    const later = { ...systemClock, now: () => systemClock.now() + 4 * 86_400_000 }
    const parts = { catalog: lake.catalog, io: lake.io, clock: later }
    const report = await removeOrphanFiles(parts, identifier, { execute: true })
    expect(report.orphans.map(({ location }) => location)).toEqual([orphan])
    await expectSameRows()
  })
})
