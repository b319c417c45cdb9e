/**
 * The live layer on embedded parts, against a ledger of what was produced: every answer is compared at
 * the offsets that its footer names, while a sink commits, is crashed and compacted under. What happens
 * when is drawn anew in each run, which prints its seed:
 *
 *   TIDEWATER_TEST_SEED=12345 npx vitest run --project e2e tests/e2e/live.test.ts
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  environment,
  type Random,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import { rewriteOptions, rewriteTable } from '../../compactor/index.ts'
import {
  createEmbeddedSource,
  createLiveLayer,
  type LiveLayer,
  type RecordSource,
  type StreamParts,
  type StreamRunOptions,
} from '../../ingest/index.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'
import {
  allRows,
  createDataFileRewriter,
  createDataFileWriter,
  createQueryEngine,
  plainText,
  type QueryEngine,
  type TableSummary,
} from '../../sql/index.ts'
import { eventually } from '../support/eventually.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture
let faulty: FaultyFileIO
let live: LiveLayer
let engine: QueryEngine
let ledger: Ledger

const partitions = [0, 1, 2]
/** Far less than the hour until the commit, however busy the machine is. */
const soonMs = 60_000
const clock = systemClock

beforeEach(async () => {
  lake = await openLakeFixture({
    wrap: (inner) => {
      faulty = new FaultyFileIO(inner, { random: seededRandom(seed) })
      return faulty
    },
  })
  await lake.log.createTopic('events', partitions.length)
  live = createLiveLayer({ writer: createDataFileWriter(lake.database), clock, intervalMs: 50 })
  engine = await createQueryEngine({ ...lake, live })
  ledger = new Ledger()
})
afterEach(() => lake.close())

const seed = Number(
  environment('TIDEWATER_TEST_SEED') ?? Math.floor(systemRandom.fraction() * 2 ** 31),
)

const stream = (interval: string, extra = ''): string => `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: json_infer }
${extra}
output: { iceberg: { table: web.events, commit: { interval: ${interval} } } }
`

/** What was produced: per partition and offset the amount, or undefined for what cannot be a row. */
class Ledger {
  readonly amounts = partitions.map((): (number | undefined)[] => [])

  async produce(count: number, random: Random, member = ''): Promise<void> {
    const partition = Math.floor(random.fraction() * partitions.length)
    const values = Array.from({ length: count }, () => {
      const amount = Math.floor(random.fraction() * 1_000_000)
      const isPoison = random.fraction() < 0.02
      this.amounts[partition]?.push(isPoison ? undefined : amount)
      return isPoison ? '{"amount":"many"}' : `{"amount":${amount}${member}}`
    })
    await lake.log.appendValues({ topic: 'events', partition }, values)
  }

  /** `count|sum` of what an answer that goes to these offsets must hold. */
  at(offsets: Readonly<Record<string, bigint>>): string {
    let count = 0
    let sum = 0
    for (const partition of partitions) {
      const end = Number(offsets[`events/${partition}`] ?? 0n)
      const good = (this.amounts[partition] ?? [])
        .slice(0, end)
        .filter((each) => each !== undefined)
      count += good.length
      sum += good.reduce((total, each) => total + each, 0)
    }
    return `${count}|${count === 0 ? null : sum}`
  }

  get end(): Readonly<Record<string, bigint>> {
    return Object.fromEntries(
      partitions.map((partition) => [
        `events/${partition}`,
        BigInt(this.amounts[partition]?.length ?? 0),
      ]),
    )
  }
}

interface Answer {
  readonly text: string
  readonly table: TableSummary
}

async function ask(name = 'events', select = 'count(*), sum(amount)'): Promise<Answer> {
  const result = await engine.query(`SELECT ${select} FROM web."${name}"`)
  const rows = await allRows(result)
  const [table] = result.summary().tables
  if (table === undefined) throw new Error('no footer')
  return {
    text: rows.map((row) => row.map((value) => plainText(value)).join('|')).join(' '),
    table,
  }
}

function start(
  yaml: string,
  parts: Partial<StreamParts> = {},
  options: Partial<StreamRunOptions> = {},
): { readonly stop: () => Promise<void>; readonly ended: Promise<unknown> } {
  const abort = new AbortController()
  const settings = lake.settings(yaml)
  const attached = live.attach(settings)
  const ended = lake.run(
    settings,
    { until: 'stopped', signal: abort.signal, ...options },
    { ...(attached === undefined ? {} : { streaming: attached }), ...parts },
  )
  ended.catch(() => undefined)
  return {
    ended,
    stop: async () => {
      abort.abort()
      await ended
    },
  }
}

