/** The changes of a replay: its rows compared with those that the table had when the branch was created. */
import { formatIdentifier, mainBranch, type TableIdentifier } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { type QueryStage, quoteIdentifier } from '../sql/index.ts'
import { planOfBranch, type ReplayPlan } from './plan-replay.ts'
import { type RangeTools, withRangeTools } from './range-tools.ts'
import { hasBranch } from './branch-head.ts'
import { baseBranch } from './replay-branch.ts'
import { requireFinished } from './replay-progress.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import type { ReplayTools } from './replay-tools.ts'
import { type RangeSql, type RowRange, selectRange } from './row-range.ts'

export type DiffKind = 'only-base' | 'only-branch' | 'differs'

export interface DiffSample {
  readonly kind: DiffKind
  readonly topic: string | null
  readonly partition: number
  readonly offset: bigint
  /** The row as JSON; null when there is none. */
  readonly base: string | null
  readonly branch: string | null
}

export interface ReplayDiff {
  readonly rowsBase: bigint
  readonly rowsBranch: bigint
  readonly same: bigint
  readonly onlyBase: bigint
  readonly onlyBranch: bigint
  readonly differing: bigint
  /** The number of rows that differ in each column. */
  readonly columns: ReadonlyMap<string, bigint>
  readonly samples: readonly DiffSample[]
  readonly deadLettersBase: bigint
  readonly deadLettersBranch: bigint
}

/** Throws ReplayRefusedError for a branch that no replay made, and for a replay that has not finished. */
export async function diffBranch(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  samplesMax: number,
): Promise<ReplayDiff> {
  const plan = await planOfBranch(tools, await tools.catalog.loadTable(identifier), branch)
  if (plan !== undefined) {
    requireFinished(plan)
    return diffReplay(tools, plan, samplesMax)
  }
  throw new ReplayRefusedError('no replay made this branch, so there is no range to compare', {
    facts: { table: formatIdentifier(identifier), branch },
  })
}

/** Compares the branch of `plan` with the snapshot that it began at; `samplesMax` samples of each kind. */
export async function diffReplay(
  tools: ReplayTools,
  { branch, record, table, letters, olderLetters, rows, letterRows }: ReplayPlan,
  samplesMax: number,
): Promise<ReplayDiff> {
  return withRangeTools(tools, async (rangeTools) => {
    const { stage, pin } = rangeTools
    pin(table)
    const base = await stage.load('replay_base', selectRange(table, baseBranch(branch), rows))
    const replayed = await stage.load('replay_branch', selectRange(table, branch, rows))
    let deadLettersBase = 0n
    for (const each of [letters, ...olderLetters]) {
      deadLettersBase += await countRows(rangeTools, each, mainBranch, letterRows)
    }
    const deadLettersBranch = await countRows(rangeTools, letters, record.letterBranch, letterRows)
    const sql = rows(table)
    await joinRows(stage, sql)
    // The coordinates are the same on both sides, because they are what the sides are joined by.
    const columns = (await stage.columns('replay_base'))
      .map(({ name }) => name)
      .filter((name) => !sql.columns.has(name))
    return {
      rowsBase: BigInt(base.rowCount),
      rowsBranch: BigInt(replayed.rowCount),
      ...(await countKinds(stage, columns)),
      columns: await countColumns(stage, columns),
      samples: await sampleRows(stage, columns, samplesMax),
      deadLettersBase,
      deadLettersBranch,
    }
  })
}

