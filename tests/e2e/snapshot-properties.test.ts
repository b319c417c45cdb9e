/**
 * Histories through the whole product against a model that knows no SQL: made-up sources, a run each,
 * into tables of every way of writing. The same over many more cases, without tables:
 * tests/simulation/histories.test.ts.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BatchProject, openBatchProject } from '../support/batch-project.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import {
  epoch,
  fullHistories,
  hardDeletes,
  observationsOf,
  present,
  several,
  sourceSql,
} from '../support/history-cases.ts'
import {
  faultsOf,
  historyOf,
  type HistoryRow,
  type HistoryRules,
  keyOf,
  lineOf,
  type Observation,
} from '../support/history-oracle.ts'

let project: BatchProject

beforeAll(async () => {
  project = await openBatchProject({ now: '2026-01-01T00:00:00Z' })
})

afterAll(() => project.close())

const identifier = { namespace: ['models'], name: 'people_history' }
const wayOfWriting = fc.constantFrom('copy-on-write', 'merge-on-read', undefined)

/** A history that has not begun. */
async function begin(
  { strategy, checked, hardDeletes: deletes }: HistoryRules,
  way: string | undefined,
): Promise<void> {
  await project.lake.catalog.dropTable(identifier).catch(() => undefined)
  const how =
    strategy === 'check' ? `check_cols: [${checked.join(', ')}]` : 'updated_at: updated_at'
  const properties = way === undefined ? '' : `, properties: { write.update.mode: ${way} }`
  await project.files({
    'snapshots/people_history.yml': `
snapshots:
  - name: people_history
    relation: ref('people')
    config: { strategy: ${strategy}, unique_key: [id, part], hard_deletes: ${deletes}, ${how}${properties} }`,
  })
}

async function observe(rules: HistoryRules, { at, rows }: Observation): Promise<void> {
  await project.files({ 'models/people.sql': sourceSql(rules, rows) })
  await project.build({ select: ['people'] })
  await run(at)
}

/** What must always hold is looked at after each run. */
async function run(at: number): Promise<void> {
  project.clock.advance(at / 1_000 - project.clock.now())
  const statuses = await project.build({ verb: 'snapshot' })
  expect(statuses[1]).toBe('one_current_row_people_history pass')
}

async function stored(rules: HistoryRules): Promise<readonly string[]> {
  const found = await project.rows(
    `SELECT id, part, coalesce(value, '-'), coalesce(note, '-'), epoch_us(valid_from), epoch_us(valid_to), is_deleted FROM models.people_history`,
  )
  const rows = found.map((line): HistoryRow => {
    const [id = '', part = '', value = '', note = '', from, to, isDeleted] = line.split('|')
    return {
      key: keyOf({ id: Number(id), part }),
      value: value === '-' ? null : value,
      note: note === '-' ? null : note,
      from: Number(from),
      to: to === 'NULL' ? null : Number(to),
      isDeleted: isDeleted === 'true',
    }
  })
  expect(faultsOf(rules, rows)).toEqual([])
  return rows.map(lineOf).sort()
}

function expected(rules: HistoryRules, seen: readonly Observation[]): readonly string[] {
  return historyOf(rules, seen).map(lineOf)
}

/** A fresh seed each time, which fast-check prints with the case that fails. */
const runs = { numRuns: 5 * fuzzEffort }

describe('a history of a project', () => {
  it.each([
    ['check', present],
    ['timestamp', several],
  ] as const)(
    '[B6, B8, B9, B12] strategy %s: is what was observed, whatever runs lie between and however it is written',
    async (strategy, rows) => {
      const between = fc.array(fc.constantFrom('nothing', 'run', 'rebuilt'), {
        minLength: 6,
        maxLength: 6,
      })
      await fc.assert(
        fc.asyncProperty(
          observationsOf(rows),
          hardDeletes,
          wayOfWriting,
          between,
          async (observations, deletes, way, extra) => {
            const checked = strategy === 'check' ? (['value'] as const) : []
            const rules: HistoryRules = { strategy, checked, hardDeletes: deletes }
            await begin(rules, way)
            for (const [index, observation] of observations.entries()) {
              await observe(rules, observation)
              const seen = observations.slice(0, index + 1)
              expect(await stored(rules)).toEqual(expected(rules, seen))
              const later = observation.at + 1_000
              if (extra[index] === 'run') await run(later)
              if (extra[index] === 'rebuilt') await observe(rules, { ...observation, at: later })
            }
            expect(await stored(rules)).toEqual(expected(rules, observations))
          },
        ),
        runs,
      )
    },
  )

  it('[B6, B12] of full histories is one for every order of arrival, every cut into runs and every way of writing', async () => {
    const rules: HistoryRules = { strategy: 'timestamp', checked: [], hardDeletes: 'ignore' }
    await fc.assert(
      fc.asyncProperty(fullHistories, wayOfWriting, async ({ all, ways: [way] }, writing) => {
        await begin(rules, writing)
        for (const [index, rows] of way.entries()) {
          await observe(rules, { at: epoch + index * 1_000, rows })
        }
        expect(await stored(rules)).toEqual(expected(rules, [{ at: epoch, rows: all }]))
      }),
      runs,
    )
  })
})
