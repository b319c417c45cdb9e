/**
 * Histories against a model that knows no SQL. Observations are made up, a run each; then the same
 * observations with runs between that see nothing new, or the same versions in another order and cut.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  epoch,
  fullHistories,
  hardDeletes,
  observationsOf,
  present,
  several,
  sourceSql,
} from '../support/history-cases.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import {
  faultsOf,
  historyOf,
  type HistoryRow,
  type HistoryRules,
  keyOf,
  lineOf,
  type Observation,
} from '../support/history-oracle.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'
import type { SnapshotModelConfig } from '../../batch-jobs/settings/index.ts'
import { openQueryStage, type QueryStage } from '../../sql/index.ts'
import { historyColumns } from '../../batch-jobs/materialize/history-columns.ts'
import { historyStatements, historyTables } from '../../batch-jobs/materialize/history-sql.ts'

let lake: SqlLake
let stage: QueryStage

beforeAll(async () => {
  lake = await openSqlLake()
  stage = await openQueryStage(lake)
})

afterAll(async () => {
  stage.close()
  await lake.close()
})

function configOf(
  { strategy, checked, hardDeletes }: HistoryRules,
  isAll: boolean,
): SnapshotModelConfig {
  return {
    strategy,
    uniqueKey: ['id', 'part'],
    updatedAt: strategy === 'timestamp' ? 'updated_at' : undefined,
    checkCols: isAll ? 'all' : checked,
    hardDeletes,
    metaColumns: 'plain',
  }
}

/** One run of the SQL over what the source holds now. */
async function observe(
  rules: HistoryRules,
  { at, rows }: Observation,
  hasHistory: boolean,
): Promise<readonly HistoryRow[]> {
  const { source, stored, next } = historyTables
  await stage.run(`CREATE OR REPLACE TEMP TABLE ${source} AS ${sourceSql(rules, rows)}`)
  if (hasHistory) {
    await stage.run(`CREATE OR REPLACE TEMP TABLE ${stored} AS
      SELECT *, 'file' AS "$path", 0::BIGINT AS "$pos" FROM ${next}`)
  }
  const config = configOf(rules, rules.checked.length === 2)
  const columns = historyColumns(
    'test',
    config,
    await stage.columns(source),
    hasHistory ? await stage.columns(stored) : [],
  )
  const plan = { config, columns, hasHistory, observedMs: at / 1_000 }
  for (const statement of historyStatements(plan)) await stage.run(statement)
  const found = await stage.rows(
    `SELECT id, part, value, note, epoch_us(valid_from), epoch_us(valid_to), is_deleted, scd_id FROM ${next}`,
  )
  expect(new Set(found.map((row) => row[7])).size).toBe(found.length)
  return found
    .map(([id, part, value, note, from, to, isDeleted]) => ({
      key: keyOf({ id: id === null ? null : Number(id), part: text(part) }),
      value: text(value),
      note: text(note),
      from: Number(from),
      to: to === null ? null : Number(to),
      isDeleted: isDeleted === true,
    }))
    .sort((left, right) => (lineOf(left) < lineOf(right) ? -1 : 1))
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** Runs all observations; what must always hold is looked at after each. */
async function runAll(
  rules: HistoryRules,
  observations: readonly Observation[],
): Promise<readonly string[]> {
  let rows: readonly HistoryRow[] = []
  for (const [index, observation] of observations.entries()) {
    rows = await observe(rules, observation, index > 0)
    expect(faultsOf(rules, rows)).toEqual([])
  }
  return rows.map(lineOf)
}

/** A fresh seed each time, which fast-check prints with the case that fails. */
const runs = (count: number) => ({ numRuns: count * fuzzEffort })

describe('historyStatements()', () => {
  it('[B8, B9] strategy check: what was observed makes the history, as a model without SQL has it', async () => {
    const rules = fc.record({
      strategy: fc.constant('check' as const),
      checked: fc.constantFrom<HistoryRules['checked']>(['value'], ['note'], ['value', 'note']),
      hardDeletes,
    })
    await fc.assert(
      fc.asyncProperty(rules, observationsOf(present), async (each, observations) => {
        expect(await runAll(each, observations)).toEqual(historyOf(each, observations).map(lineOf))
      }),
      runs(40),
    )
  })

  it('[B6, B9] strategy timestamp: the same with late corrections among deletions', async () => {
    const rules = fc.record({
      strategy: fc.constant('timestamp' as const),
      checked: fc.constant([]),
      hardDeletes,
    })
    await fc.assert(
      fc.asyncProperty(rules, observationsOf(several), async (each, observations) => {
        expect(await runAll(each, observations)).toEqual(historyOf(each, observations).map(lineOf))
      }),
      runs(40),
    )
  })

  it('[B9] runs between that see nothing new leave no trace', async () => {
    const cases = fc.oneof(
      fc.tuple(fc.constant('check' as const), observationsOf(present)),
      fc.tuple(fc.constant('timestamp' as const), observationsOf(several)),
    )
    const repeats = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 6, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(cases, hardDeletes, repeats, async ([strategy, all], deletes, times) => {
        const rules = { strategy, checked: ['value'] as const, hardDeletes: deletes }
        const split = all.flatMap((observation, index) => {
          const again = Array.from({ length: times[index] ?? 0 }, (_, count) => ({
            rows: [...observation.rows].reverse(),
            at: observation.at + (count + 1) * 1_000,
          }))
          return [observation, ...again]
        })
        expect(await runAll(rules, split)).toEqual(await runAll(rules, all))
      }),
      runs(20),
    )
  })

  it('[B6] full histories: any order of arrival and any cut into runs give one result', async () => {
    const rules: HistoryRules = { strategy: 'timestamp', checked: [], hardDeletes: 'ignore' }
    await fc.assert(
      fc.asyncProperty(fullHistories, async ({ all, ways }) => {
        const expected = historyOf(rules, [{ at: epoch, rows: all }]).map(lineOf)
        for (const way of ways) {
          const observations = way.map((rows, index) => ({ at: epoch + index * 1_000, rows }))
          expect(await runAll(rules, observations)).toEqual(expected)
        }
      }),
      runs(30),
    )
  })
})
