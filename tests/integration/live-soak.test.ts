/**
 * The live layer under load, on real Kafka and MinIO: `tide dev` with 2 s commits, compaction, expiry and
 * a model every 10 s, while a reader polls `POST /query` and compares each answer with what was produced
 * up to the offsets that its footer names. One kill -9 in the middle. The bucket is watched from outside,
 * so that each part is seen to have done its work.
 *
 *   TIDEWATER_SOAK_SECONDS=300 npx vitest run --project integration tests/integration/live-soak.test.ts
 *
 * Asked for by that variable it also measures how fresh the answers are. In `npm test` the machine is busy
 * with other tests: then the load is light, and being ahead of the table takes the place of seconds.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTableName } from '../../catalog/format/index.ts'
import { loadTableIfExists, type Table } from '../../catalog/index.ts'
import { environment, seededRandom, systemClock } from '../../common/index.ts'
import { eventually } from '../support/eventually.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import type { SinkProcess } from '../support/sink-process.ts'
import { TableWatch } from '../support/table-watch.ts'

const hasParts = [requirePart('kafka'), requirePart('minio')].every(Boolean)
const isMeasured = environment('TIDEWATER_SOAK_SECONDS') !== undefined
const seconds = Number(environment('TIDEWATER_SOAK_SECONDS') ?? 60)
const rate = isMeasured ? 20_000 : 4_000
const recordsPerSecond = Number(environment('TIDEWATER_SOAK_RATE') ?? rate)
const partitions = 4
const tickMs = 50
/** An age below which nobody would say that the answers lag behind; on a busy machine, that they stand still. */
const freshMs = isMeasured ? 1_000 : 30_000
/** How much of the work that a quiet machine does must have been done. */
const share = isMeasured ? 1 : 0.25
const commitSeconds = 2
const modelSeconds = 10
const snapshotSeconds = 20
/** Whatever the duration: what a pass of maintenance leaves and what comes until the next one. */
const filesMax = 15
const snapshotsMax = 22
const clock = systemClock

/** What was produced: by partition and offset the sum of the amounts up to there. */
class Ledger {
  readonly #sums = Array.from({ length: partitions }, () => new Float64Array(1 << 16))
  readonly ends: number[] = Array.from({ length: partitions }, () => 0)

  add(partition: number, amount: number): void {
    const end = (this.ends[partition] ?? 0) + 1
    let sums = this.#sums[partition] ?? new Float64Array(0)
    if (end >= sums.length) {
      const larger = new Float64Array(sums.length * 2)
      larger.set(sums)
      this.#sums[partition] = larger
      sums = larger
    }
    sums[end] = (sums[end - 1] ?? 0) + amount
    this.ends[partition] = end
  }

  /** Count and sum of the records below these offsets. */
  upTo(offsets: Readonly<Record<string, string>>): string {
    let count = 0
    let sum = 0
    for (let partition = 0; partition < partitions; partition++) {
      const end = Number(offsets[`soak/${partition}`] ?? 0)
      count += end
      sum += this.#sums[partition]?.[end] ?? Number.NaN
    }
    return `${count} ${sum}`
  }
}

interface Answer {
  readonly atMs: number
  /** Since the newest row of the answer was produced, when the answer was there. */
  readonly ageMs: number
  readonly tookMs: number
  readonly count: number
}

