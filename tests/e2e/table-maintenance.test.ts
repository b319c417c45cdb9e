/** The commands that keep a table in shape, and the loop that does it beside a sink. */
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCompactor, openLake } from '../../app/index.ts'
import { type LogFields, silentLogger } from '../../common/index.ts'
import { parseLakeSettings } from '../../app/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import { patience } from '../support/eventually.ts'
import { liveFiles, type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { tide as runTide, tideRows } from '../support/tide.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-maintenance-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const tide = (line: string | readonly string[], input = '') => runTide(line, { directory, input })
const rows = (line: string) => tideRows(line, { directory })

async function commits(count: number): Promise<void> {
  await tide('init . --template embedded-json')
  for (let commit = 0; commit < count; commit++) {
    const create = commit === 0 ? ' --create --partitions 1' : ''
    await tide(`topic produce events${create}`, `{"id": ${commit}, "name": "n${commit}"}\n`)
    const { code, stderr } = await tide('stream run --until latest')
    if (code !== 0) throw new Error(stderr)
  }
}

describe('tide table upkeep', () => {
  it('finds what is wrong, shows the plan, cures it, and then finds nothing', async () => {
    await commits(6)
    const name = 'web.events'
    const sick = await tide(`table health ${name} -o json`)
    expect(sick.code).toBe(1)
    const [files] = JSON.parse(sick.stdout) as Record<string, unknown>[]
    expect(files).toMatchObject({
      check: 'files',
      ok: false,
      cure: `tide table rewrite-data-files ${name}`,
    })
    const plan = await tide(`table rewrite-data-files ${name} --dry-run`)
    expect(plan.stdout).toContain('small-files')
    expect(plan.stderr).toContain('a dry run: nothing was changed')
    expect(await rows(`table files ${name}`)).toHaveLength(6)
    const [done] = await rows(`table rewrite-data-files ${name}`)
    expect(done).toMatchObject({ files_before: 6, files_after: 1, rows: 6, rows_deleted: 0 })
    expect(await rows(`table files ${name}`)).toHaveLength(1)
    const again = await tide(`table rewrite-data-files ${name}`)
    expect(again.stdout).toBe('nothing to rewrite: 1 files are in order\n')
    expect((await tide(`table health ${name}`)).code).toBe(0)
  })

  it('rewrites only what --where and --option choose, and refuses what it does not know', async () => {
    await commits(3)
    const name = 'web.events'
    const rewrite = ['table', 'rewrite-data-files', name]
    const few = await tide([
      ...rewrite,
      '--option',
      'min-input-files=2',
      '--where',
      'id < 2',
      '-o',
      'json',
    ])
    expect(JSON.parse(few.stdout)).toMatchObject([{ files_before: 2, files_after: 1 }])
    const typo = await tide([...rewrite, '--option', 'min-input-file=2'])
    expect([typo.code, typo.stderr]).toEqual([
      2,
      expect.stringContaining('did you mean min-input-files'),
    ])
    const where = await tide([...rewrite, '--where', 'idd = 2'])
    expect([where.code, where.stderr]).toEqual([1, expect.stringContaining('did you mean id')])
  })

  it('expires snapshots with their files, and the stream goes on at its offset', async () => {
    await commits(6)
    const name = 'web.events'
    await tide(`table rewrite-data-files ${name}`)
    const ask = `table expire-snapshots ${name} --older-than 0s`
    const facts = async (line: string): Promise<Record<string, unknown>> =>
      JSON.parse((await tide(`${line} -o json`)).stdout) as Record<string, unknown>
    const dry = await facts(`${ask} --dry-run`)
    expect(dry).toMatchObject({
      dry_run: true,
      expired_snapshots: 6,
      deleted_data_and_delete_files: 6,
    })
    expect(await rows(`table snapshots ${name}`)).toHaveLength(7)
    expect(await facts(ask)).toEqual({ ...dry, dry_run: false })
    expect(await rows(`table snapshots ${name}`)).toHaveLength(1)
    await tide('topic produce events', `{"id": 6, "name": "n6"}\n`)
    expect((await tide('stream run --until latest')).code).toBe(0)
    const found = await tide([
      'sql',
      '-json',
      '-c',
      `SELECT count(*) AS n, count(DISTINCT id) AS d FROM ${name}`,
    ])
    expect(JSON.parse(found.stdout)).toEqual([{ n: 7, d: 7 }])
  })

  it('names orphans and deletes them only when told', async () => {
    await commits(1)
    const name = 'web.events'
    const location = (await tide(`table location ${name}`)).stdout.trim()
    const orphan = join(new URL(location).pathname, 'data', 'lost.parquet')
    await writeFile(orphan, 'x')
    const young = await tide(`table remove-orphan-files ${name}`)
    expect(young.stdout).toMatch(/^no orphans among \d+ files \(\d+ younger than 3d\)/)
    const days = 4 * 86_400
    await utimes(orphan, Date.now() / 1000 - days, Date.now() / 1000 - days)
    const dry = await tide(`table remove-orphan-files ${name}`)
    expect(dry.stdout).toContain('lost.parquet')
    expect(dry.stderr).toContain('1 files, 1B; --execute deletes them')
    const done = await tide(`table remove-orphan-files ${name} --execute`)
    expect(done.stderr).toContain('deleted 1 files, 1B')
    expect((await tide(`table remove-orphan-files ${name}`)).stdout).toContain('no orphans')
    const hasty = await tide(`table remove-orphan-files ${name} --older-than 1h`)
    expect([hasty.code, hasty.stderr]).toEqual([2, expect.stringContaining('a day or more')])
  })
})

describe('maintenance beside a sink', () => {
  let fixture: LakeFixture

  afterEach(() => fixture.close())

  it('[K6, K12] keeps a streamed table small without losing, doubling or stopping anything', async () => {
    fixture = await openLakeFixture()
    await fixture.log.createTopic('events', 1)
    const settings = fixture.settings(`
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: web.events, commit: { interval: 100ms } } }
`)
    const { settings: lakeSettings } = parseLakeSettings({
      text: 'catalog: { warehouse: ./warehouse }\nmaintenance: { interval: 1s, max_snapshots: 5 }\n',
      file: join(fixture.directory, 'tidewater.yaml'),
      variables: variableSource({}),
      overrides: [],
      directory: fixture.directory,
    })
    const warnings: [string, LogFields | undefined][] = []
    const logger = {
      ...silentLogger,
      warn: (event: string, fields?: LogFields) => void warnings.push([event, fields]),
      with: () => logger,
    }
    const lake = await openLake(lakeSettings, { logger })
    const compactor = await openCompactor(lake, { workDirectory: fixture.directory })
    const loop = compactor.maintenanceLoop()
    loop.start()
    const total = 1_200
    const stop = new AbortController()
    const sink = fixture.run(settings, { until: 'stopped', signal: stop.signal })
    for (let sent = 0; sent < total; sent += 20) {
      const values = Array.from({ length: 20 }, (_, index) => `{"id":${sent + index}}`)
      await fixture.log.appendValues({ topic: 'events', partition: 0 }, values)
      await new Promise((resolve) => setTimeout(resolve, 120))
    }
    const rowsNow = (): Promise<readonly Record<string, unknown>[]> =>
      fixture.rows('web.events', 'id, _kafka."offset" AS o')
    await expect.poll(async () => (await rowsNow()).length, patience).toBe(total)
    stop.abort()
    await sink
    await loop.runOnce()
    await loop.stop()
    await compactor.close()
    await lake.close()
    const found = await rowsNow()
    expect(found.map(({ id }) => Number(id))).toEqual(Array.from({ length: total }, (_, id) => id))
    expect(found.map(({ o }) => Number(o))).toEqual(Array.from({ length: total }, (_, id) => id))
    expect((await liveFiles(fixture.catalog, fixture.io, 'web.events')).length).toBeLessThan(15)
    expect(warnings).toEqual([])
  })
})
