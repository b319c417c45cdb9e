/** `tide table remove-orphan-files`: Iceberg's procedure of that name. */
import type { Command } from 'commander'
import { parseTableName } from '../../../catalog/format/index.ts'
import { describeLeft } from '../../../catalog/index.ts'
import { formatDuration, formatSize, parseDuration } from '../../../common/index.ts'
import { checkOrphanAge, removeOrphanFiles } from '../../../compactor/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { fromFlags } from '../../frame/failure.ts'
import { tableVerb } from './table-verb.ts'

interface OrphanFlags {
  readonly olderThan: string
  readonly execute?: boolean
}

export function addRemoveOrphanFiles(table: Command, context: CliContext): void {
  tableVerb(table, 'remove-orphan-files')
    .description("files in the table's folder that nothing of the table names; a dry run")
    .option('--older-than <age>', 'only files of at least this age, a day or more', '3d')
    .option('--execute', 'delete them')
    .action((name: string, flags: OrphanFlags) => removeTableOrphans(context, name, flags))
}

async function removeTableOrphans(
  context: CliContext,
  name: string,
  flags: OrphanFlags,
): Promise<void> {
  const olderThanMs = parseDuration(flags.olderThan)
  fromFlags(() => checkOrphanAge(olderThanMs))
  const lake = await context.openLake()
  const report = await removeOrphanFiles(lake, parseTableName(name), {
    olderThanMs,
    execute: flags.execute === true,
    signal: context.signal,
  })
  const { filesListed, filesTooYoung, left, orphans, sizeBytes } = report
  const now = context.clock.now()
  await context.print({
    columns: ['location', 'size_bytes', { key: 'age', align: 'right' }],
    rows: orphans.map((file) => ({
      location: file.location,
      size_bytes: file.sizeBytes,
      age: formatDuration(now - file.modifiedMs),
    })),
    empty: `no orphans among ${filesListed} files (${filesTooYoung} younger than ${flags.olderThan})`,
  })
  if (left.length > 0) context.note(describeLeft(left))
  if (orphans.length === 0) return
  const what = `${orphans.length} files, ${formatSize(sizeBytes)}`
  context.note(report.isDryRun ? `${what}; --execute deletes them` : `deleted ${what}`)
}
