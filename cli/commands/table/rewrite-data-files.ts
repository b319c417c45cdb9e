/** `tide table rewrite-data-files`: Iceberg's procedure of that name. */
import type { Command } from 'commander'
import { openCompactor } from '../../../app/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import { rewriteOptions } from '../../../compactor/index.ts'
import { collect } from '../../frame/collect.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError, fromFlags } from '../../frame/failure.ts'
import { tableVerb } from './table-verb.ts'

interface RewriteFlags {
  readonly where?: string
  readonly option?: readonly string[]
  readonly branch?: string
  readonly dryRun?: boolean
}

export function addRewriteDataFiles(table: Command, context: CliContext): void {
  tableVerb(table, 'rewrite-data-files')
    .description('merge small files, split large ones, apply deletes; no row changes')
    .option('--where <condition>', 'only files that may hold matching rows, in SQL')
    .option(
      '--option <key=value>',
      "an option of Iceberg's rewrite_data_files; repeatable",
      collect,
      [],
    )
    .option('--branch <name>', 'default: main')
    .option('--dry-run', 'show the plan and change nothing')
    .action((name: string, flags: RewriteFlags) => rewriteDataFiles(context, name, flags))
}

async function rewriteDataFiles(
  context: CliContext,
  name: string,
  flags: RewriteFlags,
): Promise<void> {
  const identifier = parseTableName(name)
  const given = keyValues(flags.option ?? [])
  // Faults of the options before anything is opened.
  fromFlags(() => rewriteOptions({}, given))
  const lake = await context.openLake()
  const compactor = await openCompactor(lake, { signal: context.signal })
  context.onClose(() => compactor.close())
  const { where, branch } = flags
  const report = await compactor.rewrite(identifier, {
    options: (properties) => rewriteOptions(properties, given),
    dryRun: flags.dryRun === true,
    ...(branch === undefined ? {} : { branch }),
    ...(where === undefined ? {} : { filter: await compactor.filterOf(identifier, where) }),
  })
  await context.print({
    columns: [
      'partition',
      'reasons',
      'files_before',
      'files_after',
      'bytes_before',
      'bytes_after',
      'rows',
      'rows_deleted',
      'spec_id',
    ],
    wide: ['spec_id'],
    rows: report.groups.map((group) => ({
      partition: group.partition,
      reasons: group.reasons.join(', '),
      files_before: group.filesBefore,
      files_after: group.filesAfter,
      bytes_before: group.bytesBefore,
      bytes_after: group.bytesAfter ?? null,
      rows: group.rows,
      rows_deleted: group.rowsDeleted ?? null,
      spec_id: group.specId,
    })),
    empty: `nothing to rewrite: ${report.filesTotal} files are in order`,
  })
  for (const { file, reason } of report.skipped) {
    context.note(`left as it is (${reason}): ${file.filePath}`)
  }
  if (report.isDryRun && report.groups.length > 0) context.note('a dry run: nothing was changed')
}

function keyValues(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const split = pair.indexOf('=')
      if (split < 1) throw new UsageError(`--option takes key=value, found "${pair}"`)
      return [pair.slice(0, split).trim(), pair.slice(split + 1).trim()]
    }),
  )
}
