/** Made-up sources of histories, for tests of SCD Type 2: what a run may find, and in which cuts. */
import fc from 'fast-check'
import { type HistoryRules, keyOf, type Observation, type Version } from './history-oracle.ts'

const second = 1_000_000
/** When observations begin, in microseconds. */
export const epoch = Date.parse('2026-01-01T00:00:00Z') * 1_000

const key = fc.record({ id: fc.integer({ min: 1, max: 2 }), part: fc.constantFrom('x', 'y') })
const attributes = fc.record({
  value: fc.option(fc.constantFrom('a', 'b')),
  note: fc.option(fc.constantFrom('n', 'm')),
})
/** Times around that of the runs, which are a second apart, on the second so that some coincide. */
const moment = fc.integer({ min: -2, max: 4 }).map((each) => epoch + each * second)

const version = fc
  .tuple(key, attributes, moment)
  .map(([own, more, at]): Version => ({ ...own, ...more, at }))

function hasNoContradiction(rows: readonly Version[]): boolean {
  const moments = new Set(rows.map((row) => `${keyOf(row)} ${row.at}`))
  return moments.size === new Set(rows.map((row) => JSON.stringify(row))).size
}

/** Sources of the check strategy: a key once. */
export const present = fc.uniqueArray(
  fc.tuple(key, attributes).map(([own, more]): Version => ({ ...own, ...more })),
  { maxLength: 4, selector: keyOf },
)
export const several = fc.array(version, { maxLength: 5 }).filter(hasNoContradiction)

export function observationsOf(
  rows: fc.Arbitrary<readonly Version[]>,
): fc.Arbitrary<readonly Observation[]> {
  // A clock may stand still, or go back.
  const step = fc.constantFrom(0, 1, 1, 1, 2, -1).map((each) => each * second)
  return fc.array(fc.tuple(step, rows), { minLength: 1, maxLength: 6 }).map((list) => {
    let at = epoch
    return list.map(([ahead, seen]) => ({ at: (at += ahead), rows: seen }))
  })
}

export const hardDeletes = fc.constantFrom<HistoryRules['hardDeletes']>(
  'ignore',
  'invalidate',
  'new_record',
)

/** Versions, and two ways of learning them: in whatever order, cut into runs anywhere. */
export const fullHistories = fc
  .array(version, { minLength: 1, maxLength: 9 })
  .chain((all) => fc.record({ all: fc.constant(all), ways: fc.tuple(wayOf(all), wayOf(all)) }))

function wayOf(all: readonly Version[]): fc.Arbitrary<readonly (readonly Version[])[]> {
  const order = fc.shuffledSubarray([...all], { minLength: all.length })
  const cuts = fc.array(fc.integer({ min: 1, max: all.length }), { maxLength: 4 })
  return fc.tuple(order, cuts).map(([shuffled, ends]) => {
    const sorted = [...new Set([...ends, all.length])].sort((a, b) => a - b)
    return sorted.flatMap((end, index) =>
      // Runs overlap: what was learned once may be told again.
      withoutContradictions(shuffled.slice(Math.max(0, (sorted[index - 1] ?? 0) - 1), end)),
    )
  })
}

/** In several runs where one would be refused (B7). */
function withoutContradictions(rows: readonly Version[]): readonly (readonly Version[])[] {
  const parts: Version[][] = []
  for (const row of rows) {
    const fitting = parts.find((part) => hasNoContradiction([...part, row]))
    if (fitting === undefined) parts.push([row])
    else fitting.push(row)
  }
  return parts
}

/** The rows as a SELECT with the columns `id, part, value, note`, and `updated_at` for timestamps. */
export function sourceSql({ strategy }: HistoryRules, rows: readonly Version[]): string {
  const types = ['INTEGER', 'VARCHAR', 'VARCHAR', 'VARCHAR']
  const literal = (value: string | number | null, index: number): string => {
    const plain = typeof value === 'string' ? `'${value}'` : String(value)
    return `CAST(${plain} AS ${types[index]})`
  }
  const lines = rows.map(({ id, part, value, note, at = 0 }) => {
    const cells = [id, part, value, note].map(literal)
    return `(${cells.join(', ')}, make_timestamp(${at}::BIGINT))`
  })
  const empty = "(NULL::INTEGER, ''::VARCHAR, ''::VARCHAR, ''::VARCHAR, NULL::TIMESTAMP)"
  const chosen = strategy === 'timestamp' ? '*' : '* EXCLUDE (updated_at)'
  return `SELECT ${chosen} FROM (VALUES ${lines.length === 0 ? empty : lines.join(', ')}) t(id, part, value, note, updated_at)
    WHERE ${lines.length > 0}`
}