const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN)
}
describe.skipIf(!hasParts)(`tide dev for ${seconds} s at ${recordsPerSecond} records/s`, () => {
  let lake: RealLake
  let dev: SinkProcess
  let uri = ''
  const ledger = new Ledger()

  beforeAll(async () => {
    lake = await startRealLake()
    await lake.tools.createTopic('soak', { partitions })
    const { directory } = lake.project
    await writeFile(
      join(directory, 'tidewater.yaml'),
      `${lake.lakeYaml()}maintenance: { interval: 5s }\nsql: { cache: { directory: cache } }\n`,
    )
    await lake.project.writeStream(
      'soak',
      `name: soak
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [soak], start_offset: earliest } }
schema:
  mode: declared
  fields: [{ name: id, type: long }, { name: amount, type: long }, { name: sent_ms, type: long }, { name: ts, type: timestamptz }, { name: note, type: string }]
output:
  iceberg:
    table: web.soak
    commit: { interval: ${commitSeconds}s }
    properties: { history.expire.max-snapshot-age-ms: "${snapshotSeconds * 1000}", history.expire.min-snapshots-to-keep: "3" }
`,
    )
    await mkdir(join(directory, 'models'))
    await writeFile(
      join(directory, 'models', 'per_minute.sql'),
      `{{ config(materialized='table', cron='*/${modelSeconds} * * * * *') }}
SELECT date_trunc('minute', ts) AS minute, count(*) AS n FROM {{ source('web', 'soak') }} GROUP BY ALL`,
    )
    await writeFile(
      join(directory, 'models', 'sources.yml'),
      'sources: [{ name: web, tables: [{ name: soak }] }]\n',
    )
    await startDev()
  })
  afterAll(() => lake?.stop())

  async function startDev(): Promise<void> {
    dev = lake.build.tide(lake.project.directory, ['dev', '--port', '0'])
    uri = await eventually(
      () => /http:\/\/127\.0\.0\.1:\d+/.exec(dev.output)?.[0],
      () => `it does not start: ${dev.log}`,
    )
  }

  async function produceFor(ms: number): Promise<void> {
    const random = seededRandom(5)
    const beganMs = clock.monotonic()
    let id = 0
    for (;;) {
      const elapsedMs = clock.monotonic() - beganMs
      if (elapsedMs >= ms) return
      const due = Math.min(Math.floor((elapsedMs / 1000) * recordsPerSecond) - id, 10_000)
      const nowMs = clock.now()
      const ts = new Date(nowMs).toISOString()
      const pending: (readonly [number, number])[] = []
      const records = Array.from({ length: due }, () => {
        const partition = id % partitions
        const amount = Math.floor(random.fraction() * 1_000_000)
        const note = Math.floor(random.fraction() * 2 ** 40).toString(36)
        pending.push([partition, amount])
        const value = `{"id":${id++},"amount":${amount},"sent_ms":${nowMs},"ts":"${ts}","note":"${note}"}`
        return { partition, value }
      })
      // Before they are sent: a reader may be faster than the reply.
      for (const [partition, amount] of pending) ledger.add(partition, amount)
      if (records.length > 0) await lake.tools.produce('soak', records)
      await clock.sleep(Math.max(1, tickMs - (clock.monotonic() - beganMs - elapsedMs)))
    }
  }

  async function query(sql: string): Promise<{
    readonly row: Readonly<Record<string, unknown>>
    readonly offsets: Readonly<Record<string, string>>
  }> {
    const response = await fetch(`${uri}/query`, { method: 'POST', body: sql })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    const summary = JSON.parse(response.headers.get('x-summary') ?? '{}') as {
      readonly layers?: readonly { readonly offsets?: Readonly<Record<string, string>> }[]
    }
    const { data = [] } = JSON.parse(text) as {
      readonly data?: readonly Readonly<Record<string, unknown>>[]
    }
    return { row: data[0] ?? {}, offsets: summary.layers?.[0]?.offsets ?? {} }
  }

  const tableNow = (name: string): Promise<Table | undefined> =>
    loadTableIfExists(lake.catalog, parseTableName(name))

  /** Polls until `over`. A wrong answer ends it at once; one that fails is noted. */
  async function readUntil(over: AbortSignal, reading: Reading): Promise<void> {
    while (!over.aborted) {
      const beganMs = clock.monotonic()
      try {
        const { row, offsets } = await query(
          'SELECT count(*) AS n, sum(amount)::BIGINT AS total, max(sent_ms) AS newest FROM web.soak',
        )
        const atMs = clock.monotonic()
        const count = Number(row['n'])
        const found = `${count} ${Number(row['total'] ?? 0)}`
        const wanted = ledger.upTo(offsets)
        if (found !== wanted) {
          throw new WrongAnswer(`found ${found}, produced ${wanted}: ${JSON.stringify(offsets)}`)
        }
        reading.compared++
        const ageMs = clock.now() - Number(row['newest'])
        if (count > 0) reading.answers.push({ atMs, ageMs, tookMs: atMs - beganMs, count })
      } catch (error) {
        if (error instanceof WrongAnswer) throw error
        reading.failures.push({ atMs: clock.monotonic(), error: String(error) })
      }
      await clock.sleep(50)
    }
  }

  async function expectAllThere(): Promise<void> {
    const total = ledger.ends.reduce((sum, end) => sum + end, 0)
    const last = await query('SELECT count(*) AS n, sum(amount)::BIGINT AS total FROM web.soak')
    expect(`${Number(last.row['n'])} ${Number(last.row['total'])}`).toBe(ledger.upTo(last.offsets))
    expect(Number(last.row['n'])).toBe(total)
    const end = await dev.terminate()
    expect(end.code, end.stderr).toBe(0)
    expect(await lake.rowCount('web.soak')).toBe(total)
    const next = await lake.nextOffsets('web.soak', 'soak', 'soak')
    expect([...next].sort().map(([, offset]) => Number(offset))).toEqual(ledger.ends)
  }

  async function soak(): Promise<Soak> {
    const reading: Reading = { compared: 0, answers: [], failures: [] }
    const table = new TableWatch(() => tableNow('web.soak'), clock)
    const model = new TableWatch(() => tableNow('models.per_minute'), clock)
    const over = new AbortController()
    const watching = Promise.all([
      readUntil(over.signal, reading),
      table.run(500, over.signal),
      model.run(1_000, over.signal),
    ])
    const beganMs = clock.monotonic()
    const producing = produceFor(seconds * 1000)
    // A wrong answer ends the test at once.
    await Promise.race([clock.sleep(seconds * 500), watching])
    const killedMs = clock.monotonic()
    await dev.kill()
    await startDev()
    await Promise.race([producing, watching])
    await clock.sleep(1_500)
    over.abort()
    await watching
    return { beganMs, killedMs, reading, table, model }
  }

  it(
    'answers exactly at the offsets it names, fresh, while every part does its work',
    async () => {
      const run = await soak()
      await expectAllThere()
      const total = ledger.ends.reduce((sum, end) => sum + end, 0)
      const figures = figuresOf(run, total)
      process.stdout.write(`${figuresLine(run, figures, total)}\n`)
      expectFresh(run, figures)
      expectUpkeep(run, figures)
      expectModelRuns(run)
    },
    (seconds + 240) * 1000,
  )
})

