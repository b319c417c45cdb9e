/**
 * Random records through every path of a stream: columns that are all flat or nested, coercion strict or lenient, with
 * batches of many sizes. Each record becomes a row or a dead letter, once; flat and nested tables hold the same.
 *
 *   TIDEWATER_SIMULATION_SEED=7 npx vitest run --project simulation tests/simulation/records.test.ts
 *   TIDEWATER_SOAK_SECONDS=600: as many rounds as fit, each with a seed of its own
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  environment,
  NotFoundError,
  type Random,
  seededRandom,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { randomColumns, type RandomColumn, randomRecord } from '../support/random-records.ts'

const firstSeed = Number(
  environment('TIDEWATER_SIMULATION_SEED') ?? Math.floor(systemRandom.fraction() * 2 ** 31),
)
const soakSeconds = Number(environment('TIDEWATER_SOAK_SECONDS') ?? 0)
const rounds = 4 * fuzzEffort
const recordsOfRound = 300
/** Of one first seed; the rounds of the next one have seeds of their own. */
const roundsMax = 10_000
const partitions = 2

let lake: LakeFixture
beforeAll(async () => {
  lake = await openLakeFixture()
})
afterAll(() => lake.close())

interface Outcome {
  /** `partition:offset` of each row, with its columns as text. */
  readonly rows: ReadonlyMap<string, string>
  /** `partition:offset` of each dead letter, with its reason. */
  readonly letters: ReadonlyMap<string, string>
}

describe(`random records (TIDEWATER_SIMULATION_SEED=${firstSeed})`, () => {
  it('become a row or a dead letter each, the same in flat and nested tables', async () => {
    const endMs = systemClock.monotonic() + soakSeconds * 1000
    let round = 0
    for (; round < rounds || systemClock.monotonic() < endMs; round++) {
      await runRound(firstSeed * roundsMax + round)
    }
    process.stderr.write(`${round} rounds of ${recordsOfRound} random records\n`)
  })
})

async function runRound(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const columns = randomColumns(random)
  const topic = `topic-${seed}`
  await lake.log.createTopic(topic, partitions)
  for (let index = 0; index < recordsOfRound; index++) {
    await lake.log.append({ topic, partition: index % partitions }, [randomRecord(random, columns)])
  }
  for (const coercion of ['strict', 'lenient'] as const) {
    const flat = await stream(random, topic, columns, coercion, 'flat')
    const nested = await stream(random, topic, columns, coercion, 'nested')
    const facts = `seed=${seed} coercion=${coercion} columns=${JSON.stringify(columns)}`
    expect([...nested.letters.keys()], facts).toEqual([...flat.letters.keys()])
    expect(Object.fromEntries(nested.rows), facts).toEqual(Object.fromEntries(flat.rows))
  }
  await inferred(random, topic)
}

/** A stream of its own name and tables over the topic; its batches and their number are random. */
async function stream(
  random: Random,
  topic: string,
  columns: readonly RandomColumn[],
  coercion: string,
  shape: 'flat' | 'nested',
): Promise<Outcome> {
  const name = `${topic}-${coercion}-${shape}`.replaceAll('-', '_')
  const fields = columns.map((column) => `{ name: ${column.name}, type: "${column.type}" }`)
  // A nested column makes the rows travel as text that the engine parses.
  if (shape === 'nested') fields.push('{ name: zz, type: "struct<a: long>" }')
  const schema = `{ mode: declared, unknown_fields: dead_letter, coercion: ${coercion}, fields: [${fields.join(', ')}] }`
  await drain(random, topic, name, schema)
  const outcome = await outcomeOf(
    name,
    columns.map((column) => column.name),
  )
  expectEachOnce(outcome, name)
  return outcome
}

async function inferred(random: Random, topic: string): Promise<void> {
  const name = `${topic}-inferred`.replaceAll('-', '_')
  await drain(random, topic, name, '{ mode: json_infer }')
  expectEachOnce(await outcomeOf(name, []), name)
}

async function drain(random: Random, topic: string, name: string, schema: string): Promise<void> {
  const batch = [7, 60, 1000][Math.floor(random.fraction() * 3)]
  const settings = lake.settings(`
name: ${name}
input: { embedded: { directory: log, topics: [${topic}], start_offset: earliest } }
schema: ${schema}
output: { iceberg: { table: web.${name}, commit: { interval: 10s, max_records: ${batch} } } }
`)
  await lake.run(settings)
}

async function outcomeOf(name: string, columns: readonly string[]): Promise<Outcome> {
  const texts = columns.map((column) => `coalesce(CAST("${column}" AS VARCHAR), '∅')`)
  const row = texts.length === 0 ? "''" : `concat_ws(' | ', ${texts.join(', ')})`
  const place = '_kafka."partition" AS p, _kafka."offset" AS o'
  const rows = await lake.rows(`web.${name}`, `${place}, ${row} AS t`)
  const letters = await lettersOf(name)
  return { rows: byPlace(rows), letters }
}

async function lettersOf(name: string): Promise<ReadonlyMap<string, string>> {
  const letters = await lake
    .rows(`web.${name}__dlq`, '"partition" AS p, "offset" AS o, error AS t')
    .catch((error: unknown) => {
      if (error instanceof NotFoundError) return []
      throw error
    })
  return byPlace(letters)
}

function byPlace(rows: readonly Record<string, unknown>[]): ReadonlyMap<string, string> {
  const places = rows.map(({ p, o, t }): [string, string] => [
    `${String(p)}:${String(o).padStart(6, '0')}`,
    // The engine loses the sign of zero now and then.
    String(t).replaceAll(/-(?=0\.?0*( |$))/g, ''),
  ])
  expect(new Set(places.map(([place]) => place)).size, 'a record came twice').toBe(places.length)
  return new Map(places.sort(([left], [right]) => (left < right ? -1 : 1)))
}

function expectEachOnce({ rows, letters }: Outcome, name: string): void {
  const all = [...rows.keys(), ...letters.keys()].sort()
  const wanted = Array.from(
    { length: recordsOfRound },
    (_, index) =>
      `${index % partitions}:${String(Math.floor(index / partitions)).padStart(6, '0')}`,
  ).sort()
  expect(all, `records of ${name}`).toEqual(wanted)
}
