/** `tide table properties …`: of a table, or of a namespace when there is no such table. */
import type { Command } from 'commander'
import type { Catalog, Table } from '../../../catalog/index.ts'
import { checkTableProperty, propertyNotes } from '../../../catalog/table/index.ts'
import { NotFoundError, didYouMean } from '../../../common/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'

interface PropertyChanges {
  readonly updates: Readonly<Record<string, string>>
  readonly removals: readonly string[]
}

export function addProperties(table: Command, context: CliContext): void {
  const properties = table.command('properties')
  const named = (verb: string, description: string): Command =>
    properties
      .command(verb)
      .description(description)
      .argument('<name>', 'namespace.table, or a namespace')
  properties.description('properties of a table or a namespace: get, set, remove')
  named('get', 'all properties, or one')
    .argument('[property]')
    .action((name: string, property?: string) => getProperties(context, name, property))
  named('set', 'set one property')
    .argument('<property>')
    .argument('<value>')
    .action((name: string, property: string, value: string) =>
      changeProperties(context, name, { updates: { [property]: value }, removals: [] }),
    )
  named('remove', 'remove one property')
    .argument('<property>')
    .action((name: string, property: string) =>
      changeProperties(context, name, { updates: {}, removals: [property] }),
    )
}

async function getProperties(
  context: CliContext,
  name: string,
  property: string | undefined,
): Promise<void> {
  const { catalog } = await context.openLake()
  const table = await tableOf(catalog, name)
  const properties = table?.metadata.properties ?? (await catalog.loadNamespace(name.split('.')))
  if (property !== undefined) {
    const value = properties[property]
    if (value === undefined) throw noSuchProperty(name, property, properties)
    return context.write(`${value}\n`)
  }
  await context.printRecord(
    Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : Number(a > b)))),
  )
}

async function changeProperties(
  context: CliContext,
  name: string,
  changes: PropertyChanges,
): Promise<void> {
  const { catalog } = await context.openLake()
  const table = await tableOf(catalog, name)
  const before = table?.metadata.properties ?? (await catalog.loadNamespace(name.split('.')))
  for (const property of changes.removals) {
    if (before[property] === undefined) throw noSuchProperty(name, property, before)
  }
  if (table !== undefined) {
    for (const [key, value] of Object.entries(changes.updates)) checkTableProperty(key, value)
  }
  if (table === undefined) await catalog.updateNamespaceProperties(name.split('.'), changes)
  else await changeTable(catalog, table, changes)
  for (const [key, value] of Object.entries(changes.updates)) {
    context.note(`${name}: ${key}=${value} (was ${before[key] ?? 'not set'})`)
  }
  if (table !== undefined) {
    for (const note of propertyNotes(changes.updates)) context.note(`${name}: ${note}`)
  }
  for (const key of changes.removals) context.note(`${name}: removed ${key}`)
}

async function changeTable(
  catalog: Catalog,
  table: Table,
  changes: PropertyChanges,
): Promise<void> {
  const { updates, removals } = changes
  await catalog.commitTable({
    identifier: table.identifier,
    requirements: [{ type: 'assert-table-uuid', uuid: table.metadata.tableUuid }],
    updates: [
      ...(Object.keys(updates).length > 0 ? [{ action: 'set-properties' as const, updates }] : []),
      ...(removals.length > 0 ? [{ action: 'remove-properties' as const, removals }] : []),
    ],
  })
}

async function tableOf(catalog: Catalog, name: string): Promise<Table | undefined> {
  if (!name.includes('.')) return undefined
  try {
    return await catalog.loadTable(parseTableName(name))
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    // Not a table: the same words may name a nested namespace; its own error says what is missing.
    const namespaces = await catalog.listNamespaces(name.split('.').slice(0, -1)).catch(() => [])
    if (namespaces.some((namespace) => namespace.join('.') === name)) return undefined
    throw error
  }
}

function noSuchProperty(
  name: string,
  property: string,
  properties: Readonly<Record<string, string>>,
): NotFoundError {
  const hint = didYouMean(property, Object.keys(properties))
  return new NotFoundError(`${name} has no property ${property}${hint}`)
}
