/** `tide table drop` and `rename`. */
import { formatIdentifier, parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'

export async function dropTable(context: CliContext, name: string, purge: boolean): Promise<void> {
  const identifier = parseTableName(name)
  const { catalog } = await context.openLake()
  await catalog.dropTable(identifier, { purge })
  const files = purge
    ? "its files were deleted, unless a warning in the catalog's log says otherwise"
    : 'its files stay (--purge deletes them)'
  context.note(`dropped ${formatIdentifier(identifier)}; ${files}`)
}

export async function renameTable(context: CliContext, from: string, to: string): Promise<void> {
  const [source, target] = [parseTableName(from), parseTableName(to)]
  const { catalog } = await context.openLake()
  await catalog.renameTable(source, target)
  context.note(`renamed ${formatIdentifier(source)} to ${formatIdentifier(target)}`)
}
