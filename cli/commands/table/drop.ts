/** `tide table drop`: out of the catalog, its files deleted only with --purge. */
import type { Command } from 'commander'
import { formatIdentifier, parseTableName } from '../../../catalog/format/index.ts'
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
  await catalog.dropTable(identifier, { purge })
  const files = purge
    ? "its files were deleted, unless a warning in the catalog's log says otherwise"
    : 'its files stay (--purge deletes them)'
  context.note(`dropped ${formatIdentifier(identifier)}; ${files}`)
}
