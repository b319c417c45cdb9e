/** CALL through `tide sql`: the same work as the commands of `tide table`, with Spark's output. */
import { access, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLake, openQueryEngine } from '../../app/index.ts'
import { parseLakeSettings } from '../../app/settings/index.ts'
import { parseJson } from '../../common/index.ts'
import { variableSource } from '../../settings/index.ts'
import { allRows, openDatabase } from '../../sql/index.ts'
import { tide as runTide, tideRows } from '../support/tide.ts'

const name = 'web.events'
let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-procedures-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const tide = (line: string | readonly string[], input = '') => runTide(line, { directory, input })
const rows = (line: string) => tideRows(line, { directory })

async function commits(count: number): Promise<void> {
  await tide('init . --template embedded-json')
  await produce(0, count, ' --create --partitions 1')
}

/** A commit for each record. */
async function produce(from: number, to: number, create = ''): Promise<void> {
  for (let id = from; id < to; id++) {
    await tide(`topic produce events${id === from ? create : ''}`, `{"id": ${id}, "name": "n"}\n`)
    const { code, stderr } = await tide('stream run --until latest')
    if (code !== 0) throw new Error(stderr)
  }
}

interface Called {
  readonly rows: readonly Record<string, unknown>[]
  readonly stderr: string
}

async function call(sql: string): Promise<Called> {
  const { code, stderr, stdout } = await tide(['sql', '-json', '-c', `CALL system.${sql}`])
  if (code !== 0) throw new Error(stderr)
  return { rows: parseJson(stdout, sql) as unknown as Called['rows'], stderr }
}

async function refusal(sql: string, ...flags: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await tide(['sql', ...flags, '-c', sql])
  expect([code, stdout]).toEqual([1, ''])
  return stderr
}

async function snapshotIds(): Promise<readonly string[]> {
  return (await rows(`table snapshots ${name}`)).map((row) => String(row['snapshot_id']))
}

async function ids(): Promise<readonly unknown[]> {
  const { stdout } = await tide(['sql', '-json', '-c', `SELECT id FROM ${name} ORDER BY ALL`])
  return (JSON.parse(stdout) as { readonly id: unknown }[]).map(({ id }) => id)
}

/** By DuckDB alone, over the files that the manifests name. */
async function countInFiles(): Promise<string> {
  const files = await rows(`table files ${name}`)
  const paths = files.map((file) => `'${new URL(String(file['file_path'])).pathname}'`)
  const database = await openDatabase()
  try {
    return await database.withConnection(async (connection) => {
      const result = await connection.runAndReadAll(
        `SELECT count(*), count(DISTINCT id) FROM read_parquet([${paths.join(', ')}])`,
      )
      return result.getRows().join()
    })
  } finally {
    database.close()
  }
}

describe('CALL system.rewrite_data_files', () => {
  it('[Q13] does what tide table rewrite-data-files plans, and counts it as Spark does', async () => {
    await commits(6)
    const [plan] = await rows(`table rewrite-data-files ${name} --dry-run`)
    const { rows: answer } = await call(`rewrite_data_files(table => '${name}')`)
    expect(answer).toEqual([
      {
        rewritten_data_files_count: plan?.['files_before'],
        added_data_files_count: plan?.['files_after'],
        rewritten_bytes_count: plan?.['bytes_before'],
        failed_data_files_count: 0,
        removed_delete_files_count: 0,
      },
    ])
    expect(plan).toMatchObject({ files_before: 6, files_after: 1 })
    expect(await countInFiles()).toBe('6,6')
    const [again] = (await call(`rewrite_data_files('${name}', 'binpack')`)).rows
    expect(again).toMatchObject({ rewritten_data_files_count: 0, rewritten_bytes_count: 0 })
  })

  it('[Q14, Q15] takes options and a condition, and refuses what it does not act on', async () => {
    await commits(3)
    const { rows: answer } = await call(
      `rewrite_data_files(table => '${name}', options => map('min-input-files', '2'), where => 'id < 2')`,
    )
    expect(answer).toMatchObject([{ rewritten_data_files_count: 2, added_data_files_count: 1 }])
    expect(await countInFiles()).toBe('3,3')
    const rewrite = `CALL system.rewrite_data_files(table => '${name}'`
    expect(await refusal(`${rewrite}, sort_order => 'id')`)).toContain(
      'sort_order: files are merged',
    )
    expect(await refusal(`${rewrite}, strategy => 'sort')`)).toContain('binpack only')
    expect(await refusal(`${rewrite}, options => map('min-input-file', 2))`)).toContain(
      'did you mean min-input-files',
    )
    expect(await refusal(`${rewrite}, where => 'idd = 2')`)).toContain('did you mean id')
    expect(await refusal("CALL system.rewrite_data_files('web.event')")).toMatch(
      /no table web\.event; did you mean web\.events\?\nline 1: .*\n +\^/,
    )
  })
})