const isThere = async (): Promise<boolean> => {
  const { table } = await ask().catch(() => ({ table: undefined }))
  const { offsets = {} } = table?.live ?? {}
  return Object.entries(ledger.end).every(([key, end]) => end === (offsets[key] ?? 0n))
}

process.stdout.write(`live: TIDEWATER_TEST_SEED=${seed}\n`)

describe(`the live layer (TIDEWATER_TEST_SEED=${seed})`, () => {
  it('[L1] shows what was read long before the commit, with its age, and nothing twice after it', async () => {
    const random = seededRandom(seed)
    await ledger.produce(100, random)
    await lake.run(lake.settings(stream('1h')))
    const sink = start(stream('1h'))
    await ledger.produce(50, random)
    const sinceMs = clock.monotonic()
    await eventually(isThere)
    expect(clock.monotonic() - sinceMs).toBeLessThan(soonMs)
    const before = await ask()
    expect(before.text).toBe(ledger.at(ledger.end))
    expect(before.table.live?.newestRowAgeMs).toBeLessThan(soonMs)
    expect(before.table.live?.newestArrivalAgeMs).toBeLessThan(soonMs)
    const batch = await ask('events$batch')
    expect(batch.table.live).toBeUndefined()
    const [batchCount, all] = [batch, before].map(({ text }) => Number(text.split('|')[0]))
    expect((await ask('events$live', 'count(*)')).text).toBe(String((all ?? 0) - (batchCount ?? 0)))
    await sink.stop()
    const after = await ask()
    expect(after.text).toBe(before.text)
    expect(after.table.snapshotId).not.toBe(before.table.snapshotId)
    expect((await ask('events$live', 'count(*)')).text).toBe('0')
  })

  it('[L2] [L6] is exact at the offsets it names while a sink commits, fails, is crashed and compacted', async () => {
    const random = seededRandom(seed)
    await ledger.produce(200, random)
    await lake.run(lake.settings(stream('1h')))
    // Replies get lost, so that the sink does not know whether it has committed, and begins anew.
    const replies = faulty.inject({
      kind: 'fail-after',
      on: ['write'],
      at: /_catalog\/tables\/web\/events\.json$/,
      conditional: true,
      probability: 0.1,
      times: 1_000,
    })
    const lost = faulty.inject({
      kind: 'fail-before',
      at: /\/data\/.*\.parquet$/,
      probability: 0.2,
      times: 1_000,
    })
    const over = new AbortController()
    const seen = {
      answers: 0,
      liveRows: 0,
      snapshots: new Set<bigint | undefined>(),
      crashes: 0,
      rewritten: 0,
    }
    // The test would prove little if one of these had not happened.
    const isEnough = (): boolean =>
      lost.struck > 0 &&
      seen.crashes > 2 &&
      seen.rewritten > 0 &&
      seen.snapshots.size > 5 &&
      seen.answers > 50 &&
      seen.liveRows > 500
    const producing = (async (): Promise<void> => {
      for (let round = 0; !over.signal.aborted && (round < 250 || !isEnough()); round++) {
        await ledger.produce(1 + Math.floor(random.fraction() * 60), random)
        await clock.sleep(20)
      }
    })()
    const sinking = (async (): Promise<void> => {
      for (;;) {
        const crash = new AbortController()
        const lifeMs = 500 + random.fraction() * 1_500
        const sink = start(stream('200ms'), { source: crashingSource(crash.signal) })
        await Promise.race([sink.ended.catch(() => undefined), clock.sleep(lifeMs)])
        if (over.signal.aborted) {
          replies.disarm()
          lost.disarm()
          // A fault may have ended it before: what it had read is read again.
          await sink.stop().catch(() => lake.run(lake.settings(stream('1h'))))
          return
        }
        // Not a stop: what was read and not committed is gone.
        crash.abort()
        await expect(sink.ended).rejects.toThrow()
        seen.crashes++
      }
    })()
    const compacting = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        await clock.sleep(300)
        const report = await rewriteTable(compactorTools(), identifier, smallFiles).catch(
          () => undefined,
        )
        seen.rewritten += report?.groups.length ?? 0
      }
    })()
    const reading = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        const both = await askBoth()
        const { table, text, liveCount } = both
        expect(text).toBe(ledger.at(table.live?.offsets ?? {}))
        seen.answers++
        seen.liveRows += liveCount
        seen.snapshots.add(table.snapshotId)
      }
    })()
    try {
      // One of the others ends first only by failing.
      await Promise.race([producing, reading, sinking, compacting])
      await clock.sleep(300)
    } finally {
      over.abort()
      await Promise.allSettled([producing, reading, sinking, compacting])
    }
    await Promise.all([producing, reading, sinking, compacting])
    expect((await ask()).text).toBe(ledger.at(ledger.end))
  })

  it('[L1] gives a record with a new field its column before it is shown', async () => {
    const random = seededRandom(seed)
    await ledger.produce(20, random)
    await lake.run(lake.settings(stream('1h')))
    const sink = start(stream('1h'))
    await ledger.produce(10, random)
    await ledger.produce(10, random, ',"colour":"red"')
    await ledger.produce(10, random)
    await eventually(isThere)
    expect((await ask()).text).toBe(ledger.at(ledger.end))
    const red = await ask('events', "count(*) FILTER (colour = 'red') > 5, count(colour) <= 10")
    expect(red.text).toBe('true|true')
    await sink.stop()
    expect((await ask()).text).toBe(ledger.at(ledger.end))
  })

  it('[L6] shows no row that only the engine refuses, and neither does the table later', async () => {
    const lenient = `schema: { mode: declared, coercion: lenient, fields: [{ name: amount, type: long }, { name: tags, type: "list<string>" }] }`
    const yaml = stream('1h').replace('schema: { mode: json_infer }', lenient)
    const sink = start(yaml)
    const values = ['{"amount":1,"tags":["a"]}', '{"amount":"many","tags":[]}', '{"amount":3}']
    await lake.log.appendValues({ topic: 'events', partition: 0 }, values)
    await eventually(async () => {
      const answer = await ask().catch(() => undefined)
      return answer?.table.live?.offsets?.['events/0'] === 3n
    })
    expect((await ask()).text).toBe('2|4')
    await sink.stop()
    const after = await ask()
    const offsets = { 'events/0': 3n, 'events/1': 0n, 'events/2': 0n }
    expect([after.text, after.table.live?.offsets]).toEqual(['2|4', offsets])
    expect(await lake.rows('web.events__dlq', '"offset" AS o')).toEqual([{ o: '1' }])
  })

  it('[L4] leaves no file of a run behind, and a query under way can end after it', async () => {
    const random = seededRandom(seed)
    await ledger.produce(50, random)
    await lake.run(lake.settings(stream('1h')))
    const sink = start(stream('1h'))
    await ledger.produce(50, random)
    await eventually(isThere)
    const result = await engine.query('SELECT amount FROM web.events')
    await sink.stop()
    expect(await readdir(join(lake.directory, 'spool'))).toHaveLength(1)
    const expected = ledger.at(ledger.end).split('|')[0]
    expect(String((await allRows(result)).length)).toBe(expected)
    expect(await readdir(join(lake.directory, 'spool'))).toEqual([])
  })
})

