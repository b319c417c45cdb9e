/** What a replay changed: its rows against those that the table had when the branch was made. */
import { type TableIdentifier, formatIdentifier, parseTableName } from '../catalog/format/index.ts'
import { findTable } from '../ingest/index.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import { readReplayRecord, type ReplayRecord } from './replay-record.ts'
import { type QueryStage, quoteIdentifier } from '../sql/index.ts'
import { letterRangeOf, type RowRange, rowRangeOf, tableAt } from './range-files.ts'
import { withRangeTools } from './range-tools.ts'
import { baseBranch } from './replay-branch.ts'
import type { ReplayTools } from './replay-tools.ts'

export type DiffKind = 'only-base' | 'only-branch' | 'differs'

export interface DiffSample {
  readonly kind: DiffKind
  readonly topic: string | null
  readonly partition: number
  readonly offset: bigint
  /** The row as JSON; null where there is none. */
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
  /** Of the differing rows, how many differ in which column. */
  readonly columns: ReadonlyMap<string, bigint>
  readonly samples: readonly DiffSample[]
  readonly deadLettersBase: bigint
  readonly deadLettersBranch: bigint
}

export async function diffReplay(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  samplesMax: number,
): Promise<ReplayDiff> {
  const table = await tools.catalog.loadTable(identifier)
  const record = readReplayRecord(table.metadata.properties, branch)
  if (record === undefined) {
    throw new ReplayRefusedError('no replay made this branch, so there is no range to compare', {
      facts: { table: formatIdentifier(identifier), branch },
    })
  }
  const range = rowRangeOf(table, record.ranges)
  return withRangeTools(tools, async ({ stage, pin }) => {
    pin(table)
    const select = (ref: string): string =>
      `SELECT * FROM ${tableAt(table, ref)} WHERE ${range.condition}`
    const base = await stage.load('replay_base', select(baseBranch(branch)))
    const ours = await stage.load('replay_ours', select(branch))
    const letters = await countLetters(tools, stage, record)
    await joinRows(stage, range)
    const compared = await stage.columns('replay_base')
    const columns = compared
      .map(({ name }) => name)
      .filter((name) => name !== '_kafka' && !name.startsWith('_kafka_'))
    return {
      rowsBase: BigInt(base.rowCount),
      rowsBranch: BigInt(ours.rowCount),
      ...(await countKinds(stage, columns)),
      columns: await countColumns(stage, columns),
      samples: await sampleRows(stage, columns, samplesMax),
      ...letters,
    }
  })
}

/** Pairs by place; a place that one side has twice is paired in order and shows as a difference. */
async function joinRows(stage: QueryStage, { place }: RowRange): Promise<void> {
  const numbered = (relation: string): string => `SELECT ${place.topic}::VARCHAR AS t,
      ${place.partition} AS p, ${place.offset} AS o,
      row_number() OVER (PARTITION BY ${place.topic}::VARCHAR, ${place.partition}, ${place.offset}) AS n,
      r AS v FROM ${relation} AS r`
  await stage.run(`CREATE OR REPLACE TEMP TABLE replay_pairs AS
    SELECT coalesce(a.t, b.t) AS t, coalesce(a.p, b.p) AS p, coalesce(a.o, b.o) AS o,
      a.p IS NOT NULL AS in_base, b.p IS NOT NULL AS in_ours, a.v AS base, b.v AS ours
    FROM (${numbered('replay_base')}) a FULL OUTER JOIN (${numbered('replay_ours')}) b
      ON a.t IS NOT DISTINCT FROM b.t AND a.p = b.p AND a.o = b.o AND a.n = b.n`)
}

function differs(columns: readonly string[]): string {
  const terms = columns.map((name) => isOther(name))
  return terms.length === 0 ? 'false' : `(${terms.join(' OR ')})`
}

function isOther(name: string): string {
  return `base.${quoteIdentifier(name)} IS DISTINCT FROM ours.${quoteIdentifier(name)}`
}

async function countKinds(
  stage: QueryStage,
  columns: readonly string[],
): Promise<Pick<ReplayDiff, 'same' | 'onlyBase' | 'onlyBranch' | 'differing'>> {
  const [row = []] = await stage.rows(`SELECT
      count(*) FILTER (WHERE in_base AND NOT in_ours),
      count(*) FILTER (WHERE in_ours AND NOT in_base),
      count(*) FILTER (WHERE in_base AND in_ours AND ${differs(columns)}),
      count(*) FILTER (WHERE in_base AND in_ours AND NOT ${differs(columns)})
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
  const counts = columns.map((name) => `count(*) FILTER (WHERE ${isOther(name)})`)
  const [row = []] = await stage.rows(
    `SELECT ${counts.join(', ')} FROM replay_pairs WHERE in_base AND in_ours`,
  )
  const found = columns.map((name, index) => [name, BigInt(String(row[index] ?? 0))] as const)
  return new Map(found.filter(([, count]) => count > 0n))
}

async function sampleRows(
  stage: QueryStage,
  columns: readonly string[],
  samplesMax: number,
): Promise<readonly DiffSample[]> {
  const rows = await stage.rows(`SELECT kind, t, p, o, base_text, ours_text FROM (
      SELECT *, row_number() OVER (PARTITION BY kind ORDER BY t, p, o) AS position FROM (
        SELECT CASE WHEN NOT in_ours THEN 'only-base' WHEN NOT in_base THEN 'only-branch'
            ELSE 'differs' END AS kind, t, p, o,
          CASE WHEN in_base THEN to_json(base)::VARCHAR END AS base_text,
          CASE WHEN in_ours THEN to_json(ours)::VARCHAR END AS ours_text
        FROM replay_pairs
        WHERE NOT in_base OR NOT in_ours OR ${differs(columns)}))
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

async function countLetters(
  tools: ReplayTools,
  stage: QueryStage,
  record: ReplayRecord,
): Promise<Pick<ReplayDiff, 'deadLettersBase' | 'deadLettersBranch'>> {
  const identifier = parseTableName(record.deadLetterTable)
  const table = await findTable(tools.catalog, identifier)
  const { condition } = letterRangeOf(record.stream, record.ranges)
  const count = async (ref: string): Promise<bigint> => {
    if (table?.metadata.refs[ref] === undefined) return 0n
    const from = tableAt(table, ref)
    const loaded = await stage.load('letters', `SELECT "offset" FROM ${from} WHERE ${condition}`)
    return BigInt(loaded.rowCount)
  }
  return {
    deadLettersBase: await count('main'),
    deadLettersBranch: await count(record.letterBranch),
  }
}
