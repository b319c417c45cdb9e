import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metadataTableNames } from '../../catalog/index.ts'
import { openAnswers, type Answers } from '../../tests/support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'

let lake: SqlLake
let answers: Answers

beforeAll(async () => {
  lake = await openSqlLake()
  answers = await openAnswers(lake)
  await lake.create(
    'd.t',
    ['id long', 'ts timestamp', 'm decimal(9,2)', 'b binary', 'f double', 'name string'],
    ['day(ts)', 'truncate(2, name)'],
  )
  await lake.append(
    'd.t',
    `SELECT 9007199254740993 AS id, TIMESTAMP '2026-01-01 10:00:00' AS ts, 1.25::DECIMAL(9,2) AS m,
      '\\xAB\\x00'::BLOB AS b, 'nan'::DOUBLE AS f, 'o''ne' AS name
     UNION ALL SELECT 2, TIMESTAMP '2026-01-02 10:00:00', NULL, NULL, 0.5, NULL`,
  )
  await lake.append('d.t', `SELECT 3::BIGINT AS id, TIMESTAMP '2026-01-02 11:00:00' AS ts`)
  await lake.create('d.empty', ['a int'])
})
afterAll(() => lake.close())

async function rows(sql: string): Promise<readonly string[]> {
  return (await answers.ask(sql)).rows
}

describe('metadata tables', () => {
  it.each(metadataTableNames.map((name) => [name]))(
    '"t$%s" can be read, also when empty',
    async (name) => {
      const { columns } = await answers.ask(`SELECT * FROM d."t$${name}"`)
      expect(columns.length).toBeGreaterThan(1)
      const empty = await answers.ask(`SELECT * FROM d."empty$${name}"`)
      const names = empty.columns.map((column) => column.name)
      expect(columns.map((column) => column.name)).toEqual(
        expect.arrayContaining(names.slice(0, 1)),
      )
    },
  )

  it('"t$snapshots" has the snapshots with exact ids', async () => {
    const { metadata } = await lake.load('d.t')
    const found = await rows(
      `SELECT snapshot_id, parent_id, operation, summary['added-records'] FROM d."t$snapshots" ORDER BY committed_at`,
    )
    expect(found).toEqual(
      metadata.snapshots.map(
        (snapshot, index) =>
          `${snapshot.snapshotId}|${snapshot.parentSnapshotId ?? 'NULL'}|append|${index === 0 ? 2 : 1}`,
      ),
    )
  })

  it('"t$files" and "t$partitions" count rows', async () => {
    expect(await rows('SELECT count(*), sum(record_count) FROM d."t$files"')).toEqual(['3|3'])
    expect(
      await rows(
        `SELECT "partition".ts_day, "partition".name_trunc, record_count, file_count FROM d."t$partitions" ORDER BY ALL`,
      ),
    ).toEqual(["2026-01-01|o'|1|1", '2026-01-02|NULL|2|2'])
  })

  it('"t$history" and "t$refs" name the current snapshot', async () => {
    const { metadata } = await lake.load('d.t')
    expect(
      await rows('SELECT snapshot_id FROM d."t$history" ORDER BY made_current_at DESC LIMIT 1'),
    ).toEqual([String(metadata.currentSnapshotId)])
    expect(await rows('SELECT name, type, snapshot_id FROM d."t$refs"')).toEqual([
      `main|BRANCH|${metadata.currentSnapshotId}`,
    ])
  })

  it('join with tables, and are spelled like Spark spells them', async () => {
    expect(
      await rows(
        `SELECT count(*) FROM d.t, d."t$snapshots" s WHERE s.operation = 'append' AND d.t.id = 3`,
      ),
    ).toEqual(['2'])
    expect(await rows('SELECT count(*) FROM d.t.snapshots')).toEqual(['2'])
    expect(
      (await answers.ask('SELECT count(*) FROM t.files', { defaultNamespace: ['d'] })).rows,
    ).toEqual(['3'])
  })

  it('says which there are', async () => {
    await expect(rows('SELECT 1 FROM d."t$snaps"')).rejects.toThrow(
      /there is no metadata table \$snaps; there are \$snapshots, /,
    )
  })
})