const identifier = { namespace: ['web'], name: 'events' }
const smallFiles = {
  options: (properties: Readonly<Record<string, string>>) =>
    rewriteOptions(properties, { 'min-input-files': '3' }),
}

function compactorTools(): Parameters<typeof rewriteTable>[0] {
  return {
    catalog: lake.catalog,
    io: lake.io,
    rewriter: createDataFileRewriter(lake.database),
    clock,
    random: systemRandom,
    logger: silentLogger,
    workDirectory: join(lake.directory, 'compaction'),
  }
}

/** The log, until `crash`: then it fails in a way that no sink recovers from. */
function crashingSource(crash: AbortSignal): RecordSource {
  const source = createEmbeddedSource({ log: lake.log, topics: ['events'] })
  const poll: RecordSource['poll'] = async (...args) => {
    if (crash.aborted) throw new Error('crashed')
    return source.poll(...args)
  }
  return new Proxy(source, {
    get: (target, key) => {
      if (key === 'poll') return poll
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** One query over all of it and over its live part: both see the one cut. */
async function askBoth(): Promise<Answer & { readonly liveCount: number }> {
  const result = await engine.query(
    'SELECT (SELECT count(*) FROM web."events$live"), count(*), sum(amount) FROM web.events',
  )
  const [[liveCount, ...rest] = []] = await allRows(result)
  const [table] = result.summary().tables
  if (table === undefined) throw new Error('no footer')
  return {
    text: rest.map((value) => plainText(value)).join('|'),
    table,
    liveCount: Number(liveCount),
  }
}
