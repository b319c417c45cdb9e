/** `tide table drop`: out of the catalog, its files deleted only with --purge. */
import type { Command } from 'commander'
import { formatIdentifier, parseTableName } from '../../../catalog/format/index.ts'
import { describeLeft, type PurgeReport } from '../../../catalog/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { tableVerb } from './table-verb.ts'

export function addDrop(table: Command, context: CliContext): void {
  tableVerb(table, 'drop')
    .description('remove a table from the catalog; its files stay unless --purge')
    .option('--purge', 'delete the files as well')
    .action((name: string, { purge }: { readonly purge?: boolean }) =>
      dropTable(context, name, purge === true),
    )
}

async function dropTable(context: CliContext, name: string, purge: boolean): Promise<void> {
  const identifier = parseTableName(name)
  const { catalog } = await context.openLake()
  const report = await catalog.dropTable(identifier, { purge })
  const files = purge ? purged(report) : 'its files stay (--purge deletes them)'
  context.note(`dropped ${formatIdentifier(identifier)}; ${files}`)
}

function purged(report: PurgeReport | undefined): string {
  if (report === undefined) {
    return "its files were deleted, unless a warning in the catalog's log says otherwise"
  }
  const { failure, filesLeft } = report
  const left = filesLeft.length === 0 ? '' : `; ${describeLeft(filesLeft)}`
  if (failure !== undefined) return `not all of its files were deleted: ${failure}${left}`
  return `its files were deleted${left}`
}