class WrongAnswer extends Error {}

interface Reading {
  /** Answers that were found exact, those of an empty table too. */
  compared: number
  readonly answers: Answer[]
  readonly failures: { readonly atMs: number; readonly error: string }[]
}

interface Soak {
  readonly beganMs: number
  readonly killedMs: number
  readonly reading: Reading
  readonly table: TableWatch
  readonly model: TableWatch
}

interface Figures {
  /** Of the first answer that is fresh, at the start and after the kill. */
  readonly firstFreshMs: number
  readonly freshAgainMs: number
  /** Answers while records came, outside the restart and inside it. */
  readonly outside: readonly Answer[]
  readonly inside: readonly Answer[]
  /** In the last third of the time. */
  readonly lateFiles: readonly number[]
  readonly lateSnapshots: readonly number[]
  readonly commits: number
  readonly compactions: number
  readonly expired: number
}

function figuresOf({ killedMs, reading, table }: Soak, total: number): Figures {
  const { answers } = reading
  const firstFreshMs = answers.find(({ ageMs }) => ageMs < freshMs)?.atMs ?? Number.NaN
  const freshAgainMs =
    answers.find(({ atMs, ageMs }) => atMs > killedMs && ageMs < freshMs)?.atMs ?? Number.NaN
  const whileProduced = answers.filter(({ count }) => count < total)
  const isInside = ({ atMs }: Answer): boolean => atMs >= killedMs && atMs < freshAgainMs
  const late = table.looks.slice(-Math.ceil(table.looks.length / 3))
  return {
    firstFreshMs,
    freshAgainMs,
    outside: whileProduced.filter((each) => !isInside(each) && each.atMs >= firstFreshMs),
    inside: whileProduced.filter(isInside),
    lateFiles: late.map(({ files }) => files),
    lateSnapshots: late.map(({ snapshots }) => snapshots),
    commits: table.count('append'),
    compactions: table.count('replace'),
    expired: table.gone.length,
  }
}

const agesOf = (answers: readonly Answer[]): readonly number[] => answers.map(({ ageMs }) => ageMs)
const spread = (values: readonly number[]): string =>
  values.length === 0
    ? 'none'
    : `p50 ${percentile(values, 0.5)} ms, p99 ${percentile(values, 0.99)} ms, max ${percentile(values, 1)} ms`
const range = (values: readonly number[]): string =>
  `${Math.min(...values)} to ${Math.max(...values)}`

