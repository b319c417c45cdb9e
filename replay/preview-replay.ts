/** Counts what a replay would read and replace; changes nothing. */
import { formatIdentifier, mainBranch } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import type { ReplayPlan } from './plan-replay.ts'
import { findRangeFiles } from './range-files.ts'
import { type RangeTools, withRangeTools } from './range-tools.ts'
import { headSnapshot } from './replay-branch.ts'
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
}

export async function previewReplay(tools: ReplayTools, plan: ReplayPlan): Promise<ReplayPreview> {
  const { table, letters, rows, letterRows, record } = plan
  const { target, ranges } = record
  return withRangeTools(tools, async (rangeTools) => {
    const files = await findRangeFiles(rangeTools, table, target, rows)
    const rowsOf = await countByPartition(rangeTools, table, target, rows)
    const lettersOf = await countByPartition(rangeTools, letters, mainBranch, letterRows)
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
        deadLetters: lettersOf(range),
      })),
      filesWhole: files.whole.length,
      filesPartial: files.partial.length,
      rowsRewritten: inFiles - files.rowCount,
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
  const { topic, partition } = range.coordinates
  const columns = `${topic} AS t, ${partition} AS p, count(*) AS n`
  await stage.load('range_counts', `${selectRange(table, ref, range, columns)} GROUP BY ALL`)
  const counts = new Map<string, bigint>()
  for (const [ofTopic, ofPartition, count] of await stage.rows(
    'SELECT t, p, n FROM range_counts',
  )) {
    counts.set(`${String(ofTopic ?? '')}:${String(ofPartition)}`, BigInt(String(count)))
  }
  // Where the table has no column for the topic, all its rows are of the one topic.
  return ({ topic: name, partition: number }) =>
    counts.get(`${name}:${number}`) ?? counts.get(`:${number}`) ?? 0n
}
