/**
 * Maintenance that runs by itself in the processes that users start: small files become few and old
 * snapshots go while the sink goes on, and neither a row nor an offset is lost by it.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCompactor, openLake } from '../../app/index.ts'
import type { TableMetadata } from '../../catalog/format/index.ts'
import { type LogFields, silentLogger, systemClock } from '../../common/index.ts'
import { parseLakeSettings } from '../../app/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import { restoreOffsets } from '../../ingest/index.ts'
import { eventually, patience } from '../support/eventually.ts'
import { liveFiles, type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { exitOf, spawnTide } from '../support/tide.ts'

const lakeYaml = 'catalog: { warehouse: ./warehouse }\nmaintenance: { interval: 1s }\n'
const streamYaml = `
name: events
input: { embedded: { directory: ../log, topics: [events] } }
schema: { mode: json_infer }
output:
  iceberg:
    table: web.events
    commit: { interval: 100ms }
    properties: { history.expire.max-snapshot-age-ms: "1500" }
`
const perRound = 20

let lake: LakeFixture
let child: ChildProcess | undefined
let sent = 0
let poison = 0

beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
  await mkdir(join(lake.directory, 'streams'))
  await writeFile(join(lake.directory, 'tidewater.yaml'), lakeYaml)
  await writeFile(join(lake.directory, 'streams', 'events.yaml'), streamYaml)
  ;[sent, poison] = [0, 0]
})

afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await exitOf(child)
  }
  child = undefined
  await lake.close()
})

/** Rows, and one record of each round that is none. */
async function produceRound(): Promise<void> {
  const values = Array.from({ length: perRound }, () => `{"id":${sent++}}`)
  if (sent > perRound) values.push(`poison ${poison++}`)
  await lake.log.appendValues({ topic: 'events', partition: 0 }, values)
}

async function metadataOf(name: string): Promise<TableMetadata | undefined> {
  const table = lake.catalog.loadTable({ namespace: ['web'], name })
  return (await table.catch(() => undefined))?.metadata
}

/** How many commits the table has seen, and what is left of their snapshots. */
async function look(name: string) {
  const metadata = await metadataOf(name)
  return {
    commits: Number(metadata?.lastSequenceNumber ?? 0),
    snapshots: metadata?.snapshots.length ?? 0,
    hasReplaced:
      metadata?.snapshots.some(({ summary }) => summary?.['operation'] === 'replace') === true,
  }
}

/** In the order of the log, by DuckDB on the live files alone. */
async function expectExactly(): Promise<void> {
  const rows = await lake.rows('web.events', '_kafka."offset" AS o, id')
  expect(rows.map(({ id }) => Number(id))).toEqual(Array.from({ length: sent }, (_, id) => id))
  const letters = await lake.rows('web.events__dlq', '"offset" AS o, decode(value) AS v')
  expect(letters.map(({ v }) => v)).toEqual(
    Array.from({ length: poison }, (_, number) => `poison ${number}`),
  )
  const offsets = [...rows, ...letters].map(({ o }) => Number(o)).sort((a, b) => a - b)
  expect(offsets).toEqual(Array.from({ length: sent + poison }, (_, offset) => offset))
  const table = await lake.catalog.loadTable({ namespace: ['web'], name: 'events' })
  const next = restoreOffsets(table, 'main').get('events')?.topics.get('events')?.nextOffsets
  expect(next?.get(0)).toBe(BigInt(sent + poison))
}

describe('maintenance of a process that runs sinks', () => {
  it.each([
    ['tide stream run', ['stream', 'run', 'streams']],
    ['tide dev', ['dev', '--port', '0']],
  ])('[K6, K12] %s compacts and expires beside its live sink', async (_, args) => {
    const start = [...args]
    if (args[0] === 'stream') start[2] = join(lake.directory, 'streams')
    else start.push('--project', lake.directory)
    const config = ['--config', join(lake.directory, 'tidewater.yaml')]
    child = spawnTide([...(args[0] === 'stream' ? config : []), ...start], lake)
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text
    })
    await eventually(
      async () => {
        await produceRound()
        const [rows, letters] = [await look('events'), await look('events__dlq')]
        return rows.hasReplaced && rows.commits - rows.snapshots >= 8 && letters.hasReplaced
      },
      () => log,
      150,
    )
    await expect.poll(async () => (await lake.rows('web.events', 'id')).length, patience).toBe(sent)
    child.kill('SIGTERM')
    expect(await exitOf(child), log).toBe(0)
    await expectExactly()
    expect((await liveFiles(lake.catalog, lake.io, 'web.events')).length).toBeLessThan(40)
    expect(log).not.toMatch(/maintenance\.(table-failed|failed|pass-failed)/)
  })

  it('a drain leaves that to others, however long it takes', async () => {
    for (let commit = 0; commit < 6; commit++) {
      await produceRound()
      await lake.run(lake.settings(streamYaml.replace('../log', 'log')))
    }
    await produceRound()
    const environment = { TIDEWATER_FAILPOINTS: 'ingest.uploaded=sleep:3000' }
    const config = ['--config', join(lake.directory, 'tidewater.yaml')]
    const drain = ['stream', 'run', join(lake.directory, 'streams'), '--until', 'latest']
    child = spawnTide([...config, ...drain], { directory: lake.directory, environment })
    expect(await exitOf(child)).toBe(0)
    expect(await look('events')).toMatchObject({ commits: 7, hasReplaced: false })
    await expectExactly()
  })

  it('[K14] two processes keep one table beside its sink without a warning', async () => {
    const { settings } = parseLakeSettings({
      text: lakeYaml,
      file: join(lake.directory, 'tidewater.yaml'),
      variables: variableSource({}),
      overrides: [],
      directory: lake.directory,
    })
    const warnings: [string, LogFields | undefined][] = []
    const done: string[] = []
    const logger = {
      ...silentLogger,
      info: (event: string) => void done.push(event),
      warn: (event: string, fields?: LogFields) => void warnings.push([event, fields]),
      with: () => logger,
    }
    const tables = [{ namespace: ['web'], name: 'events' }]
    const stop = new AbortController()
    const sink = lake.run(lake.settings(streamYaml.replace('../log', 'log')), {
      until: 'stopped',
      signal: stop.signal,
    })
    const own = await openLake(settings, { logger })
    const compactors = await Promise.all([openCompactor(own), openCompactor(own)])
    const loops = compactors.map((compactor) => compactor.maintenanceLoop(tables))
    const state = { isStopped: false }
    // Without a pause and at the same moments: as bad as it gets.
    const keeping = loops.map(async (loop) => {
      while (!state.isStopped) await loop.runOnce()
    })
    for (let round = 0; round < 60; round++) {
      await produceRound()
      await systemClock.sleep(110)
    }
    await expect.poll(async () => (await lake.rows('web.events', 'id')).length, patience).toBe(sent)
    state.isStopped = true
    await Promise.all(keeping)
    stop.abort()
    await sink
    await Promise.all(loops.map((loop) => loop.stop()))
    await Promise.all(compactors.map((compactor) => compactor.close()))
    await own.close()
    expect(warnings).toEqual([])
    expect(done.filter((event) => event === 'maintenance.done').length).toBeGreaterThan(2)
    expect((await liveFiles(lake.catalog, lake.io, 'web.events')).length).toBeLessThan(15)
    await expectExactly()
  })
})
