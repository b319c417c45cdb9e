/** The schema changes under a running stream: its live rows, and the same rows committed, by field id. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commitAction, type SchemaChanges, UpdateSchema } from '../../catalog/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { createLiveLayer, type LiveLayer } from '../../ingest/index.ts'
import {
  allRows,
  createDataFileWriter,
  createQueryEngine,
  FileCache,
  openSandboxedEngine,
  plainText,
  type QueryEngine,
  type SandboxedEngine,
} from '../../sql/index.ts'
import { patience } from '../support/eventually.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

const events = { namespace: ['web'], name: 'events' }
const limits = {
  memoryBytesMax: 200e6,
  threads: 1,
  tempBytesMax: 50e6,
  rowsMax: 1_000,
  resultBytesMax: 2e6,
}
const stream = `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema:
  mode: declared
  fields:
    - { name: id, type: long }
    - { name: s, type: "struct<a: long, c: long>" }
    - { name: l, type: "list<struct<x: long>>" }
    - { name: m, type: "map<string, struct<v: long>>" }
output: { iceberg: { table: web.events, commit: { interval: 1h } } }
`

let lake: LakeFixture
let live: LiveLayer
let engine: QueryEngine
let sandboxed: SandboxedEngine

beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
  live = createLiveLayer({
    writer: createDataFileWriter(lake.database),
    clock: systemClock,
    intervalMs: 50,
  })
  engine = await createQueryEngine({ ...lake, live })
  sandboxed = await openSandboxedEngine({
    ...lake,
    live,
    cache: new FileCache({
      io: lake.io,
      directory: join(lake.directory, 'cache'),
      bytesMax: 1e9,
    }),
    limits,
    mode: 'auto',
    concurrency: 1,
    queuedMax: 1,
    timeoutMs: 240_000,
  })
})
afterEach(async () => {
  await sandboxed.close()
  await lake.close()
})

const produce = (id: number): Promise<unknown> =>
  lake.log.appendValues({ topic: 'events', partition: 0 }, [
    `{"id":${id},"s":{"a":${id}1,"c":${id}2},"l":[{"x":${id}3},null],"m":{"k":{"v":${id}4}}}`,
  ])

/** In this process and in the locked-down child: both must say the same. */
async function ask(select: string): Promise<readonly string[]> {
  const sql = `SELECT ${select} FROM web.events ORDER BY id`
  const of = async (asked: QueryEngine): Promise<readonly string[]> =>
    (await allRows(await asked.query(sql))).map((row) => row.map(plainText).join(' '))
  const rows = await of(engine)
  expect(await of(sandboxed)).toEqual(rows)
  return rows
}

const change = (changes: SchemaChanges): Promise<unknown> =>
  commitAction(lake.catalog, events, new UpdateSchema(changes), {
    clock: systemClock,
    random: systemRandom,
  })

describe('a struct that changes under a running stream', () => {
  it('[L8] keeps the values of its members, live and committed, and shows none of another one', async () => {
    const settings = lake.settings(stream)
    await produce(1)
    await lake.run(settings)
    const stop = new AbortController()
    const attached = live.attach(settings)
    if (attached === undefined) throw new Error('not attached')
    const running = lake.run(
      settings,
      { until: 'stopped', signal: stop.signal },
      { streaming: attached },
    )
    await produce(2)
    await expect.poll(() => ask('id'), patience).toEqual(['1', '2'])
    await change([
      { kind: 'rename-column', path: ['s', 'a'], name: 'b' },
      { kind: 'drop-column', path: ['s', 'c'] },
      { kind: 'add-column', parent: ['s'], name: 'c', type: { type: 'long' } },
      { kind: 'rename-column', path: ['l', 'element', 'x'], name: 'y' },
      { kind: 'rename-column', path: ['m', 'value', 'v'], name: 'w' },
    ])
    const all = "id, s.b, s.c, l[1].y, l[2] IS NULL, m['k'].w"
    const expected = ['1 11 NULL 13 true 14', '2 21 NULL 23 true 24']
    expect(await ask(all)).toEqual(expected)
    stop.abort()
    await running
    expect(await ask(all)).toEqual(expected)
    const count = await engine.query('SELECT count(*) FROM web."events$batch"')
    expect(await allRows(count)).toEqual([[2n]])
  })
})
