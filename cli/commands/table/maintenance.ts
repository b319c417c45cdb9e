/** `tide table rewrite-data-files`, `expire-snapshots`, `remove-orphan-files`: Iceberg's procedures. */
import { openCompactor, requireSafeStore } from '../../../app/index.ts'
import { expireSnapshots } from '../../../catalog/index.ts'
import { checkOrphanAge, removeOrphanFiles, rewriteOptions } from '../../../compactor/index.ts'
import { formatDuration, formatSize, parseDuration } from '../../../common/index.ts'
import { parseTableName } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError, fromFlags } from '../../frame/failure.ts'

export interface RewriteCommandOptions {
  readonly where?: string
  readonly option?: readonly string[]
  readonly branch?: string
  readonly dryRun?: boolean
}

export async function rewriteDataFiles(
  context: CliContext,
  name: string,
  options: RewriteCommandOptions,
): Promise<void> {
  const identifier = parseTableName(name)
  const given = keyValues(options.option ?? [])
  // Faults of the options before anything is opened.
  fromFlags(() => rewriteOptions({}, given))
  const lake = await context.openLake()
  const compactor = await openCompactor(lake, { signal: context.signal })
  context.onClose(() => compactor.close())
  const { where, branch } = options
  const report = await compactor.rewrite(identifier, {
    options: (properties) => rewriteOptions(properties, given),
    dryRun: options.dryRun === true,
    ...(branch === undefined ? {} : { branch }),
    ...(where === undefined ? {} : { filter: await compactor.filterOf(identifier, where) }),
  })
  await context.print({
    columns: [
      { key: 'partition' },
      { key: 'reasons' },
      { key: 'files_before', align: 'right' },
      { key: 'files_after', align: 'right' },
      { key: 'bytes_before', align: 'right' },
      { key: 'bytes_after', align: 'right' },
      { key: 'rows', align: 'right' },
      { key: 'rows_deleted', align: 'right' },
      { key: 'spec_id', align: 'right', wide: true },
    ],
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

export interface ExpireCommandOptions {
  readonly olderThan?: string
  readonly retainLast?: string
  readonly snapshotId?: readonly string[]
  readonly dryRun?: boolean
}

export async function expireTableSnapshots(
  context: CliContext,
  name: string,
  options: ExpireCommandOptions,
): Promise<void> {
  const { olderThan, retainLast, snapshotId } = options
  const olderThanMs = olderThan === undefined ? undefined : timeOf(olderThan, context.clock.now())
  const request = {
    dryRun: options.dryRun === true,
    ...(olderThanMs === undefined ? {} : { olderThanMs: BigInt(olderThanMs) }),
    ...(retainLast === undefined ? {} : { retainLast: countOf('--retain-last', retainLast) }),
    ...(snapshotId === undefined ? {} : { snapshotIds: snapshotId.map(snapshotIdOf) }),
  }
  const lake = await context.openLake()
  await requireSafeStore(lake)
  const tools = { ...lake, signal: context.signal }
  const { refs, snapshotIds, unreachable } = await expireSnapshots(
    lake.catalog,
    parseTableName(name),
    tools,
    request,
  )
  await context.printRecord({
    dry_run: request.dryRun,
    expired_snapshots: snapshotIds.length,
    expired_refs: refs.length,
    deleted_data_and_delete_files: unreachable.files.length,
    deleted_manifest_files: unreachable.manifests.length,
    deleted_manifest_lists: unreachable.manifestLists.length,
    deleted_statistics_files: unreachable.statistics.length,
  })
}

export interface OrphanCommandOptions {
  readonly olderThan: string
  readonly execute?: boolean
}

export async function removeTableOrphans(
  context: CliContext,
  name: string,
  options: OrphanCommandOptions,
): Promise<void> {
  const olderThanMs = parseDuration(options.olderThan)
  fromFlags(() => checkOrphanAge(olderThanMs))
  const lake = await context.openLake()
  const report = await removeOrphanFiles(lake, parseTableName(name), {
    olderThanMs,
    execute: options.execute === true,
  })
  const { filesListed, filesTooYoung, orphans, sizeBytes } = report
  const now = context.clock.now()
  await context.print({
    columns: [
      { key: 'location' },
      { key: 'size_bytes', align: 'right' },
      { key: 'age', align: 'right' },
    ],
    rows: orphans.map((file) => ({
      location: file.location,
      size_bytes: file.sizeBytes,
      age: formatDuration(now - file.modifiedMs),
    })),
    empty: `no orphans among ${filesListed} files (${filesTooYoung} younger than ${options.olderThan})`,
  })
  if (orphans.length === 0) return
  const what = `${orphans.length} files, ${formatSize(sizeBytes)}`
  context.note(report.isDryRun ? `${what}; --execute deletes them` : `deleted ${what}`)
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

/** An age before now, or a moment. */
function timeOf(text: string, nowMs: number): number {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return nowMs - parseDuration(text)
  // A time without a zone is UTC, as everywhere here.
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/.test(text) || text.length === 10
  const ms = Date.parse(hasZone ? text : `${text.replace(' ', 'T')}Z`)
  if (!Number.isNaN(ms)) return ms
  throw new UsageError(
    `--older-than takes an age such as 5d or a time such as 2026-01-31T12:00:00Z, found "${text}"`,
  )
}

function countOf(flag: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new UsageError(`${flag} takes a whole number from 1, found "${text}"`)
  }
  return Number(text)
}

function snapshotIdOf(text: string): bigint {
  if (!/^-?\d{1,19}$/.test(text)) {
    throw new UsageError(`--snapshot-id takes the number of a snapshot, found "${text}"`)
  }
  return BigInt(text)
}
