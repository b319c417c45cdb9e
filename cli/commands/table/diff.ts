/** `tide table diff`: what the branch of a replay changes, row by row. */
import type { Command } from 'commander'
import { diffReplay, type Lake } from '../../../app/index.ts'
import { type TableIdentifier, parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { tableVerb } from './table-verb.ts'

interface DiffFlags {
  readonly branch: string
  readonly samples?: string
}

export function addDiff(table: Command, context: CliContext): void {
  tableVerb(table, 'diff')
    .description('what the branch of a replay changes, row by row')
    .requiredOption('--branch <name>')
    .option('--samples <number>', 'rows shown of each kind', '5')
    .action((name: string, flags: DiffFlags) => diffTableBranch(context, name, flags))
}

async function diffTableBranch(
  context: CliContext,
  name: string,
  { branch, samples = '5' }: DiffFlags,
): Promise<void> {
  if (!/^\d{1,4}$/.test(samples)) {
    throw new UsageError(`--samples takes a whole number up to 9999, found "${samples}"`)
  }
  const lake = await context.openLake()
  await printDiff(context, lake, parseTableName(name), branch, Number(samples))
}

/** Samples as the rows of the report; the counts are notes for people, and a record in JSON. */
export async function printDiff(
  context: CliContext,
  lake: Lake,
  table: TableIdentifier,
  branch: string,
  samplesMax = 5,
): Promise<void> {
  const diff = await diffReplay(lake, table, branch, samplesMax)
  const counts = {
    rows_base: diff.rowsBase,
    rows_branch: diff.rowsBranch,
    same: diff.same,
    only_base: diff.onlyBase,
    only_branch: diff.onlyBranch,
    differing: diff.differing,
    dead_letters_base: diff.deadLettersBase,
    dead_letters_branch: diff.deadLettersBranch,
  }
  const samples = diff.samples.map(({ base, branch: ours, ...place }) => ({
    ...place,
    base,
    branch: ours,
  }))
  if (context.format === 'json' || context.format === 'jsonl') {
    const columns = Object.fromEntries(diff.columns)
    await context.printRecord({ ...counts, columns, samples })
    return
  }
  await context.printRecord(counts)
  if (samples.length === 0) return
  for (const [column, count] of diff.columns) context.note(`${column} differs in ${count} rows`)
  await context.print({
    columns: ['kind', 'topic', 'partition', 'offset', 'base', 'branch'],
    wide: ['topic'],
    rows: samples,
  })
}
