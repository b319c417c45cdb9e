/**
 * Rows that go from files which keep others: written again or deleted by position, whichever is cheaper,
 * and either way the same table for every reader.
 */
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSnapshot } from '../../catalog/format/index.ts'
import {
  commitAction,
  positionDeleteFile,
  RowDelta,
  type Table,
  type TableCommit,
} from '../../catalog/index.ts'
import { type FileScanTask, planScan } from '../../catalog/scan/index.ts'
import { loadProject, runProject } from '../../batch-jobs/index.ts'
import { rewriteOptions, rewriteTable } from '../../compactor/index.ts'
import { createDataFileRewriter, openQueryStage } from '../../sql/index.ts'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'
import { foreignFiles, foreignRows } from '../support/foreign-reader.ts'

let project: BatchProject

beforeEach(async () => {
  project = await openBatchProject({ now: '2026-02-01T00:00:00Z' })
})

afterEach(() => project.close())

const history = 'models.people_history'
const mergeOnRead = "{'write.update.mode': 'merge-on-read', 'write.delete.mode': 'merge-on-read'}"

/** `n` people in one version each; those below `changed` have another value. */
async function people(n: number, changed: number, value: string): Promise<void> {
  await project.files({
    'models/people.sql': `SELECT i AS id, CASE WHEN i < ${changed} THEN '${value}' ELSE 'old' END AS value,
      md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS filler FROM range(${n}) t(i)`,
  })
  await project.build({ select: ['people'] })
}

async function keep(properties: string, more = ''): Promise<void> {
  await project.files({
    'snapshots/people_history.sql': `{{ config(strategy='check', unique_key='id', check_cols=['value'],
      properties=${properties}${more}) }} SELECT * FROM {{ ref('people') }}`,
  })
}

async function observe(): Promise<Table> {
  project.clock.advance(60_000)
  await project.build({ verb: 'snapshot' })
  return project.lake.load(history)
}

async function tasks(name = history): Promise<readonly FileScanTask[]> {
  return (await planScan(project.lake.io, await project.lake.load(name))).tasks
}

function summary(table: Table): Readonly<Record<string, string>> {
  return currentSnapshot(table.metadata)?.summary ?? { operation: 'none' }
}

/** Rows of the history by plain DuckDB over the files that manifests name, without a reader of ours. */
async function foreign(select: string, table = history): Promise<readonly string[]> {
  const files = await foreignFiles(`${project.directory}/warehouse`, table)
  return project.lake.database.withConnection(async (connection) => {
    const read = await connection.runAndReadAll(`${select} FROM ${foreignRows(files)} ORDER BY ALL`)
    return read.getRows().map((row) => row.map(String).join('|'))
  })
}

const counts =
  'SELECT count(*), count(*) FILTER (valid_to IS NULL), count(DISTINCT id), count(DISTINCT scd_id)'

