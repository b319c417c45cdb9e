/** `tide table …`: PyIceberg's verbs over our own catalog or any REST catalog (`--uri`). */
import type { Command } from 'commander'
import type { CliContext } from '../context.ts'

export function addTable(program: Command, context: CliContext): void {
  const table = program
    .command('table')
    .description('tables: list, describe, schema, spec, snapshots, files, properties, drop, rename')

  table
    .command('list')
    .alias('ls')
    .description('list tables, of one namespace or of all')
    .argument('[namespace]')
    .action(async (namespace?: string) => {
      const { listTables } = await import('../table-list.ts')
      await listTables(context, namespace)
    })

  addInspection(table, context)
  addProperties(table, context)
  addChanges(table, context)
}

function addInspection(table: Command, context: CliContext): void {
  const verbs = {
    describe: 'schema, partitioning, newest snapshot and properties',
    schema: 'columns with field ids',
    spec: 'partition fields',
    uuid: 'the table uuid',
    location: 'where the table lies',
    'list-refs': 'branches and tags',
    files: 'live data and delete files of the newest snapshot',
    snapshots: 'snapshots, oldest first, with their row and file counts',
  } as const
  for (const [verb, description] of Object.entries(verbs)) {
    table
      .command(verb)
      .description(description)
      .argument('<table>', 'namespace.table')
      .action(async (name: string) => {
        const { inspectTable } = await import('../table-inspect.ts')
        await inspectTable(context, verb as keyof typeof verbs, name)
      })
  }
}

function addProperties(table: Command, context: CliContext): void {
  const properties = table
    .command('properties')
    .description('properties of a table or a namespace: get, set, remove')

  properties
    .command('get')
    .description('all properties, or one')
    .argument('<name>', 'namespace.table, or a namespace')
    .argument('[property]')
    .action(async (name: string, property?: string) => {
      const { getProperties } = await import('../table-properties.ts')
      await getProperties(context, name, property)
    })

  properties
    .command('set')
    .description('set one property')
    .argument('<name>', 'namespace.table, or a namespace')
    .argument('<property>')
    .argument('<value>')
    .action(async (name: string, property: string, value: string) => {
      const { changeProperties } = await import('../table-properties.ts')
      await changeProperties(context, name, { updates: { [property]: value }, removals: [] })
    })

  properties
    .command('remove')
    .description('remove one property')
    .argument('<name>', 'namespace.table, or a namespace')
    .argument('<property>')
    .action(async (name: string, property: string) => {
      const { changeProperties } = await import('../table-properties.ts')
      await changeProperties(context, name, { updates: {}, removals: [property] })
    })
}

function addChanges(table: Command, context: CliContext): void {
  table
    .command('drop')
    .description('remove a table from the catalog; its files stay unless --purge')
    .argument('<table>', 'namespace.table')
    .option('--purge', 'delete the files as well')
    .action(async (name: string, options: { readonly purge?: boolean }) => {
      const { dropTable } = await import('../table-changes.ts')
      await dropTable(context, name, options.purge === true)
    })

  table
    .command('rename')
    .description('give a table another name')
    .argument('<from>', 'namespace.table')
    .argument('<to>', 'namespace.table')
    .action(async (from: string, to: string) => {
      const { renameTable } = await import('../table-changes.ts')
      await renameTable(context, from, to)
    })
}