function figuresLine({ killedMs, model, reading }: Soak, figures: Figures, total: number): string {
  const { commits, compactions, expired, freshAgainMs, inside, lateFiles, lateSnapshots, outside } =
    figures
  return [
    `soak: ${seconds} s at ${recordsPerSecond} records/s`,
    `${total} records`,
    `${reading.compared} answers compared, all exact, took ${spread(reading.answers.map(({ tookMs }) => tookMs))}`,
    `age of the newest row outside the restart window ${spread(agesOf(outside))}`,
    `inside it (${Math.round(freshAgainMs - killedMs)} ms, ${inside.length} answers, ${reading.failures.length} failed) ${spread(agesOf(inside))}`,
    `${range(lateFiles)} files and ${range(lateSnapshots)} snapshots in the last third`,
    `${commits} commits`,
    `${compactions} compactions`,
    `${expired} snapshots expired`,
    `${model.seen.length} model runs`,
  ].join('; ')
}

function expectFresh({ beganMs, killedMs, reading, table }: Soak, figures: Figures): void {
  const { firstFreshMs, freshAgainMs, outside } = figures
  expect.soft(firstFreshMs - beganMs).toBeLessThan(30_000 / share)
  expect.soft(freshAgainMs - killedMs).toBeLessThan(30_000 / share)
  // Only while there was no server, or no table.
  for (const { atMs, error } of reading.failures) {
    const isRestart = atMs >= killedMs && atMs < freshAgainMs
    expect.soft(isRestart || atMs < firstFreshMs, error).toBe(true)
  }
  expect.soft(outside.length).toBeGreaterThan(seconds * share)
  expect.soft(percentile(agesOf(outside), 0.99)).toBeLessThan(freshMs)
  // An answer from snapshots alone is ahead of the last look at the table once in a few times.
  const ahead = outside.filter(({ atMs, count }) => {
    const look = table.looks.findLast((each) => each.atMs <= atMs)
    return count > (look?.rows ?? 0)
  })
  expect.soft(ahead.length / outside.length).toBeGreaterThan(0.6)
  for (const [index, { count, atMs, tookMs }] of reading.answers.entries()) {
    const before = reading.answers[index - 1]
    // A new server begins again at what was committed; otherwise answers go forward.
    const isFirstOfServer = before === undefined || (before.atMs < killedMs && atMs >= killedMs)
    if (!isFirstOfServer) expect.soft(count).toBeGreaterThanOrEqual(before.count)
    const look = table.looks.findLast((each) => each.atMs <= atMs - tookMs)
    expect.soft(count).toBeGreaterThanOrEqual(look?.rows ?? 0)
  }
}

/** Each of these is red without its part: commits, compaction, expiry, offsets that survive both. */
function expectUpkeep({ table }: Soak, figures: Figures): void {
  const { commits, compactions, expired, lateFiles, lateSnapshots } = figures
  expect.soft(commits).toBeGreaterThan((seconds / commitSeconds) * 0.6 * share)
  expect.soft(compactions).toBeGreaterThanOrEqual(Math.ceil((seconds / 30) * share))
  expect.soft(Math.max(...lateFiles)).toBeLessThan(filesMax / share)
  expect.soft(expired).toBeGreaterThan((commits / 4) * share)
  expect.soft(Math.max(...lateSnapshots)).toBeLessThan(snapshotsMax / share)
  for (const { rows, offsets } of table.looks) expect.soft(offsets).toBe(rows)
  const rows = new Map(
    table.seen.map(({ snapshotId, summary }) => [snapshotId, summary?.['total-records']]),
  )
  for (const { parentSnapshotId = 0n, summary } of table.seen) {
    if (summary?.operation !== 'replace' || !rows.has(parentSnapshotId)) continue
    expect.soft(summary['total-records']).toBe(rows.get(parentSnapshotId))
  }
}

function expectModelRuns({ model }: Soak): void {
  const expected = seconds / modelSeconds
  const times = model.seen.map(({ timestampMs }) => Number(timestampMs))
  // One run may fall to the start and one to the restart.
  expect.soft(times.length).toBeGreaterThanOrEqual((expected - 2) * share)
  expect.soft(times.length).toBeLessThanOrEqual(expected + 2)
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at))
  expect.soft(Math.max(...gaps)).toBeLessThan((modelSeconds * 2_500) / share)
}
