/**
 * The live layer under load, on real Kafka and MinIO: `tide dev` with 2 s commits, compaction, expiry and
 * a model every 10 s, while a reader polls `POST /query` and compares each answer with what was produced
 * up to the offsets that its footer names. One kill -9 in the middle.
 *
 *   TIDEWATER_SOAK_SECONDS=300 npx vitest run --project integration tests/integration/live-soak.test.ts
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environment, seededRandom, systemClock } from '../../common/index.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import type { SinkProcess } from '../support/sink-process.ts'

const hasParts = [requirePart('kafka'), requirePart('minio')].every(Boolean)
const seconds = Number(environment('TIDEWATER_SOAK_SECONDS') ?? 60)
const recordsPerSecond = Number(environment('TIDEWATER_SOAK_RATE') ?? 20_000)
const partitions = 4
const tickMs = 50
/** An age below which nobody would say that the answers lag behind. */
const freshMs = 1_000
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
  return Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN)
}
const spread = (values: readonly number[]): string =>
  `p50 ${percentile(values, 0.5)} ms, p99 ${percentile(values, 0.99)} ms, most ${percentile(values, 1)} ms of ${values.length}`

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
    commit: { interval: 2s }
    properties: { history.expire.max-snapshot-age-ms: "20000", history.expire.min-snapshots-to-keep: "3" }
`,
    )
    await mkdir(join(directory, 'models'))
    await writeFile(
      join(directory, 'models', 'per_minute.sql'),
      `{{ config(materialized='table', cron='*/10 * * * * *') }}
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
    const started = clock.monotonic()
    for (;;) {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(dev.output)?.[0]
      if (found !== undefined) {
        uri = found
        return
      }
      if (clock.monotonic() - started > 60_000) throw new Error(`it did not start: ${dev.log}`)
      await clock.sleep(50)
    }
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

  it('answers exactly at the offsets it names, fresh, with a flat number of files', async () => {
    const answers: Answer[] = []
    const files: number[] = []
    const failures: { readonly atMs: number; readonly error: string }[] = []
    const over = new AbortController()
    const reading = (async (): Promise<void> => {
      for (let round = 0; !over.signal.aborted; round++) {
        const beganMs = clock.monotonic()
        try {
          const { row, offsets } = await query(
            'SELECT count(*) AS n, sum(amount)::BIGINT AS total, max(sent_ms) AS newest FROM web.soak',
          )
          const atMs = clock.monotonic()
          const count = Number(row['n'])
          const found = `${count} ${Number(row['total'] ?? 0)}`
          if (found !== ledger.upTo(offsets)) {
            const wanted = ledger.upTo(offsets)
            throw new WrongAnswer(`found ${found}, produced ${wanted}: ${JSON.stringify(offsets)}`)
          }
          const ageMs = clock.now() - Number(row['newest'])
          if (count > 0) answers.push({ atMs, ageMs, tookMs: atMs - beganMs, count })
          if (round % 10 === 0) {
            const counted = await query('SELECT count(*) AS n FROM web."soak$files"')
            files.push(Number(counted.row['n']))
          }
        } catch (error) {
          if (error instanceof WrongAnswer) throw error
          failures.push({ atMs: clock.monotonic(), error: String(error) })
        }
        await clock.sleep(50)
      }
    })()
    const producing = produceFor(seconds * 1000)
    // A wrong answer ends the test at once.
    await Promise.race([clock.sleep(seconds * 500), reading])
    const killedMs = clock.monotonic()
    await dev.kill()
    await startDev()
    await Promise.race([producing, reading])
    await clock.sleep(1_500)
    over.abort()
    await reading
    const total = ledger.ends.reduce((sum, end) => sum + end, 0)
    const last = await query('SELECT count(*) AS n, sum(amount)::BIGINT AS total FROM web.soak')
    expect(`${Number(last.row['n'])} ${Number(last.row['total'])}`).toBe(ledger.upTo(last.offsets))
    expect(Number(last.row['n'])).toBe(total)
    const end = await dev.terminate()
    expect(end.code, end.stderr).toBe(0)
    expect(await lake.rowCount('web.soak')).toBe(total)
    const next = await lake.nextOffsets('web.soak', 'soak', 'soak')
    expect([...next].sort().map(([, offset]) => Number(offset))).toEqual(ledger.ends)

    // From the first answer that is fresh, at the start and after the kill.
    const firstFreshMs = answers.find(({ ageMs }) => ageMs < freshMs)?.atMs ?? Number.NaN
    const freshAgainMs =
      answers.find(({ atMs, ageMs }) => atMs > killedMs && ageMs < freshMs)?.atMs ?? Number.NaN
    const producedMs = answers.filter(({ count }) => count < total)
    const isInside = ({ atMs }: { readonly atMs: number }): boolean =>
      atMs >= killedMs && atMs < freshAgainMs
    const inside = producedMs.filter(isInside)
    const outside = producedMs.filter((each) => !isInside(each) && each.atMs >= firstFreshMs)
    const lateFiles = files.slice(-Math.ceil(files.length / 3))
    process.stdout.write(
      `${[
        `answers: ${answers.length}, all exact; ${total} records; took ${spread(answers.map(({ tookMs }) => tookMs))}`,
        `age of the newest row outside the restart: ${spread(outside.map(({ ageMs }) => ageMs))}`,
        `inside: ${Math.round(freshAgainMs - killedMs)} ms until fresh again; answers then: ${spread(inside.map(({ ageMs }) => ageMs))}`,
        `files: most ${Math.max(...files)}, in the last third ${Math.min(...lateFiles)} to ${Math.max(...lateFiles)}`,
        `failed while restarting: ${failures.length}`,
      ].join('\n')}\n`,
    )
    // Only while there was no server.
    for (const { atMs, error } of failures) {
      expect(isInside({ atMs }) || atMs < firstFreshMs, error).toBe(true)
    }
    expect(outside.length).toBeGreaterThan(seconds)
    expect(
      percentile(
        outside.map(({ ageMs }) => ageMs),
        0.99,
      ),
    ).toBeLessThan(freshMs)
    expect(freshAgainMs - killedMs).toBeLessThan(30_000)
    expect(Math.max(...lateFiles)).toBeLessThan(40)
  })
})

class WrongAnswer extends Error {}
