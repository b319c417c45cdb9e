import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { currentSnapshot, formatTimestamp } from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { openAnswers, type Answers } from '../../tests/support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'

let lake: SqlLake
let answers: Answers
let nowMs = 1_767_225_600_000
const tables: Table[] = []

beforeAll(async () => {
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: () => Promise.resolve() }
  lake = await openSqlLake({ clock })
  answers = await openAnswers(lake)
  await lake.create('d.t', ['a int'])
  for (const value of [1, 2, 3]) {
    nowMs += 3_600_000
    tables.push(await lake.append('d.t', `SELECT ${value} AS a`))
  }
  nowMs += 3_600_000
  await lake.append('d.t', 'SELECT 100 AS a', { branch: 'audit' })
  await lake.update('d.t', [
    {
      action: 'set-snapshot-ref',
      refName: 'first-day',
      ref: { type: 'tag', snapshotId: snapshotId(0) },
    },
  ])
})
afterAll(() => lake.close())

function snapshotId(index: number): bigint {
  const table = tables[index]
  const snapshot = table === undefined ? undefined : currentSnapshot(table.metadata)
  if (snapshot === undefined) throw new Error('no snapshot')
  return snapshot.snapshotId
}

function committedAt(index: number, plusMs = 0n): string {
  const table = tables[index]
  const snapshot = table === undefined ? undefined : currentSnapshot(table.metadata)
  return formatTimestamp(((snapshot?.timestampMs ?? 0n) + plusMs) * 1000n).replace('T', ' ')
}

async function values(from: string): Promise<string> {
  return (await answers.ask(`SELECT a FROM ${from} ORDER BY a`)).rows.join(' ')
}

describe('[Q4] time travel', () => {
  it('by snapshot id, in both spellings', async () => {
    expect(await values('d.t')).toBe('1 2 3')
    expect(await values(`d.t AT (VERSION => ${snapshotId(1)})`)).toBe('1 2')
    expect(await values(`d.t FOR VERSION AS OF ${snapshotId(0)}`)).toBe('1')
    expect(await values(`d.t FOR VERSION AS OF '${snapshotId(0)}'`)).toBe('1')
  })

  it('by branch and tag', async () => {
    expect(await values("d.t FOR VERSION AS OF 'audit'")).toBe('1 2 3 100')
    expect(await values("d.t AT (VERSION => 'first-day')")).toBe('1')
    expect(await values("d.t AT (VERSION => 'main')")).toBe('1 2 3')
  })

  it('by timestamp: the snapshot that was current then', async () => {
    expect(await values(`d.t AT (TIMESTAMP => TIMESTAMP '${committedAt(1)}')`)).toBe('1 2')
    expect(await values(`d.t AT (TIMESTAMP => TIMESTAMP '${committedAt(1, -1n)}')`)).toBe('1')
    expect(await values(`d.t FOR TIMESTAMP AS OF TIMESTAMP '${committedAt(2)} UTC'`)).toBe('1 2 3')
    expect(await values(`d.t FOR TIMESTAMP AS OF '${committedAt(0)}+00'`)).toBe('1')
    expect(await values(`d.t FOR TIMESTAMP AS OF '${committedAt(2)}' `)).toBe('1 2 3')
    expect(
      await values(`d.t FOR TIMESTAMP AS OF TIMESTAMP '${committedAt(2)}' - INTERVAL '90' MINUTE`),
    ).toBe('1')
    await expect(
      values(`d.t FOR TIMESTAMP AS OF TIMESTAMPTZ '${committedAt(0)}+02:00'`),
    ).rejects.toThrow(/no snapshot at that time/)
  })

  it('in one query with the present, each reference on its own', async () => {
    const sql = `SELECT n.a FROM d.t n ANTI JOIN d.t FOR VERSION AS OF ${snapshotId(1)} AS o ON n.a = o.a`
    const { rows, summary } = await answers.ask(sql)
    expect(rows).toEqual(['3'])
    expect(summary.tables.map((table) => [table.snapshotId, table.filesRead])).toEqual([
      [snapshotId(2), 3],
      [snapshotId(1), 2],
    ])
  })

  it('with aliases before or after, and conditions pruned on the old snapshot', async () => {
    const version = `(VERSION => ${snapshotId(1)})`
    expect(await values(`d.t AS x AT ${version} WHERE x.a > 1`)).toBe('2')
    expect(await values(`d.t AT ${version} AS x WHERE x.a > 1`)).toBe('2')
    expect(await values(`d.t AT ${version} AS x(a) WHERE x.a > 1`)).toBe('2')
    const { summary } = await answers.ask(`SELECT a FROM d.t AT ${version} WHERE d.t.a > 1`)
    expect(summary.tables[0]).toMatchObject({ filesRead: 1, filesTotal: 2 })
  })

  it('reaches metadata tables', async () => {
    const sql = `SELECT count(*) FROM d."t$files" FOR VERSION AS OF ${snapshotId(1)}`
    expect((await answers.ask(sql)).rows).toEqual(['2'])
  })
})