/** Pairs rows by coordinates; coordinates that one side has twice are paired in order and show as a difference. */
async function joinRows(stage: QueryStage, { alias, coordinates }: RangeSql): Promise<void> {
  const numbered = (relation: string): string => `SELECT ${coordinates.topic}::VARCHAR AS t,
      ${coordinates.partition} AS p, ${coordinates.offset} AS o,
      row_number() OVER (PARTITION BY ${coordinates.topic}::VARCHAR, ${coordinates.partition}, ${coordinates.offset}) AS n,
      ${alias} AS v FROM ${relation} AS ${alias}`
  await stage.run(`CREATE OR REPLACE TEMP TABLE replay_pairs AS
    SELECT coalesce(a.t, b.t) AS t, coalesce(a.p, b.p) AS p, coalesce(a.o, b.o) AS o,
      a.p IS NOT NULL AS in_base, b.p IS NOT NULL AS in_branch, a.v AS base, b.v AS replayed
    FROM (${numbered('replay_base')}) a FULL OUTER JOIN (${numbered('replay_branch')}) b
      ON a.t IS NOT DISTINCT FROM b.t AND a.p = b.p AND a.o = b.o AND a.n = b.n`)
}

function differs(columns: readonly string[]): string {
  const terms = columns.map((name) => isDifferent(name))
  return terms.length === 0 ? 'false' : `(${terms.join(' OR ')})`
}

function isDifferent(name: string): string {
  const column = quoteIdentifier(name)
  return `base.${column} IS DISTINCT FROM replayed.${column}`
}

async function countKinds(
  stage: QueryStage,
  columns: readonly string[],
): Promise<Pick<ReplayDiff, 'same' | 'onlyBase' | 'onlyBranch' | 'differing'>> {
  const [row = []] = await stage.rows(`SELECT
      count(*) FILTER (WHERE in_base AND NOT in_branch),
      count(*) FILTER (WHERE in_branch AND NOT in_base),
      count(*) FILTER (WHERE in_base AND in_branch AND ${differs(columns)}),
      count(*) FILTER (WHERE in_base AND in_branch AND NOT ${differs(columns)})
    FROM replay_pairs`)
  const [onlyBase = 0n, onlyBranch = 0n, differing = 0n, same = 0n] = row.map((value) =>
    BigInt(String(value)),
  )
  return { onlyBase, onlyBranch, differing, same }
}

async function countColumns(
  stage: QueryStage,
  columns: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  if (columns.length === 0) return new Map()
  const counts = columns.map((name) => `count(*) FILTER (WHERE ${isDifferent(name)})`)
  const [row = []] = await stage.rows(
    `SELECT ${counts.join(', ')} FROM replay_pairs WHERE in_base AND in_branch`,
  )
  const byColumn = columns.map((name, index) => [name, BigInt(String(row[index] ?? 0))] as const)
  return new Map(byColumn.filter(([, count]) => count > 0n))
}

async function sampleRows(
  stage: QueryStage,
  columns: readonly string[],
  samplesMax: number,
): Promise<readonly DiffSample[]> {
  const rows = await stage.rows(`SELECT kind, t, p, o, base_text, branch_text FROM (
      SELECT *, row_number() OVER (PARTITION BY kind ORDER BY t, p, o) AS position FROM (
        SELECT CASE WHEN NOT in_branch THEN 'only-base' WHEN NOT in_base THEN 'only-branch'
            ELSE 'differs' END AS kind, t, p, o,
          CASE WHEN in_base THEN to_json(base)::VARCHAR END AS base_text,
          CASE WHEN in_branch THEN to_json(replayed)::VARCHAR END AS branch_text
        FROM replay_pairs
        WHERE NOT in_base OR NOT in_branch OR ${differs(columns)}))
    WHERE position <= ${samplesMax} ORDER BY kind, t, p, o`)
  return rows.map(([kind, topic, partition, offset, base, branch]) => ({
    kind: kind as DiffKind,
    topic: topic === null || topic === undefined ? null : String(topic),
    partition: Number(partition),
    offset: BigInt(String(offset)),
    base: base === null || base === undefined ? null : String(base),
    branch: branch === null || branch === undefined ? null : String(branch),
  }))
}

async function countRows(
  { stage, pin }: RangeTools,
  table: Table | undefined,
  ref: string,
  range: RowRange,
): Promise<bigint> {
  if (table === undefined || !hasBranch(table.metadata, ref)) return 0n
  pin(table)
  const { rowCount } = await stage.load('letters', selectRange(table, ref, range, '1 AS one'))
  return BigInt(rowCount)
}
