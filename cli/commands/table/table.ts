/** `tide table …`: PyIceberg's verbs over our own catalog or any REST catalog (`--uri`). */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'
import type { DiffFlags, PublishFlags } from './publish.ts'
import type {
  ExpireCommandOptions,
  OrphanCommandOptions,
  RewriteCommandOptions,
} from './maintenance.ts'

export function addTable(program: Command, context: CliContext): void {
  const table = program
    .command('table')
    .description(
      'tables: list, describe, schema, spec, snapshots, files, properties, drop, rename, upkeep',
    )

  table
    .command('list')
    .alias('ls')
    .description('list tables, of one namespace or of all')
    .argument('[namespace]')
    .action(async (namespace?: string) => {
      const { listTables } = await import('./ls.ts')
      await listTables(context, namespace)
    })

  addInspection(table, context)
  addProperties(table, context)
  addChanges(table, context)
  addBranches(table, context)
  addMaintenance(table, context)
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
        const { inspectTable } = await import('./inspect.ts')
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
      const { getProperties } = await import('./properties.ts')
      await getProperties(context, name, property)
    })

  properties
    .command('set')
    .description('set one property')
    .argument('<name>', 'namespace.table, or a namespace')
    .argument('<property>')
    .argument('<value>')
    .action(async (name: string, property: string, value: string) => {
      const { changeProperties } = await import('./properties.ts')
      await changeProperties(context, name, { updates: { [property]: value }, removals: [] })
    })

  properties
    .command('remove')
    .description('remove one property')
    .argument('<name>', 'namespace.table, or a namespace')
    .argument('<property>')
    .action(async (name: string, property: string) => {
      const { changeProperties } = await import('./properties.ts')
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
      const { dropTable } = await import('./changes.ts')
      await dropTable(context, name, options.purge === true)
    })

  table
    .command('rename')
    .description('give a table another name')
    .argument('<from>', 'namespace.table')
    .argument('<to>', 'namespace.table')
    .action(async (from: string, to: string) => {
      const { renameTable } = await import('./changes.ts')
      await renameTable(context, from, to)
    })
}

function addBranches(table: Command, context: CliContext): void {
  table
    .command('diff')
    .description('what the branch of a replay changes, row by row')
    .argument('<table>', 'namespace.table')
    .requiredOption('--branch <name>')
    .option('--samples <number>', 'rows shown of each kind', '5')
    .action(async (name: string, options: DiffFlags) => {
      const { diffTableBranch } = await import('./publish.ts')
      await diffTableBranch(context, name, options)
    })

  table
    .command('publish')
    .description('apply what a branch changed to main as it is now; sinks go on meanwhile')
    .argument('<table>', 'namespace.table')
    .requiredOption('--branch <name>')
    .option('--drop-branch', 'then remove the branch')
    .action(async (name: string, options: PublishFlags) => {
      const { publishTableBranch } = await import('./publish.ts')
      await publishTableBranch(context, name, options)
    })
}

function addMaintenance(table: Command, context: CliContext): void {
  table
    .command('health')
    .description('small files, deletes, manifests, snapshots: what is wrong, why, and the cure')
    .argument('<table>', 'namespace.table')
    .action(async (name: string) => {
      const { showHealth } = await import('./health.ts')
      await showHealth(context, name)
    })

  table
    .command('rewrite-data-files')
    .description('merge small files, split large ones, apply deletes; no row changes')
    .argument('<table>', 'namespace.table')
    .option('--where <condition>', 'only files that may hold matching rows, in SQL')
    .option(
      '--option <key=value>',
      "an option of Iceberg's rewrite_data_files; repeatable",
      collect,
      [],
    )
    .option('--branch <name>', 'default: main')
    .option('--dry-run', 'show the plan and change nothing')
    .action(async (name: string, options: RewriteCommandOptions) => {
      const { rewriteDataFiles } = await import('./maintenance.ts')
      await rewriteDataFiles(context, name, options)
    })

  table
    .command('expire-snapshots')
    .description('forget old snapshots and delete the files that only they need')
    .argument('<table>', 'namespace.table')
    .option('--older-than <age>', "an age such as 5d, or a time; default: the table's own, 5d")
    .option('--retain-last <number>', "keep that many on each branch; default: the table's own, 1")
    .option('--snapshot-id <id>', 'this one, whatever its age; repeatable', collect)
    .option('--dry-run', 'show what would go and change nothing')
    .action(async (name: string, options: ExpireCommandOptions) => {
      const { expireTableSnapshots } = await import('./maintenance.ts')
      await expireTableSnapshots(context, name, options)
    })

  table
    .command('remove-orphan-files')
    .description("files in the table's folder that nothing of the table names; a dry run")
    .argument('<table>', 'namespace.table')
    .option('--older-than <age>', 'only files of at least this age, a day or more', '3d')
    .option('--execute', 'delete them')
    .action(async (name: string, options: OrphanCommandOptions) => {
      const { removeTableOrphans } = await import('./maintenance.ts')
      await removeTableOrphans(context, name, options)
    })
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}
