/** `tide table rename`. */
import type { Command } from 'commander'
import { formatIdentifier, parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'

export function addRename(table: Command, context: CliContext): void {
  table
    .command('rename')
    .description('give a table another name')
    .argument('<from>', 'namespace.table')
    .argument('<to>', 'namespace.table')
    .action((from: string, to: string) => renameTable(context, from, to))
}

async function renameTable(context: CliContext, from: string, to: string): Promise<void> {
  const [source, target] = [parseTableName(from), parseTableName(to)]
  const { catalog } = await context.openLake()
  await catalog.renameTable(source, target)
  context.note(`renamed ${formatIdentifier(source)} to ${formatIdentifier(target)}`)
}
