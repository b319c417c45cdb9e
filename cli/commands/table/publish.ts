/** `tide table publish`: what a branch changed, applied to main. */
import type { Command } from 'commander'
import { publishBranch } from '../../../app/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { tableVerb } from './table-verb.ts'

interface PublishFlags {
  readonly branch: string
  readonly dropBranch?: boolean
}

export function addPublish(table: Command, context: CliContext): void {
  tableVerb(table, 'publish')
    .description('apply what a branch changed to main as it is now, while sinks go on')
    .requiredOption('--branch <name>')
    .option('--drop-branch', 'then remove the branch')
    .action((name: string, flags: PublishFlags) => publishTableBranch(context, name, flags))
}

async function publishTableBranch(
  context: CliContext,
  name: string,
  { branch, dropBranch }: PublishFlags,
): Promise<void> {
  const lake = await context.openLake()
  const report = await publishBranch(lake, parseTableName(name), branch, {
    dropBranch: dropBranch === true,
  })
  await context.printRecord({
    table: report.table,
    branch: report.branch,
    target: report.target,
    changed: report.isChanged,
    snapshot_id: report.snapshotId?.toString() ?? null,
    redone: report.isRedone,
  })
  if (report.isRedone) {
    context.note(
      `files of the range had been rewritten on ${report.target}; it was done on the new ones`,
    )
  }
}
