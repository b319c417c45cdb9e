/**
 * A replay and its publishing as processes that are killed with SIGKILL after every single commit, the
 * publishing also at every point within one, and started again until they end: what is there then is what
 * one quiet run leaves.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { failpointNames } from '../../common/index.ts'
import { EmbeddedLog } from '../../ingest/index.ts'
import {
  buildTide,
  createSinkProject,
  type SinkProject,
  type TideBuild,
} from '../support/sink-process.ts'
import { tide, tideRows } from '../support/tide.ts'

let build: TideBuild
let project: SinkProject

beforeAll(async () => {
  build = await buildTide()
  project = await createSinkProject(build, 'catalog: { warehouse: lake }\n')
})
afterAll(async () => {
  await project.remove()
  await build.remove()
})

const yaml = (coercion: string): string => `name: events
input: { embedded: { directory: ../log, topics: [events], start_offset: earliest } }
schema: { mode: declared, coercion: ${coercion}, fields: [{name: id, type: long}, {name: v, type: long}] }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: 20 } } }
`
const runsMax = 40
const partitions = [0, 1, 2]
const ids = Array.from({ length: 100 }, (_, id) => id)

/** Runs until it ends by itself; how often it was killed before. */
async function untilDone(args: readonly string[], failpoints: string): Promise<number> {
  for (let kills = 0; kills < runsMax; kills++) {
    const env = { TIDEWATER_FAILPOINTS: failpoints }
    const end = await build.tide(project.directory, args, env).ended
    if (end.code === 0) return kills
    expect(end.signal, end.stderr).toBe('SIGKILL')
  }
  throw new Error(`not done after ${runsMax} kills`)
}

async function rows(where: string): Promise<readonly string[]> {
  const sql = `SELECT _kafka.partition AS p, _kafka.offset AS o, id, v FROM web.events ${where} ORDER BY ALL`
  const { code, stdout, stderr } = await tide(['sql', '-c', sql, '-csv'], {
    directory: project.directory,
  })
  expect(code, stderr).toBe(0)
  return stdout.trim().split('\n').slice(1)
}

/** Rows and letters of each record, told apart by nothing: a record that is lost or doubled shows. */
async function placesOfAll(): Promise<readonly string[]> {
  const sql = `SELECT p, o FROM (SELECT _kafka.partition AS p, _kafka.offset AS o FROM web.events
    UNION ALL SELECT "partition", "offset" FROM web.events__dlq) ORDER BY ALL`
  const { code, stdout, stderr } = await tide(['sql', '-c', sql, '-csv'], {
    directory: project.directory,
  })
  expect(code, stderr).toBe(0)
  return stdout.trim().split('\n').slice(1)
}

const ends = (flag: string, offset: number): string[] =>
  partitions.flatMap((partition) => [flag, `events:${partition}=${offset}`])

it('[P4] a replay killed after each of its commits ends as one that was not', async () => {
  const log = await EmbeddedLog.open(join(project.directory, 'log'))
  await log.createTopic('events', partitions.length)
  for (const partition of partitions) {
    const values = ids.map((id) => `{"id":${id},"v":${id % 10 === 0 ? '1.5' : String(id)}}`)
    await log.appendValues({ topic: 'events', partition }, values)
  }
  await log.close()
  await project.writeStream('events', yaml('strict'))
  await project.drain('events')
  const before = await rows('')
  expect(before).toHaveLength(3 * 90)

  await project.writeStream('events', yaml('lenient'))
  const replay = ['stream', 'replay', 'events', ...ends('--to-offset', 35), ...ends('--until', 85)]
  const into = ['--into', 'fix', '--execute']
  const kills = await untilDone([...replay, ...into], 'commit.pointer-answered=kill:1')
  // The branch, the letters out, the range out, and more than one batch in.
  expect(kills).toBeGreaterThanOrEqual(6)
  expect(await rows('')).toEqual(before)
  const wanted = partitions.flatMap((partition) =>
    ids.flatMap((id) => {
      if (id % 10 !== 0) return [`${partition},${id},${id},${id}`]
      return id >= 35 && id < 85 ? [`${partition},${id},${id},2`] : []
    }),
  )
  expect(await rows("AT (VERSION => 'fix')")).toEqual(wanted)

  const publish = ['table', 'publish', 'web.events', '--branch', 'fix']
  // After the rows, and after the letters that became rows.
  expect(await untilDone(publish, 'commit.pointer-answered=kill:1')).toBe(2)
  expect(await rows('')).toEqual(wanted)
  const dropped = await tide([...publish, '--drop-branch'], { directory: project.directory })
  expect(dropped.code, dropped.stderr).toBe(0)
  expect(await rows('')).toEqual(wanted)
  const refs = await tideRows('table list-refs web.events', { directory: project.directory })
  expect(refs).toHaveLength(1)
})

it('[P9] a publishing killed at each point of each of its commits loses and doubles no record', async () => {
  const every = partitions.flatMap((partition) => ids.map((id) => `${partition},${id}`))
  const points = failpointNames.filter((name) => name.startsWith('commit.'))
  expect(points).toHaveLength(5)
  // Rows become letters, letters rows, and so on.
  for (const [index, point] of points.entries()) {
    await project.writeStream('events', yaml(index % 2 === 0 ? 'strict' : 'lenient'))
    const branch = `turn${index}`
    const range = [...ends('--to-offset', 35), ...ends('--until', 85)]
    const args = ['stream', 'replay', 'events', ...range, '--into', branch, '--execute']
    const replayed = await build.tide(project.directory, args).ended
    expect(replayed.code, replayed.stderr).toBe(0)
    const publish = ['table', 'publish', 'web.events', '--branch', branch, '--drop-branch']
    let kills = 0
    for (let passage = 1; ; passage++) {
      expect(passage).toBeLessThan(10)
      const env = { TIDEWATER_FAILPOINTS: `${point}=kill:${passage}` }
      const end = await build.tide(project.directory, publish, env).ended
      const found = await placesOfAll()
      expect([...new Set(found)], point).toEqual(every)
      if (end.code === 0) {
        expect(found, point).toEqual(every)
        break
      }
      expect(end.signal, end.stderr).toBe('SIGKILL')
      kills++
    }
    expect(kills, point).toBeGreaterThan(0)
  }
  const refs = await tideRows('table list-refs web.events', { directory: project.directory })
  expect(refs).toHaveLength(1)
})
