/** Counts what a replay would read and replace; changes nothing. */
import { formatIdentifier, mainBranch } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { partitionKey } from '../ingest/index.ts'
import type { ReplayPlan } from './plan-replay.ts'
import { findRangeFiles } from './range-files.ts'
import { type RangeTools, withRangeTools } from './range-tools.ts'
import { headSnapshot } from './branch-head.ts'
import { offsetsLeft } from './replay-progress.ts'
import type { ReplayRange } from './replay-ranges.ts'
import type { ReplayTools } from './replay-tools.ts'
import { type RowRange, selectRange } from './row-range.ts'

/** A range, with the number of its rows and letters now. */
export interface ReplayRangePreview extends ReplayRange {
  readonly rows: bigint
  readonly deadLetters: bigint
}

export interface ReplayPreview {
  readonly table: string
  readonly target: string
  /** The head of the target. */
  readonly snapshotId: bigint | undefined
  readonly ranges: readonly ReplayRangePreview[]
  /** Files that hold only rows of the range: removed whole. */
  readonly filesWhole: number
  /** Files whose other rows are written to new files. */
  readonly filesPartial: number
  readonly rowsRewritten: bigint
  /** Offsets that are still to be read into a branch that has the replay already; undefined for a new one. */
  readonly left: bigint | undefined
}

export async function previewReplay(tools: ReplayTools, plan: ReplayPlan): Promise<ReplayPreview> {
  const { table, letters, olderLetters, rows, letterRows, record } = plan
  const { target, ranges } = record
  return withRangeTools(tools, async (rangeTools) => {
    const files = await findRangeFiles(rangeTools, table, target, rows)
    const rowsOf = await countByPartition(rangeTools, table, target, rows)
    const letterCounts: CountOf[] = []
    for (const each of [letters, ...olderLetters]) {
      letterCounts.push(await countByPartition(rangeTools, each, mainBranch, letterRows))
    }
    const inFiles = [...files.whole, ...files.partial].reduce(
      (sum, file) => sum + file.recordCount,
      0n,
    )
    return {
      table: formatIdentifier(table.identifier),
      target,
      snapshotId: headSnapshot(table, target)?.snapshotId,
      ranges: ranges.map((range) => ({
        ...range,
        rows: rowsOf(range),
        deadLetters: letterCounts.reduce((sum, countOf) => sum + countOf(range), 0n),
      })),
      filesWhole: files.whole.length,
      filesPartial: files.partial.length,
      rowsRewritten: inFiles - files.rowCount,
      left: plan.beginning === undefined ? offsetsLeft(plan) : undefined,
    }
  })
}

type CountOf = (range: ReplayRange) => bigint

/** The rows of the range that `ref` holds, for each partition of the log. */
async function countByPartition(
  { stage, pin }: RangeTools,
  table: Table | undefined,
  ref: string,
  range: RowRange,
): Promise<CountOf> {
  if (table === undefined || headSnapshot(table, ref) === undefined) return () => 0n
  pin(table)
  const keys = [...range(table).terms.keys()]
  const columns = [...range(table).terms.values()].map(
    (term, index) => `count(*) FILTER (WHERE ${term}) AS n${index}`,
  )
  await stage.load('range_counts', selectRange(table, ref, range, columns.join(', ')))
  const [row = []] = await stage.rows('FROM range_counts')
  const counts = new Map(keys.map((key, index) => [key, BigInt(String(row[index] ?? 0))]))
  return (of) => counts.get(partitionKey(of)) ?? 0n
}