describe('CALL system.expire_snapshots', () => {
  it('[Q13] does what tide table expire-snapshots would, and the stream goes on', async () => {
    await commits(6)
    await call(`rewrite_data_files('${name}')`)
    const dry = await tide(`table expire-snapshots ${name} --older-than 0s --dry-run -o json`)
    const plan = JSON.parse(dry.stdout) as Record<string, unknown>
    const { rows: answer } = await call(
      `expire_snapshots(table => '${name}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)`,
    )
    expect(answer).toEqual([
      {
        deleted_data_files_count: plan['deleted_data_and_delete_files'],
        deleted_position_delete_files_count: 0,
        deleted_equality_delete_files_count: 0,
        deleted_manifest_files_count: plan['deleted_manifest_files'],
        deleted_manifest_lists_count: plan['deleted_manifest_lists'],
        deleted_statistics_files_count: 0,
      },
    ])
    expect(plan).toMatchObject({ expired_snapshots: 6, deleted_data_and_delete_files: 6 })
    expect(await snapshotIds()).toHaveLength(1)
    await produce(6, 7)
    expect(await ids()).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  it('[Q14] expires exactly the snapshots that are named', async () => {
    await commits(4)
    const [first, second, ...others] = await snapshotIds()
    await call(`expire_snapshots(table => '${name}', snapshot_ids => ARRAY(${first}, ${second}))`)
    expect(await snapshotIds()).toEqual(others)
    const head = others.at(-1)
    expect(
      await refusal(`CALL system.expire_snapshots(table => '${name}', snapshot_ids => [${head}])`),
    ).toContain('a branch or tag names this snapshot')
    await call(`expire_snapshots(table => '${name}', clean_expired_metadata => false)`)
  })
})

describe('CALL system.remove_orphan_files', () => {
  it('[Q18] names orphans, and deletes them only with dry_run => false, none younger than a day', async () => {
    await commits(1)
    const location = (await tide(`table location ${name}`)).stdout.trim()
    const orphan = join(new URL(location).pathname, 'data', 'lost.parquet')
    await writeFile(orphan, 'x')
    const remove = `remove_orphan_files(table => '${name}'`
    expect((await call(`${remove})`)).rows).toEqual([])
    const old = Date.now() / 1000 - 2 * 86_400
    await utimes(orphan, old, old)
    const yesterday = new Date(Date.now() - 1.5 * 86_400_000).toISOString()
    const before = `older_than => TIMESTAMP '${yesterday}'`
    expect((await call(`${remove})`)).rows).toEqual([])
    const dry = await call(`${remove}, ${before})`)
    expect(dry.rows).toEqual([{ orphan_file_location: `${location}/data/lost.parquet` }])
    expect(dry.stderr).toContain('a dry run: nothing was deleted')
    await access(orphan)
    const recent = new Date(Date.now() - 3_600_000).toISOString()
    expect(
      await refusal(
        `CALL system.${remove}, dry_run => false, older_than => TIMESTAMP '${recent}')`,
      ),
    ).toContain('give a day or more')
    await access(orphan)
    const done = await call(`${remove}, dry_run => false, ${before})`)
    expect([done.rows, done.stderr]).toEqual([dry.rows, 'deleted 1 files\n'])
    await expect(access(orphan)).rejects.toThrow('ENOENT')
    expect(await refusal(`CALL system.${remove}, location => '${location}')`)).toContain(
      'it looks in the table',
    )
  })
})

describe('CALL system.rollback_to_snapshot', () => {
  it('[Q17] moves main to an ancestor, and says what becomes of the stream', async () => {
    await commits(3)
    const [first, second, third] = await snapshotIds()
    const back = await call(`rollback_to_snapshot('${name}', ${second})`)
    // Ids are beyond what JSON.parse keeps.
    expect(back.rows.map((row) => Object.values(row).map(String))).toEqual([[third, second]])
    expect(await ids()).toEqual([0, 1])
    expect(back.stderr).toContain('a stream that fills this table now stops')
    // As it says: it stops, and after the command it reads the records again.
    await tide('topic produce events', '{"id": 3, "name": "n"}\n')
    const stopped = await tide('stream run --until latest')
    expect([stopped.code, stopped.stderr]).toEqual([
      1,
      expect.stringContaining('disagree about the offsets of the streams'),
    ])
    const [, command = ''] = /tide (stream offsets .*? --execute)/.exec(back.stderr) ?? []
    expect((await tide(command)).code).toBe(0)
    expect((await tide('stream run --until latest')).code).toBe(0)
    expect(await ids()).toEqual([0, 1, 2, 3])
    expect(await refusal(`CALL system.rollback_to_snapshot('${name}', ${third})`)).toContain(
      'one of its own older snapshots',
    )
    expect(await refusal(`CALL system.rollback_to_snapshot('${name}', 1)`)).toContain('snapshot=1')
    expect(first).not.toBe(second)
  })

  it('[Q17] says nothing where only upkeep was rolled back: the offsets are the same', async () => {
    await commits(3)
    const head = (await snapshotIds()).at(-1)
    await call(`rewrite_data_files(table => '${name}', options => map('min-input-files', 2))`)
    const back = await call(`rollback_to_snapshot(table => '${name}', snapshot_id => ${head})`)
    expect(back.stderr).toBe('')
    await produce(3, 4)
    expect(await ids()).toEqual([0, 1, 2, 3])
  })
})

describe('CALL', () => {
  it('[Q16] is refused with --readonly and changes nothing; .help lists what it runs otherwise', async () => {
    await commits(1)
    const help = await tide('sql', '.help\n')
    expect(help.stdout).toContain('CALL system.expire_snapshots(table, older_than, retain_last, ')
    const [head] = await snapshotIds()
    const text = await refusal(`CALL system.rollback_to_snapshot('${name}', ${head})`, '-readonly')
    expect(text).toContain('CALL system.rollback_to_snapshot may change a table')
    const bare = await runTide('sql --readonly', { directory, input: '.help\n' })
    expect(bare.stdout).not.toContain('CALL system')
  })

  it('[Q13] runs through the library, with a namespace to begin from', async () => {
    await commits(2)
    const { settings } = parseLakeSettings({
      text: 'catalog: { warehouse: ./warehouse }\n',
      file: join(directory, 'tidewater.yaml'),
      variables: variableSource({}),
      overrides: [],
      directory,
    })
    const lake = await openLake(settings)
    const { close, engine } = await openQueryEngine(lake)
    try {
      expect(engine.procedures.map((procedure) => procedure.name)).toEqual([
        'rewrite_data_files',
        'expire_snapshots',
        'remove_orphan_files',
        'rollback_to_snapshot',
      ])
      const result = await engine.query(
        "CALL system.rewrite_data_files(table => 'events', options => map {'rewrite-all': 'true'})",
        { defaultNamespace: ['web'] },
      )
      expect((await allRows(result)).map((row) => row.slice(0, 2))).toEqual([[2, 1]])
    } finally {
      await close()
      await lake.close()
    }
  })
})