describe('a history with few changes', () => {
  it('[B12] deletes by position where a small share of a large file changes, and rewrites the rest', async () => {
    await people(40_000, 0, '')
    await keep('{}')
    await observe()
    const [first] = await tasks()
    expect(first?.file.fileSizeInBytes).toBeGreaterThan(1n << 20n)

    await people(40_000, 40, 'new')
    const few = await observe()
    expect(summary(few)).toMatchObject({
      operation: 'overwrite',
      'added-position-deletes': '40',
      'added-records': '80',
    })
    expect(summary(few)['deleted-data-files']).toBeUndefined()
    expect(await foreign(counts)).toEqual(['40040|40000|40000|40040'])

    // What was gone and what goes now are above the share together: the file is written again.
    await people(40_000, 2_030, 'newer')
    const many = await observe()
    expect(summary(many)).toMatchObject({ 'removed-delete-files': '1' })
    expect(summary(many)['added-delete-files']).toBeUndefined()
    expect((await tasks()).flatMap(({ deletes }) => deletes)).toEqual([])
    expect(await foreign(counts)).toEqual(['42070|40000|40000|42070'])
  })

  it('[B12] writes a small file again, whatever the share', async () => {
    await people(300, 0, '')
    await keep('{}')
    await observe()
    await people(300, 1, 'new')
    const table = await observe()
    expect(summary(table)).toMatchObject({ 'deleted-data-files': '1', 'added-records': '301' })
    expect(summary(table)['added-delete-files']).toBeUndefined()
  })

  it('[B12] goes by the properties of Iceberg where they are set', async () => {
    await people(40_000, 0, '')
    await keep("{'write.update.mode': 'copy-on-write'}")
    await observe()
    await people(40_000, 1, 'new')
    expect(summary(await observe())).toMatchObject({
      'deleted-data-files': '1',
      'added-records': '40001',
    })
    await project.lake.update(history, [
      { action: 'set-properties', updates: { 'write.update.mode': 'sometimes' } },
    ])
    await people(40_000, 2, 'new')
    const { results } = await project.run({ verb: 'snapshot' })
    expect(results[0]?.message).toMatch(/merge-on-read.*value=sometimes/)
  })

  it('[B12] keeps one delete file beside a data file, however many runs took rows from it', async () => {
    await people(300, 0, '')
    await keep(mergeOnRead)
    await observe()
    const [original] = await tasks()
    for (const changed of [1, 3, 7, 7]) {
      await people(300, changed, `v${changed}`)
      await observe()
    }
    const found = (await tasks()).find(({ file }) => file.filePath === original?.file.filePath)
    expect(found?.deletes.map(({ recordCount }) => recordCount)).toEqual([7n])
    const { deletes } = await foreignFiles(`${project.directory}/warehouse`, history)
    const targets = await project.lake.database.withConnection(async (connection) => {
      const list = deletes.map((path) => `'${path}'`).join(', ')
      const read = await connection.runAndReadAll(
        `SELECT count(DISTINCT file_path), count(DISTINCT filename) FROM read_parquet([${list}], filename = true)`,
      )
      return read.getRows()[0]
    })
    expect(targets?.[0]).toBe(targets?.[1])
    expect(await foreign(counts)).toEqual(['311|300|300|311'])
    expect(summary(await project.lake.load(history))['total-position-deletes']).toBe(
      String(
        (await tasks()).reduce((sum, task) => sum + Number(task.deletes[0]?.recordCount ?? 0n), 0),
      ),
    )
  })

  it('[B12] deletes in the partition and spec of the data file, also after the table was partitioned anew', async () => {
    await people(30, 0, '')
    await keep(mergeOnRead, ", partition_by=['bucket(4, id)']")
    await observe()
    const { metadata } = await project.lake.load(history)
    const fields = [{ fieldId: 1001, sourceId: 2, name: 'value', transform: { kind: 'identity' } }]
    await project.lake.update(history, [
      { action: 'add-spec', spec: { specId: 1, fields } } as never,
      { action: 'set-default-spec', specId: -1 } as never,
    ])
    expect(metadata.defaultSpecId).toBe(0)
    await people(30, 9, 'new')
    await observe()
    const thinned = (await tasks()).filter(({ deletes }) => deletes.length > 0)
    expect(thinned.length).toBeGreaterThan(1)
    for (const { file, deletes } of thinned) {
      expect(deletes[0]).toMatchObject({ specId: file.specId, partition: file.partition })
      expect(file.specId).toBe(0)
      expect(dirname(deletes[0]?.filePath ?? '')).toBe(dirname(file.filePath))
    }
    expect((await project.lake.load(history)).metadata.defaultSpecId).toBe(1)
    expect(await foreign(counts)).toEqual(['39|30|30|39'])
  })

  it('[B5, B12] plans again when a compaction or a foreign delete comes between', async () => {
    await people(500, 0, '')
    await keep(mergeOnRead)
    await observe()
    await people(500, 5, 'new')
    await observe()
    await people(500, 8, 'newer')
    const rivals: (() => Promise<unknown>)[] = [compact, deleteSomebody]
    const { catalog } = project.lake
    const racing = new Proxy(catalog, {
      get: (target, key) => {
        if (key === 'commitTable') {
          return async (commit: TableCommit) => {
            if (commit.identifier.name === 'people_history') await rivals.shift()?.()
            return target.commitTable(commit)
          }
        }
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    project.clock.advance(60_000)
    const loaded = await loadProject({ directory: project.directory, namespace: 'models' })
    const run = await runProject({ ...project.tools, catalog: racing }, loaded, {
      verb: 'snapshot',
    })
    expect(run.results.map(({ status, message }) => `${status} ${message}`)).toEqual([
      'success 15 rows of history are new or changed',
      'pass ',
    ])
    expect(rivals).toEqual([])
    // Person 7 was taken out by somebody between plan and commit, and has come anew since.
    expect(await foreign(counts)).toEqual(['512|500|500|512'])
    const rows = await foreign('SELECT id, value, valid_to IS NULL')
    expect(rows.filter((row) => row.startsWith('7|'))).toEqual(['7|newer|true'])
  })

  it('[B5] lets one of two schedulers win, by position deletes too', async () => {
    await people(100, 0, '')
    await keep(mergeOnRead)
    await observe()
    await people(100, 4, 'new')
    project.clock.advance(60_000)
    const both = await Promise.all([1, 2, 3].map(() => project.run({ verb: 'snapshot' })))
    expect(both.map(({ results }) => results[0]?.status).sort()).toEqual([
      'skipped',
      'skipped',
      'success',
    ])
    expect(await foreign(counts)).toEqual(['104|100|100|104'])
  })

  it('[B12] leaves nothing to delete after a compaction, and goes on from there', async () => {
    await people(500, 0, '')
    await keep(mergeOnRead)
    await observe()
    await people(500, 50, 'new')
    await observe()
    await compact()
    expect((await tasks()).map(({ deletes }) => deletes.length)).toEqual([0])
    expect(await foreign(counts)).toEqual(['550|500|500|550'])
    const { deletes } = await foreignFiles(`${project.directory}/warehouse`, history)
    expect(deletes).toEqual([])
    await people(500, 51, 'newer')
    await observe()
    expect(await foreign(counts)).toEqual(['601|500|500|601'])
  })

  it('writes what the spec asks of a delete file', async () => {
    await people(50, 0, '')
    await keep(mergeOnRead)
    await observe()
    await people(50, 5, 'new')
    await observe()
    const [path = ''] = (await foreignFiles(`${project.directory}/warehouse`, history)).deletes
    await project.lake.database.withConnection(async (connection) => {
      const ids = await connection.runAndReadAll(
        `SELECT name, field_id::BIGINT FROM parquet_schema('${path}') WHERE field_id IS NOT NULL`,
      )
      expect(ids.getRows()).toEqual([
        ['file_path', 2147483546n],
        ['pos', 2147483545n],
      ])
      const rows = await connection.runAndReadAll(`SELECT file_path, pos FROM '${path}'`)
      const places = rows.getRows().map(([file, pos]) => [String(file), Number(pos)] as const)
      expect(places).toEqual([...places].sort((a, b) => a[1] - b[1]))
      expect(new Set(places.map(([file]) => file)).size).toBe(1)
    })
    expect((await readFile(path)).subarray(0, 4).toString()).toBe('PAR1')
    const [task] = (await tasks()).filter(({ deletes }) => deletes.length > 0)
    const bounds = [task?.deletes[0]?.lowerBounds, task?.deletes[0]?.upperBounds]
    expect(bounds.map((each) => Buffer.from(each?.get(2147483546) ?? []).toString())).toEqual([
      task?.file.filePath,
      task?.file.filePath,
    ])
  })
})

describe('intervals that share a file with others', () => {
  const day = `SELECT date_trunc('day', ts)::TIMESTAMP AS day, count(*) AS n, sum(id)::BIGINT AS total
    FROM {{ source('web', 'events') }} WHERE ts >= '{{ start }}' AND ts < '{{ end }}' GROUP BY ALL`
  const files = (properties: string): Record<string, string> => ({
    'models/daily.sql': `{{ config(materialized='incremental', event_time='day', batch_size='day',
      begin='2026-01-01', lookback=0, properties=${properties}) }} ${day}`,
    'models/monthly.sql': `{{ config(materialized='incremental', event_time='month', batch_size='month',
      begin='2025-12-01', lookback=0) }} SELECT date_trunc('month', day)::TIMESTAMP AS month, sum(n)::BIGINT AS n
      FROM {{ ref('daily') }} WHERE day >= '{{ start }}' AND day < '{{ end }}' GROUP BY ALL`,
    'models/sources.yml':
      'sources: [{ name: web, tables: [{ name: events, config: { event_time: ts } }] }]',
  })

  it('[B3, B4, B12] replaces late days by position, and makes stale what stands on their file', async () => {
    await project.lake.create('web.events', ['id long', 'ts timestamp'])
    await project.lake.append(
      'web.events',
      `SELECT i::BIGINT AS id, TIMESTAMP '2026-01-01' + INTERVAL (i) HOUR AS ts FROM range(720) t(i)`,
    )
    await project.files(files(mergeOnRead))
    await project.build()
    for (const late of [
      "1000::BIGINT AS id, TIMESTAMP '2026-01-05 10:00'",
      "2000::BIGINT AS id, TIMESTAMP '2026-01-17 10:00'",
    ]) {
      await project.lake.append('web.events', `SELECT ${late} AS ts`)
    }
    const { results } = await project.run()
    expect(results.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'daily success',
      'monthly success',
    ])
    const daily = await project.lake.load('models.daily')
    expect(summary(daily)).toMatchObject({
      'added-position-deletes': '2',
      'added-records': '2',
      'tidewater.intervals':
        '[2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z), [2026-01-17T00:00:00Z, 2026-01-18T00:00:00Z)',
    })
    expect(results[1]?.computed).toEqual([
      { startMs: Date.parse('2026-01-01'), endMs: Date.parse('2026-02-01') },
    ])
    const expected = await project.rows(
      "SELECT date_trunc('day', ts)::TIMESTAMP, count(*), sum(id) FROM web.events GROUP BY ALL",
    )
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(expected)
    expect(await foreign('SELECT count(*), sum(n), sum(total)', 'models.daily')).toEqual([
      `30|722|${(719 * 720) / 2 + 3000}`,
    ])
    expect(await project.rows('SELECT n FROM models.monthly')).toEqual(['722'])
    expect(await project.build()).toEqual(['daily skipped', 'monthly skipped'])

    const window = { startMs: Date.parse('2026-01-05'), endMs: Date.parse('2026-01-07') }
    await project.build({ select: ['daily'], window })
    expect(await project.rows('SELECT * FROM models.daily')).toEqual(expected)
  })

  it('[B12] does not touch a file that only could hold rows of the interval', async () => {
    await project.lake.create('web.events', ['id long', 'ts timestamp'])
    await project.lake.append(
      'web.events',
      `SELECT * FROM (VALUES (1::BIGINT, TIMESTAMP '2026-01-02 01:00'), (2, TIMESTAMP '2026-01-20 01:00')) t(id, ts)`,
    )
    await project.files(files('{}'))
    await project.build({ select: ['daily'] })
    const before = await tasks('models.daily')
    await project.lake.append('web.events', "SELECT 3::BIGINT AS id, TIMESTAMP '2026-01-10' AS ts")
    await project.build({ select: ['daily'] })
    const after = (await tasks('models.daily')).map(({ file }) => file.filePath)
    expect(after).toEqual(expect.arrayContaining(before.map(({ file }) => file.filePath)))
    expect(await project.rows('SELECT total FROM models.daily')).toEqual(['1', '2', '3'])
  })
})

async function compact(): Promise<void> {
  const { io, catalog, clock, random, logger } = project.tools
  const rewriter = createDataFileRewriter(project.lake.database)
  const workDirectory = `${project.directory}/compaction`
  const { identifier } = await project.lake.load(history)
  const report = await rewriteTable(
    { io, catalog, clock, random, logger, rewriter, workDirectory },
    identifier,
    { options: (properties) => rewriteOptions(properties, { 'rewrite-all': 'true' }) },
  )
  expect(report.groups.length).toBeGreaterThan(0)
}

/** Another writer takes one person out of the history, all versions. */
async function deleteSomebody(): Promise<void> {
  const { tools, lake } = project
  const table = await lake.load(history)
  const stage = await openQueryStage({ ...tools.query, catalog: tools.catalog })
  try {
    await stage.load(
      'gone',
      `SELECT "$path" AS file_path, "$pos" AS pos FROM ${history} WHERE id = 7`,
    )
    const targets = (await tasks()).map(({ file }) => file)
    const written = await stage.deletes.write({
      rows: 'SELECT * FROM gone',
      targets,
      directory: lake.directory,
      properties: {},
    })
    const deletes = await Promise.all(
      written.map(async ({ localPath, target, ...positions }, index) => {
        const filePath = `${table.metadata.location}/data/erased-${index}.parquet`
        await tools.io.upload(localPath, filePath)
        const { specId, partition } = target
        const referencedFiles = [target.filePath]
        const place = { filePath, specId, partition, referencedFiles }
        return { file: positionDeleteFile({ ...positions, ...place }), referencedFiles }
      }),
    )
    const changes = { baseSnapshotId: table.metadata.currentSnapshotId, deletes }
    await commitAction(lake.catalog, table.identifier, new RowDelta(tools, { changes }), tools)
  } finally {
    stage.close()
  }
}
