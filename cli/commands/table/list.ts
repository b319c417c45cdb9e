/** `tide table list`. */
import type { Command } from 'commander'
import type { Catalog } from '../../../catalog/index.ts'
import {
  type Namespace,
  type TableIdentifier,
  formatIdentifier,
  formatNamespace,
} from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'

/** A faulty REST catalog could list namespaces in a cycle; the bound makes the command end. */
const namespacesMax = 10_000

export function addList(table: Command, context: CliContext): void {
  table
    .command('list')
    .alias('ls')
    .description('list tables, of one namespace or of all')
    .argument('[namespace]')
    .action((namespace?: string) => listTables(context, namespace))
}

async function listTables(context: CliContext, namespace: string | undefined): Promise<void> {
  const { catalog } = await context.openLake()
  const tables =
    namespace === undefined
      ? await tablesBelow(catalog)
      : await catalog.listTables(namespace.split('.'))
  await context.print({
    columns: ['namespace', 'table', 'name'],
    wide: ['name'],
    rows: tables.map((identifier) => ({
      namespace: formatNamespace(identifier.namespace),
      table: identifier.name,
      name: formatIdentifier(identifier),
    })),
    empty: 'no tables',
  })
}

async function tablesBelow(catalog: Catalog): Promise<readonly TableIdentifier[]> {
  const tables: TableIdentifier[] = []
  const waiting: Namespace[] = [...(await catalog.listNamespaces())]
  const seen = new Set<string>()
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const key = JSON.stringify(next)
    if (seen.has(key) || seen.size >= namespacesMax) continue
    seen.add(key)
    tables.push(...(await catalog.listTables(next)))
    waiting.push(...(await catalog.listNamespaces(next)))
  }
  return tables.sort((left, right) => {
    const [first, second] = [formatIdentifier(left), formatIdentifier(right)]
    return first < second ? -1 : Number(first > second)
  })
}
