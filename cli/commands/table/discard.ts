/** `tide table discard`: throws a branch away, that of a replay with its dead letters. */
import type { Command } from 'commander'
import { discardBranch } from '../../../app/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { tableVerb } from './table-verb.ts'

interface DiscardFlags {
  readonly branch: string
  readonly execute?: boolean
}

export function addDiscard(table: Command, context: CliContext): void {
  tableVerb(table, 'discard')
    .description('throw a branch away, that of a replay with its dead letters; a dry run')
    .requiredOption('--branch <name>')
    .option('--execute', 'do it')
    .action((name: string, flags: DiscardFlags) => discardTableBranch(context, name, flags))
}

async function discardTableBranch(
  context: CliContext,
  name: string,
  { branch, execute }: DiscardFlags,
): Promise<void> {
  const lake = await context.openLake()
  const report = await discardBranch(lake, parseTableName(name), branch, {
    execute: execute === true,
  })
  const { letters, isDryRun } = report
  await context.printRecord({
    table: report.table,
    branches: report.branches.join(', '),
    dead_letters: letters === undefined ? null : `${letters.table} ${letters.branch}`,
    snapshots: report.snapshots,
    dry_run: isDryRun,
  })
  context.note(
    isDryRun
      ? 'a dry run: nothing was changed (--execute does it)'
      : `main was not touched; files of the branch go with: tide table expire-snapshots ${report.table}`,
  )
}
